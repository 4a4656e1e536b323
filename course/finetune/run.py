"""The training loop: AdamW on the objective of Eq. 6, one reported step at a time (Eq. 17)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from course.adapters.switches import checkpointing, uncompiled

from .checkpoint import Store
from .checks import check_finite
from .objective import Draw, Drawer, Losses, Objective
from .processes import Team
from .progress import FinetuneStep, stalled


def train(
    update: Update, n_steps: int, patience: int | None, store: Store, steps: list[FinetuneStep]
) -> Iterator[FinetuneStep]:
    """Yield the steps that are left after `steps`, each after its update and its checkpoint."""

    def ended() -> bool:
        return len(steps) >= n_steps or stalled([s.total_loss for s in steps], patience)

    while not ended():
        # The caller may iterate under no_grad or inference_mode; neither may leak in or out.
        with torch.inference_mode(False), torch.enable_grad():
            numbers = update()
        # Gradients of a finished step would only fill memory until the next one.
        update.optimizer.zero_grad()
        step = FinetuneStep(len(steps), *numbers.tolist())
        check_finite(step, update.parameters)
        steps.append(step)
        # All processes hold the same state: one file is enough.
        if update.team.index == 0 and (ended() or store.due(len(steps))):
            store.write(update, steps)
        yield step


@dataclass(frozen=True)
class Update:
    """One update of the parameters, shared among the processes of a team.

    `scaler` multiplies the loss of a float16 UNet, whose small gradients would else become 0.
    """

    objective: Objective
    drawer: Drawer
    parameters: Mapping[str, nn.Parameter]
    optimizer: torch.optim.Optimizer
    team: Team
    n_windows: int
    gradient_parts: bool
    scaler: torch.amp.GradScaler
    gradient_checkpointing: bool = False

    def __call__(self) -> Tensor:
        """Update the parameters once; return the numbers of `FinetuneStep` after `step`.

        Where the scaled gradients overflow, the same draws are tried again with half the scale.
        Where they still do without any, or a loss does, nothing is updated.
        """
        # Every process makes all draws, so that all generators stay in the same state.
        draws = [self.drawer(self.objective.latents) for _ in range(self.n_windows)]
        while True:
            losses, norms = self._gradients(draws)
            finite = [bool(torch.isfinite(numbers).all()) for numbers in (losses, norms)]
            if finite[1] or not finite[0] or not self._lower_scale():
                break
        if all(finite):
            self.scaler.step(self.optimizer)
            self.scaler.update()
        return torch.cat([losses, norms])

    def _gradients(self, draws: list[Draw]) -> tuple[Tensor, Tensor]:
        """Leave the gradients in the parameters; return the losses (4,) and gradient norms."""
        self.optimizer.zero_grad()
        losses: Tensor | float = 0.0
        parts: Tensor | float = 0.0
        for index in self.team.part(self.n_windows):
            with (
                uncompiled(self.objective.unet),  # taps are hooks, which come after compiling
                checkpointing(self.objective.unet, self.gradient_checkpointing),
            ):
                found = self.objective(draws[index])
                if self.gradient_parts:
                    parts = parts + self._gradients_of_terms(found) / self.n_windows
                self.scaler.scale(found.total / self.n_windows).backward()
            losses = losses + torch.stack([x.detach().float() for x in found]) / self.n_windows
        gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
        self.team.add_up([*gradients, losses, *([parts] if self.gradient_parts else [])])
        self.scaler.unscale_(self.optimizer)
        norms = [nn.utils.get_total_norm(gradients).float()]
        if self.gradient_parts:
            norms.extend(torch.linalg.vector_norm(parts, dim=1) / self._scale())
        return losses, torch.stack(norms)

    def _scale(self) -> float:
        return self.scaler.get_scale() if self.scaler.is_enabled() else 1.0

    def _lower_scale(self) -> bool:
        """Halve the scale of the loss; return whether there was one to halve."""
        if self._scale() <= 1:
            return False
        self.scaler.update(self._scale() / 2)
        return True

    def _gradients_of_terms(self, losses: Losses) -> Tensor:
        """Return the scaled gradients of the two weighted terms, (2, number of parameters)."""
        parameters = list(self.parameters.values())
        rows = []
        for weight, term in (
            (self.objective.temporal_weight, losses.temporal),
            (self.objective.diffusion_weight, losses.diffusion),
        ):
            # A layer after the last tap takes no part in the temporal term.
            found = torch.autograd.grad(
                self.scaler.scale(weight * term), parameters, retain_graph=True, allow_unused=True
            )
            filled = (torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found))
            rows.append(torch.cat([gradient.flatten() for gradient in filled]))
        return torch.stack(rows)

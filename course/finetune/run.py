"""The training loop: AdamW on the objective of Eq. 6, one reported step at a time (Eq. 17)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .checkpoint import Store
from .checks import check_finite
from .objective import Drawer, Losses, Objective
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
        steps.append(FinetuneStep(len(steps), *numbers.tolist()))
        check_finite(steps[-1])
        # All processes hold the same state: one file is enough.
        if update.team.index == 0 and (ended() or store.due(len(steps))):
            store.write(update.parameters, update.optimizer, update.drawer.generator, steps)
        yield steps[-1]


@dataclass(frozen=True)
class Update:
    """One update of the parameters, shared among the processes of a team."""

    objective: Objective
    drawer: Drawer
    parameters: Mapping[str, nn.Parameter]
    optimizer: torch.optim.Optimizer
    team: Team
    n_windows: int
    gradient_parts: bool

    def __call__(self) -> Tensor:
        """Update the parameters once; return the numbers of `FinetuneStep` after `step`."""
        self.optimizer.zero_grad()
        # Every process makes all draws, so that all generators stay in the same state.
        draws = [self.drawer(self.objective.latents) for _ in range(self.n_windows)]
        numbers: Tensor | float = 0.0
        parts: Tensor | float = 0.0
        for index in self.team.part(self.n_windows):
            losses = self.objective(draws[index])
            if self.gradient_parts:
                parts = parts + self._gradients_of_terms(losses) / self.n_windows
            (losses.total / self.n_windows).backward()
            reported = torch.stack([loss.detach().float() for loss in losses])
            numbers = numbers + reported / self.n_windows
        gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
        self.team.add_up([*gradients, numbers, *([parts] if self.gradient_parts else [])])
        norms = [nn.utils.get_total_norm(gradients).float()]
        if self.gradient_parts:
            norms.extend(torch.linalg.vector_norm(parts, dim=1))
        self.optimizer.step()
        return torch.cat([numbers, torch.stack(norms)])

    def _gradients_of_terms(self, losses: Losses) -> Tensor:
        """Return the gradients of the two weighted terms, (2, number of trained parameters)."""
        parameters = list(self.parameters.values())
        rows = []
        for weight, term in (
            (self.objective.temporal_weight, losses.temporal),
            (self.objective.diffusion_weight, losses.diffusion),
        ):
            # A layer after the last tap takes no part in the temporal term.
            found = torch.autograd.grad(
                weight * term, parameters, retain_graph=True, allow_unused=True
            )
            filled = (torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found))
            rows.append(torch.cat([gradient.flatten() for gradient in filled]))
        return torch.stack(rows)

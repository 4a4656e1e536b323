"""How much work an edit is, before it starts, and one progress bar over all of it.

The unit is one frame through the UNet once; guidance sends each frame twice, a training step counts
three times (its backward pass takes about two forward passes), a frame through a half of the VAE
counts once.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import torch
from torch import nn
from tqdm import tqdm

from course.methods import Passes, Recipe, Task, frame_by_frame
from course.models.settings import SETTINGS, Chosen

TRAINING = 3


@dataclass(frozen=True)
class Estimate:
    """Evaluations for each frame, by stage, and the number of frames; training is for all."""

    stages: Mapping[str, int]
    n_frames: int
    training: int = 0

    @property
    def per_frame(self) -> int:
        return sum(self.stages.values())

    @property
    def total(self) -> int:
        return self.per_frame * self.n_frames + self.training

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {count}" for name, count in self.stages.items() if count)
        told = f"about {self.total} evaluations of the model: {self.n_frames} frames x "
        told += f"{self.per_frame} ({parts})"
        return told + (f", and {self.training} for training" if self.training else "")


def estimate(
    use: Chosen, way: Recipe, n_frames: int, settings: Mapping[str, object] | None = None, *,
    refine: int = 0, n_train: int = 0, window: int = 8, reconstruct: bool = False,
    baselines: bool = False, adapted: bool = False,
) -> Estimate:  # fmt: skip
    """Return the work of an edit with these settings, as `edit` takes them.

    Where the check of an edit says no, it is edited again, which nobody knows before. Else exact
    for samplers and for links that look at no more than the frames and the source; a link
    that sees more at once takes longer for each evaluation. `adapted` says that an adapter is
    there, without which its baseline is not made.
    """
    sampler, draws = way.sampler, int((settings or {}).get("draws", 1))
    passes = Passes(
        use.n_steps - use.skip, 1 if use.guidance == 1 else 2,
        any(_looks(method) for method in way.links), use.mask_threshold is not None, refine, draws,
    )  # fmt: skip
    stages = {"VAE": 1, "edit": sampler.evaluations(passes)}
    for method in (each for each in way.links if each.kind == "retry"):
        if (settings or {}).get("tries", SETTINGS[use.kind]["tries"].value):
            stages["check"] = method.evaluations(passes)
    n_results = 1
    if reconstruct:
        again = passes._replace(sides=1, has_mask=False)
        from_inversion = sampler.name == "paper"  # which is walked once for both
        count = frame_by_frame.evaluations if from_inversion else sampler.evaluations
        stages["reconstruction"] = count(again)
        n_results += 1
    if baselines:
        again = stages["edit"] if adapted else 0
        stages["baselines"] = again + passes.sides * use.n_steps
        n_results += 2 + adapted
    stages["VAE"] += n_results
    return Estimate(stages, n_frames, n_train * min(window, n_frames) * TRAINING)


def _looks(method: object) -> bool:
    """Return whether a link sends the source through the UNet beside the edit."""
    classes = (each for each in vars(method.module).values() if isinstance(each, type))
    return any(getattr(each, "looks_at_source", False) for each in classes)


@contextmanager
def overall(task: Task, amount: Estimate) -> Iterator[Task]:
    """Show one bar over all stages, moved by what goes through UNet and VAE; give the task back.

    The first evaluation, which may take longer than all others, does not count for the time left.
    A notebook cannot draw one bar below another: there this one names the stage, and is the only
    one. It is text, for a widget would be broken when the notebook is opened again.
    """
    if not task.progress:
        yield task
        return
    in_notebook = "ipykernel" in sys.modules
    # The latents of the task are frames until they are encoded, so the VAE's factor comes in.
    area = _area(task)
    with tqdm(
        total=amount.total, desc="whole edit", unit="evaluation", smoothing=0, leave=False,
        file=sys.stdout if in_notebook else None,
    ) as bar:  # fmt: skip

        def through_unet(module: nn.Module, inputs: tuple, output: object) -> None:
            latents = inputs[0]
            n_frames = latents.shape[0] * latents.shape[2] * latents.shape[3] / area
            _move(bar, round(n_frames * (TRAINING if torch.is_grad_enabled() else 1)))

        def through_vae(module: nn.Module, inputs: tuple, output: object) -> None:
            _move(bar, len(inputs[0]))

        vae = getattr(task.pipe, "vae", None)
        halves = [getattr(vae, name, None) for name in ("encoder", "decoder")]
        handles = [half.register_forward_hook(through_vae) for half in halves if half is not None]
        handles.append(task.pipe.unet.register_forward_hook(through_unet))
        try:
            named = replace(task, progress=False, announce=bar.set_description)
            yield named if in_notebook else task
            _move(bar, max(0, amount.total - bar.n))  # a notebook's bar must reach its end
        finally:
            for handle in handles:
                handle.remove()


def _area(task: Task) -> int:
    factor = 1
    with suppress(AttributeError):
        factor = 2 ** (len(task.pipe.vae.config.block_out_channels) - 1)
    height, width = task.latents.shape[-2:]
    return (height // factor) * (width // factor)


def _move(bar: tqdm, count: int) -> None:
    first = bar.n == 0
    bar.update(count)
    if first:
        bar.initial, bar.start_t = bar.n, time.time()

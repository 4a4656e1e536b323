"""Every frame from noise of its own: what an image model does with a clip, and the floor.

No paper: the baseline of all of them. With `skip` steps left out, a frame starts from the source
under that much noise instead (SDEdit, arXiv 2108.01073, Algorithm 1).
"""

from __future__ import annotations

from torch import Tensor

from course.diffusion import add_noise

from .outcome import Outcome, Passes
from .paper import sample_clip
from .task import Task


def run(task: Task) -> Outcome:
    """Return the target prompt's frames, each from its own noise."""
    return from_noise(task, task.noise(shared=False), "frame by frame")


def evaluations(passes: Passes) -> int:
    """Return how often a frame goes through the UNet."""
    return passes.n_steps * (passes.sides + passes.looks)


def from_noise(task: Task, noise: Tensor, name: str) -> Outcome:
    """Sample the target from noise (T, C, h, w); under it lies the source where steps are skipped.

    Attention that looks at the source sees it under the same noise.
    """

    def source_at(timestep: int) -> Tensor:
        return add_noise(task.latents, noise, timestep, task.schedule)

    start = noise if task.skip == 0 else source_at(task.pairs()[0][0])
    return Outcome(sample_clip(task, start, name=name, source_at=source_at))

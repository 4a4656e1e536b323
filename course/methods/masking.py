"""Where an edit may change the clip: where the two prompts disagree about the noise (DiffEdit)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from course.diffusion import add_noise

from .outcome import Passes

if TYPE_CHECKING:
    from .task import Task

PROBES = (1 / 3, 2 / 3)
"""Where on the way to noise the two prompts are compared: coarse shapes show, details do not."""


NOISED_DRAWS = 4
"""How many noises stand in for an inversion at each of these levels."""


def probed(n_steps: int) -> list[int]:
    """Return the steps, counted from data, at which the two prompts are compared."""
    return sorted({round(share * (n_steps - 1)) for share in PROBES})


def noised_evaluations(passes: Passes) -> int:
    """Return how often `noised_mask` sends a frame through the UNet: both prompts each time."""
    return 2 * NOISED_DRAWS * len(PROBES) if passes.has_mask else 0


def difference_mask(differences: Tensor, threshold: float) -> Tensor:
    """Return 1 where two prompts disagree about the noise by a share of their largest difference.

    Takes absolute differences (T, C, h, w) of two predictions, returns (T, 1, h, w), like them;
    0 everywhere in a frame on which the prompts agree. Source: DiffEdit, arXiv 2210.11427, 3.2;
    with inverted latents instead of noised ones two levels are enough.
    """
    magnitude = differences.mean(1, keepdim=True)
    largest = magnitude.amax((2, 3), keepdim=True)
    return (magnitude > threshold * largest).to(differences.dtype)


def noised_mask(task: Task, *, draws: int = NOISED_DRAWS) -> Tensor | None:
    """Return the mask (T, 1, h, w) of a task that inverts nothing; None: it asks for no mask.

    The source is noised at random, `draws` times at each of the two levels, every frame alike.
    """
    if task.mask_threshold is None:
        return None
    source, target = task.predictor("source"), task.predictor("target")
    steps = [pair[0] for pair in task.pairs()][::-1]
    differences = []
    with task.stage("mask", len(PROBES) * draws) as bar:
        for timestep in (steps[round(share * (len(steps) - 1))] for share in PROBES):
            for _ in range(draws):
                noisy = add_noise(task.latents, task.noise(shared=True), timestep, task.schedule)
                differences.append((source(noisy, timestep) - target(noisy, timestep)).abs())
                bar.update()
    return difference_mask(torch.stack(differences).mean(0), task.mask_threshold)


def in_pixels(mask: Tensor, frames: Tensor) -> Tensor:
    """Return a mask of latents (T, 1, h, w) as shares (T, 1, H, W) of the pixels of frames.

    It grows by one cell, since the decoder draws beyond the cell it is given.
    """
    grown = functional.max_pool2d(mask.to(frames), 3, stride=1, padding=1)
    return functional.interpolate(grown, size=frames.shape[-2:], mode="bilinear")

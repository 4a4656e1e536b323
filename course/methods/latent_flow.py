"""The predicted x_0 of neighbouring frames, brought to one frame by the flow and averaged.

What the chain believes the clip to be is made steady at every step; the noise then is what joins it
to x_t. Warping is interpolation, so it blurs: `share` below 1 leaves the last steps to draw detail.
Source: Rerender-A-Video, arXiv 2306.07954, Section 4.1.2 and Eq. 7 (shape-aware latent fusion, in
the early steps), and the flow-guided latent propagation of Upscale-A-Video, arXiv 2312.06640,
abstract; both along the flow and on latents.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from .motion import Motion
from .task import Task


def link(task: Task, *, strength: float = 1.0, share: float = 1.0) -> Task:
    """Return the task with its x_0 averaged along the flow in the first `share` of the steps."""
    last = task.timestep_after(share)

    def smooth(original: Tensor, timestep: int) -> Tensor:
        if timestep < last:
            return original
        return along_flow(original, task.motion, strength=strength)

    return replace(task, smooth=smooth)


def along_flow(
    cells: Tensor, *motions: Motion, strength: float = 1.0, tolerance: float = math.inf
) -> Tensor:
    """Return cells (T, C, h, w) averaged with both neighbours, warped to where each motion says.

    A frame's own cells count once, a neighbour's `strength` times the share that is visible in both
    frames, times exp(-d^2 / 2 tolerance^2), the bilateral weight (Eq. 8) of d^2, the mean square of
    their difference over the channels. Raises ValueError for a negative strength and for a
    tolerance that is not positive.
    """
    if strength < 0 or not tolerance > 0:
        raise ValueError(
            f"strength must be 0 or more and tolerance positive, got {strength} and {tolerance}"
        )
    total, weight = cells.clone(), torch.ones_like(cells[:, :1])
    first, last = slice(None, -1), slice(1, None)
    for motion in motions:
        for here, there, flow, hidden in (
            (first, last, motion.forward, motion.lost),
            (last, first, motion.backward, motion.new),
        ):
            moved = motion.carry(cells[there], flow)
            squared = (moved - cells[here]).square().mean(1, keepdim=True)
            counts = strength * (1 - hidden.to(cells)) * (-squared / (2 * tolerance**2)).exp()
            total[here] += counts * moved
            weight[here] += counts
    return total / weight

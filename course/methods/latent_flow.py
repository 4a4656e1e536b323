"""The predicted x_0 of neighbouring frames, brought to one frame by the flow and averaged.

What the chain believes the clip to be is made steady at every step; the noise then is what joins it
to x_t. Warping is interpolation, so it blurs: `share` below 1 leaves the last steps to draw detail.
Source: the latent fusion of Rerender-A-Video, arXiv 2306.07954, and the flow-guided latent
propagation of Upscale-A-Video, arXiv 2312.06640, both along the flow and on x_0.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from .motion import Motion
from .task import Task


def link(task: Task, *, strength: float = 1.0, share: float = 1.0) -> Task:
    """Return the task with its x_0 averaged along the flow in the first `share` of the steps."""
    last = task.timestep_after(share)

    def smooth(original: Tensor, timestep: int) -> Tensor:
        return along_flow(original, task.motion, strength) if timestep >= last else original

    return replace(task, smooth=smooth)


def along_flow(cells: Tensor, motion: Motion, strength: float = 1.0) -> Tensor:
    """Return cells (T, C, h, w) averaged with both neighbours, warped to where the flow says.

    A neighbour counts `strength` times its share that is visible in both frames; a frame's own
    cells count once. Raises ValueError for a negative strength.
    """
    if strength < 0:
        raise ValueError(f"strength must be 0 or more, got {strength}")
    total, weight = cells.clone(), torch.ones_like(cells[:, :1])
    ahead, behind = strength * (1 - motion.lost.to(cells)), strength * (1 - motion.new.to(cells))
    total[:-1] += ahead * motion.carry(cells[1:], motion.forward)
    total[1:] += behind * motion.carry(cells[:-1], motion.backward)
    weight[:-1] += ahead
    weight[1:] += behind
    return total / weight

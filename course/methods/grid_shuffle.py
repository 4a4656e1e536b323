"""Frames laid in grids, so that an image model sees several as one picture; shuffled at each step.

A model that was trained on single pictures makes the parts of one picture agree. The order changes
at every step, so in the end every frame has agreed with every other.
Source: RAVE, arXiv 2312.04524, Section 4.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from .sharing import Share, in_turn
from .task import Predictor, Task


def link(task: Task, *, side: int = 2) -> Task:
    """Return the task whose frames go through the model in shuffled grids of side x side.

    Raises ValueError where not even one grid fits into a chunk.
    """
    _check_grid(side, task.chunk_size)

    def wrap(predict: Predictor, chunk_size: int) -> Predictor:
        return shuffled(predict, chunk_size, side=side, generator=task.generator, share=task.share)

    return replace(task, wrap=wrap)


def shuffled(
    predict: Predictor, chunk_size: int, *, side: int = 2,
    generator: torch.Generator | None = None, share: Share = in_turn,
) -> Predictor:  # fmt: skip
    """Return a noise prediction for frames (T, C, h, w) that sees them in grids of side x side.

    `predict` must take pictures (N, C, side h, side w) of any number N. At most `chunk_size`
    frames go through it at once. Raises ValueError where not even one grid fits.
    """
    _check_grid(side, chunk_size)
    cells = side * side

    def predict_shuffled(latents: Tensor, timestep: int) -> Tensor:
        order = torch.randperm(len(latents), generator=generator)
        # The last grid is filled up with frames that are seen twice and counted once.
        order = order.repeat(cells)[: -(-len(latents) // cells) * cells]
        grids = to_grids(latents[order], side)
        size = chunk_size // cells
        chunks = [slice(first, first + size) for first in range(0, len(grids), size)]
        frames = from_grids(share(chunks, lambda part: predict(grids[part], timestep), grids), side)
        return frames[order[: len(latents)].argsort()]

    return predict_shuffled


def to_grids(frames: Tensor, side: int) -> Tensor:
    """Lay frames (N side^2, C, h, w) in grids (N, C, side h, side w), row by row."""
    parts = frames.unflatten(0, (-1, side, side))  # (N, row, column, C, h, w)
    return parts.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


def from_grids(grids: Tensor, side: int) -> Tensor:
    """Cut grids (N, C, side h, side w) into frames (N side^2, C, h, w); undoes `to_grids`."""
    parts = grids.unflatten(3, (side, -1)).unflatten(2, (side, -1))  # (N, C, row, h, column, w)
    return parts.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)


def _check_grid(side: int, chunk_size: int) -> None:
    if side < 1 or chunk_size < side * side:
        raise ValueError(
            f"a grid of side {side} holds {side * side} frames that must not be split, and "
            f"chunk_size is {chunk_size}; give chunk_size={max(side * side, 1)} or more, or a "
            "smaller grid"
        )

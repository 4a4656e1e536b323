"""What the exercises of lesson 02 share."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from classroom.exercises.inputs import DTYPES

LESSON = "temporal_loss"
SIZES = (3, 4, 5, 8, 12, 40)


def neighbour_similarities(features: Tensor) -> Tensor:
    rows = features.flatten(1)
    norms = rows.norm(dim=1)
    return (rows[:-1] * rows[1:]).sum(1) / (norms[:-1] * norms[1:])


def planar(angles: Tensor) -> Tensor:
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def _alternating(n_frames: int, dtype: torch.dtype) -> Tensor:
    """Return a picture and its negative, in turn: (n_frames, 2, 2)."""
    picture = torch.tensor([[1.0, 2.0], [0.0, 2.0]], dtype=dtype)
    return torch.stack([picture if t % 2 == 0 else -picture for t in range(n_frames)])


def _quarter_turns(n_frames: int, dtype: torch.dtype) -> Tensor:
    corners = torch.tensor([[1, 0], [0, 1], [-1, 0], [0, -1]], dtype=dtype)
    return 3 * corners[torch.arange(n_frames) % 4]


def clips(generator: torch.Generator) -> Iterator[tuple[str, Tensor]]:
    """Yield labelled features from small to large, and then the ones that the loss cannot see."""
    for dtype, name in DTYPES.items():
        for shape in ((3, 2), (4, 3), (6, 2, 3), (12, 3, 2, 2), (40, 5)):
            values = torch.randn(shape, generator=generator, dtype=torch.float64)
            yield f"random features of shape {shape}, {name}", values.to(dtype)
        yield f"5 quarter turns, all similarities 0, {name}", _quarter_turns(5, dtype)
        turned = torch.tensor([[1.0, 2.0], [2.0, -1.0]], dtype=dtype)[[0, 0, 1, 1, 0, 0]]
        turned[2:4] = -turned[:2]
        yield f"6 frames, similarities 1 and -1 in turn, {name}", turned
        yield f"4 frames that alternate, all similarities -1, {name}", _alternating(4, dtype)

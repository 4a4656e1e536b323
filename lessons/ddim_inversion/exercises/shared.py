"""What the exercises of lesson 05 share."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from classroom.exercises.inputs import DTYPES

LESSON = "ddim_inversion"
_SHAPES = ((2,), (2, 3), (2, 4, 3, 3))


def falling_alphas(n: int, dtype: torch.dtype) -> Tensor:
    """Return n per-step alphas that fall, as Stable Diffusion's do, but faster."""
    return torch.linspace(0.98, 0.7, n, dtype=torch.float64).to(dtype)


def pair(shape: tuple, dtype: torch.dtype, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    drawn = torch.randn((2, *shape), generator=generator, dtype=torch.float64).to(dtype)
    return drawn[0], drawn[1]


def shapes() -> Iterator[tuple[tuple, torch.dtype, str]]:
    for dtype, name in DTYPES.items():
        for shape in _SHAPES:
            yield shape, dtype, name

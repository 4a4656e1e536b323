"""What the exercises of lesson 01 share."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

LESSON = "cosine_similarity"


def dot(f: Tensor, g: Tensor) -> Tensor:
    return (f * g).sum()


def cosine(f: Tensor, g: Tensor) -> Tensor:
    return dot(f, g) / (f.norm() * g.norm())


def frame_pairs(generator: torch.Generator) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield labelled pairs of frames, small ones first; the special ones are exact in binary."""

    def draw(*shape: int) -> Tensor:
        return torch.randn(2, *shape, generator=generator, dtype=torch.float64)

    for shape in ((1, 2), (1, 2, 3), (3, 4, 5)):
        yield f"random frames of shape {shape}, float64", *draw(*shape)
    for shape in ((6,), (2, 3, 4, 5)):
        yield f"random frames with {len(shape)} axes, shape {shape}, float64", *draw(*shape)
    yield "random frames of shape (4, 8, 8), float32", *draw(4, 8, 8).float()
    ones = torch.ones(1, 2, 2, dtype=torch.float64)
    signs = torch.tensor([[[1, -1], [1, -1]]], dtype=torch.float64)
    yield "parallel frames, float64", 2 * ones, 8 * ones
    yield "antiparallel frames, float32", 4 * ones.float(), -ones.float()
    yield "orthogonal frames, float64", ones, 4 * signs
    f, g = draw(3, 2, 2)
    yield "very dark frames, norms near 0.0001, float64", 3e-5 * f, 2e-5 * g
    yield "very dark frames, norms near 0.0001, float32", 2e-5 * f.float(), 3e-5 * g.float()
    yield "a huge frame and a small one, float32", 2e4 * f.float(), 1e-2 * g.float()

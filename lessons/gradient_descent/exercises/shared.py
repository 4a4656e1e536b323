"""What the exercises of lesson 03 share."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from classroom.exercises.inputs import DTYPES

LESSON = "gradient_descent"
_SHAPES = ((3, 2), (4, 3), (6, 2, 3), (9, 2, 2, 2))


def frame_norms(features: Tensor) -> Tensor:
    return features.flatten(1).norm(dim=1)


def per_frame(values: Tensor, features: Tensor) -> Tensor:
    return values.reshape(-1, *[1] * (features.ndim - 1))


def clips(generator: torch.Generator) -> Iterator[tuple[str, Tensor]]:
    """Yield labelled clips, small to large, with unequal norms, in both dtypes."""
    for dtype, name in DTYPES.items():
        for shape in _SHAPES:
            clip = torch.randn(shape, generator=generator, dtype=torch.float64)
            norms = 0.5 + torch.rand(shape[0], generator=generator, dtype=torch.float64)
            clip = clip * per_frame(norms / frame_norms(clip), clip)
            yield f"{shape[0]} frames of shape {shape[1:]}, {name}", clip.to(dtype)


def still_clip(dtype: torch.dtype) -> Tensor:
    """Return four equal frames: the gradient is zero."""
    return torch.tensor([[3.0, 4.0]], dtype=dtype).repeat(4, 1)

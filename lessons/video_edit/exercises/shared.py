"""What the exercises of lesson 10 share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

LESSON = "video_edit"


def uniform(generator: torch.Generator, dtype: torch.dtype, *shape: int) -> Tensor:
    """Return numbers in [0, 1], as pixels are, the same in every dtype up to rounding."""
    return torch.rand(shape, generator=generator, dtype=torch.float64).to(dtype)


def one_of(*wrong: Callable) -> Callable[[tuple, object], bool]:
    """Return a test for numbers that any of these wrong answers gives: one thought, many values."""

    def matches(arguments: tuple, value: object) -> bool:
        came = torch.as_tensor(float(value), dtype=torch.float64)
        return any(
            torch.isclose(came, answer(*arguments).double(), rtol=1e-5, atol=1e-8)
            for answer in wrong
        )

    return matches

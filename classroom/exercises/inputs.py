"""What exercises draw their inputs from: both dtypes, and the same numbers in each of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from classroom.exercises.variations import Variation, on_all, on_argument

DTYPES = {torch.float64: "float64", torch.float32: "float32"}
"""The dtypes that every exercise on tensors tries, and how a report names them."""


def normal(generator: torch.Generator, dtype: torch.dtype, *shape: int) -> Tensor:
    """Return normal numbers, the same in every dtype up to rounding."""
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def drawn_sizes(generator: torch.Generator, low: float, high: float, count: int) -> list[float]:
    """Return numbers between 10 to the power of `low` and of `high`, drawn anew for each seed."""
    powers = torch.rand(count, generator=generator, dtype=torch.float64) * (high - low) + low
    return [float(f"{10**power:.3g}") for power in powers.tolist()]


def frames_reversed(answer: Callable[[Tensor], Tensor] = lambda value: value) -> Variation:
    """Return a clip, argument 0, played backwards; `answer` is what that does to the result."""
    change = on_argument(0, lambda clip: clip.flip(0))
    return Variation("played backwards", change, lambda value, arguments: answer(value))


def scaled(index: int, factor: float, answer: Callable) -> Variation:
    """Return one argument made `factor` times as large; `answer` is what that does."""
    change = on_argument(index, lambda value: factor * value)
    return Variation(f"{factor:g} times as large", change, lambda value, arguments: answer(value))


def all_scaled(factor: float, answer: Callable = lambda value: value) -> Variation:
    """Return all tensors made `factor` times as large; `answer` is what that does."""
    change = on_all(lambda value: factor * value)
    label = f"all tensors {factor:g} times as large"
    return Variation(label, change, lambda value, arguments: answer(value))


SCALED = scaled(0, 40.0, lambda value: 40.0 * value)
"""A first argument 40 times as large, where the result grows with it."""

SCALE_FREE = scaled(0, 40.0, lambda value: value)
"""A first argument 40 times as large, where the result does not know its size."""

SHORT = scaled(0, 1e-4, lambda value: value)
"""The same with a first argument of short frames, which no small number below a line survives."""

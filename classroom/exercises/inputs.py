"""What exercises draw their inputs from: both dtypes, and the same numbers in each of them."""

from __future__ import annotations

import torch
from torch import Tensor

DTYPES = {torch.float64: "float64", torch.float32: "float32"}
"""The dtypes that every exercise on tensors tries, and how a report names them."""


def normal(generator: torch.Generator, dtype: torch.dtype, *shape: int) -> Tensor:
    """Return normal numbers, the same in every dtype up to rounding."""
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

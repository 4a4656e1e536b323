"""Steady Frames: temporal consistency in diffusion video editing, taught with code that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__version__ = "0.1.0"


def device() -> torch.device:
    """Return the best device of this machine: cuda, then mps, then cpu."""
    import torch  # takes seconds, and `--help` and `--version` need none of it

    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")

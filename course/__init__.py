"""Steady Frames: temporal consistency in diffusion video editing, taught with code that runs."""

from __future__ import annotations

import torch

__version__ = "0.1.0"


def device() -> torch.device:
    """Return the best device of this machine: cuda, then mps, then cpu."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")

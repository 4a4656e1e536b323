"""What the exercises of lesson 04 share."""

from __future__ import annotations

import torch

LESSON = "bilateral_filter"
SIX_DIGITS = {torch.float64: 1e-5, torch.float32: 1e-4}  # a float32 result is right as well
MOST_STRETCH = 1.3

"""What the exercises of lesson 04 share."""

from __future__ import annotations

import torch

LESSON = "bilateral_filter"
SIX_DIGITS = {torch.float64: 1e-5}  # of a matrix that is found in rounds
MOST_STRETCH = 1.3

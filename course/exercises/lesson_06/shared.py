"""What the exercises of lesson 06 share."""

from __future__ import annotations

import torch

LESSON = "06_error_recursion"
DTYPES = {torch.float64: "float64", torch.float32: "float32"}

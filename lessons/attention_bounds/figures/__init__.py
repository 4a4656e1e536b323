"""Figures of lesson 07: who is heard, how steep softmax is, and errors against their bounds.

Eqs. 14, 15, 43 and 44, Lemmas 4.12 and 4.13, at sizes that can be drawn: tokens in the plane.
"""

from __future__ import annotations

from lessons.attention_bounds.figures import attention, bounds
from lessons.attention_bounds.figures.attention import (
    attention_plane_figure,
    softmax_norm_figure,
    softmax_slope_figure,
)
from lessons.attention_bounds.figures.bounds import (
    head_bounds_figure,
    ideal_point,
    ideal_points_figure,
    token_error_figure,
    token_errors,
)
from lessons.attention_bounds.figures.shared import TRIANGLE

__all__ = [
    "EXPLORERS",
    "TRIANGLE",
    "attention_plane_figure",
    "head_bounds_figure",
    "ideal_point",
    "ideal_points_figure",
    "softmax_norm_figure",
    "softmax_slope_figure",
    "token_error_figure",
    "token_errors",
]

EXPLORERS = attention.EXPLORERS | bounds.EXPLORERS

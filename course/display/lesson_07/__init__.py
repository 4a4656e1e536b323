"""Figures of lesson 07: who is heard, how steep softmax is, and errors against their bounds.

Eqs. 14, 15, 43 and 44, Lemmas 4.12 and 4.13, at sizes that can be drawn: tokens in the plane.
"""

from __future__ import annotations

from course.display.lesson_07 import attention, bounds
from course.display.lesson_07.attention import (
    attention_plane_figure,
    softmax_norm_figure,
    softmax_slope_figure,
)
from course.display.lesson_07.bounds import (
    head_bounds_figure,
    ideal_point,
    ideal_points_figure,
    token_error_figure,
    token_errors,
)
from course.display.lesson_07.shared import TRIANGLE

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

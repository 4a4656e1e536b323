"""Figures of lesson 03: one step, step sizes, slow frames, stuck clips, and norms under LoRA.

Eq. 17, 22 and Theorem 4.4, on clips of frames in the plane: cosines see only the angles between
neighbours. Every path in a figure comes from `course.temporal.descend`.
"""

from __future__ import annotations

from lessons.gradient_descent.figures import norms, saddle, step_size
from lessons.gradient_descent.figures.norms import longer_frame_figure, shrinking_norms_figure
from lessons.gradient_descent.figures.saddle import escape_figure, saddle_figure
from lessons.gradient_descent.figures.step_size import (
    quarter_turn_clip,
    step_sizes_figure,
    unequal_norms_figure,
)

__all__ = [
    "EXPLORERS",
    "escape_figure",
    "longer_frame_figure",
    "quarter_turn_clip",
    "saddle_figure",
    "shrinking_norms_figure",
    "step_sizes_figure",
    "unequal_norms_figure",
]

EXPLORERS = norms.EXPLORERS | step_size.EXPLORERS | saddle.EXPLORERS

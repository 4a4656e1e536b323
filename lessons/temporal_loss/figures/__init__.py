"""Figures of lesson 02: the temporal loss, its matrix, its blind spots and its gradient.

They stand for Eq. 4, 19 and 23 to 25, Lemmas 4.3 and 4.5 and Theorem 4.1. The clips are mostly
arrows in a plane, one a frame: the smallest features that have an angle between them.
"""

from __future__ import annotations

from lessons.temporal_loss.figures import flicker, gradient, loss
from lessons.temporal_loss.figures.flicker import (
    clips_figure,
    flicker_figure,
    held_clip,
    segment_clips,
    segment_figure,
)
from lessons.temporal_loss.figures.gradient import hessian_norm, scale_figure, touch_figure
from lessons.temporal_loss.figures.loss import (
    index_clash_figure,
    mode_vector,
    modes_figure,
    turning_arrows,
    turning_arrows_figure,
)

__all__ = [
    "EXPLORERS",
    "clips_figure",
    "flicker_figure",
    "held_clip",
    "hessian_norm",
    "index_clash_figure",
    "mode_vector",
    "modes_figure",
    "scale_figure",
    "segment_clips",
    "segment_figure",
    "touch_figure",
    "turning_arrows",
    "turning_arrows_figure",
]

EXPLORERS = loss.EXPLORERS | flicker.EXPLORERS | gradient.EXPLORERS

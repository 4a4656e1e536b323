"""Figures of lesson 04: the filter on pictures, one pixel's weights, two pixels, staircases.

Eq. 9 to 11 and Lemma 4.7. A row of pixels is filtered as an image whose rows are all alike: there
the two-dimensional filter is the one-dimensional one, since the weights across rows are the same
for every neighbour.
"""

from __future__ import annotations

from lessons.bilateral_filter.figures import filter, stretch
from lessons.bilateral_filter.figures.filter import (
    filter_row,
    latents_figure,
    noisy_step_figure,
    pictures_figure,
    pixel_weights_figure,
)
from lessons.bilateral_filter.figures.stretch import (
    staircase_figure,
    two_pixel_figure,
    two_pixel_stretch,
)

__all__ = [
    "EXPLORERS",
    "filter_row",
    "latents_figure",
    "noisy_step_figure",
    "pictures_figure",
    "pixel_weights_figure",
    "staircase_figure",
    "two_pixel_figure",
    "two_pixel_stretch",
]

EXPLORERS = filter.EXPLORERS | stretch.EXPLORERS

"""What the lessons show: figures, players, contact sheets, and widgets that move a figure.

The figure functions and explorers of one lesson stand with it, in `lessons/<name>/figures`.
"""

from classroom.display.explorer import Choice, Explorer, Slider, explore, explorers
from classroom.display.figures import (
    PALETTE,
    Described,
    play,
    show,
    show_clips,
    training_figure,
)
from course.editing.chart import similarity_figure

__all__ = [
    "PALETTE",
    "Choice",
    "Described",
    "Explorer",
    "Slider",
    "explore",
    "explorers",
    "play",
    "show",
    "show_clips",
    "similarity_figure",
    "training_figure",
]

"""What the lessons show: figures, players, contact sheets, and widgets that move a figure.

`course.display.lesson_NN` holds the figure functions and explorers of one lesson. Floor 3: imports
floors 0 to 2.
"""

from course.display.explorer import Choice, Explorer, Slider, explore, explorers
from course.display.figures import (
    PALETTE,
    Described,
    play,
    show,
    show_clips,
    similarity_figure,
    training_figure,
)

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

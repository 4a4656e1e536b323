"""What the figures of lesson 04 share: colours, a width in pixels, and a panel."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from classroom.display.figures import PALETTE

BLUE, ORANGE, GREEN = PALETTE[:3]
GREY = "#777777"
SPATIAL = 2.0  # pixels, in the figures of one row


def one_panel() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.2, 3.4), dpi=100)  # fixed margins: a redraw must be quick
    axes = figure.subplots()
    figure.subplots_adjust(left=0.11, right=0.97, bottom=0.15, top=0.9)
    quiet(axes)
    return figure, axes


def quiet(axes: Axes) -> None:
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)

"""What the figures of lesson 06 share: the schedule, colours, a chart and its log axis."""

from __future__ import annotations

import math
from functools import cache

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from classroom.display.figures import PALETTE
from course.diffusion import NoiseSchedule

BLUE, ORANGE, GREEN, PINK = PALETTE[:4]
GREY = "#777777"
STYLES = (
    {"color": ORANGE, "linestyle": "--", "marker": "s"},
    {"color": BLUE, "linestyle": "-.", "marker": "^"},
    {"color": GREEN, "linestyle": "-", "marker": "o"},
    {"color": PINK, "linestyle": ":", "marker": "D"},
)


@cache
def stable_diffusion() -> NoiseSchedule:
    return NoiseSchedule.stable_diffusion()


def chart() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.6, 3.6), dpi=100)  # fixed margins: a redraw must be quick
    axes = figure.subplots()
    figure.subplots_adjust(left=0.11, right=0.97, bottom=0.15, top=0.91)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    return figure, axes


def finish_log(axes: Axes) -> None:
    axes.minorticks_off()  # dozens of little ticks would make the redraw slow,
    axes.yaxis.set_major_formatter(lambda value, _: f"1e{math.log10(value):.0f}")  # as do formulas
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, loc="upper left")

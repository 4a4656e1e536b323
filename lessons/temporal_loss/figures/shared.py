"""What the figures of lesson 02 share: colours, bare panels, and numbers in words."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from classroom.display.figures import PALETTE

BLUE, ORANGE, GREEN = PALETTE[:3]
GREY = "#767676"


def single_panel(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 3.5))
    axes = figure.subplots()
    figure.subplots_adjust(left=0.13, right=0.97, top=0.9, bottom=0.16)
    axes.set_title(title, fontsize=11)
    axes.grid(alpha=0.3)
    return figure, axes


def bare(*panels: Axes) -> None:
    for axes in panels:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)


def numbers(values: Tensor) -> str:
    return ", ".join(f"{round(value, 3) + 0.0:.3f}" for value in values.tolist())

"""What the figures of lesson 07 share: colours, three tokens in the plane, and panels."""

from __future__ import annotations

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from classroom.display.figures import PALETTE

BLUE, ORANGE, GREEN, PINK = PALETTE[:4]
GREY = "#777777"
DOUBLE = {"dtype": torch.float64}
EYE = torch.eye(2, **DOUBLE)
_TURNS = torch.tensor([90.0, 210.0, 330.0], **DOUBLE).deg2rad()
TRIANGLE = torch.stack([_TURNS.cos(), _TURNS.sin()], dim=1)
"""Three tokens in the plane, of length 1 and with mean 0: the ideal tokens Z* of the figures."""


def one_panel() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.6, 3.5), dpi=100)  # fixed margins: a redraw must be quick
    axes = figure.subplots()
    figure.subplots_adjust(left=0.11, right=0.97, bottom=0.15, top=0.91)
    _plain(axes)
    return figure, axes


def two_panels() -> tuple[Figure, Axes, Axes]:
    figure = Figure(figsize=(7.0, 3.4), dpi=100)
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.11, right=0.98, bottom=0.15, top=0.9, wspace=0.36)
    _plain(left)
    _plain(right)
    return figure, left, right


def fixed_log_axis(axes: Axes, low: float, high: float, ticks: tuple[float, ...]) -> None:
    """Give the y axis a log scale that stays where it is when a slider moves the lines."""
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def _plain(axes: Axes) -> None:
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)

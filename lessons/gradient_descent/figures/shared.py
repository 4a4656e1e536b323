"""What the figures of lesson 03 share: colours, clips in the plane, panels and arrows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from classroom.display.figures import PALETTE

BLUE, ORANGE, GREEN, PINK = PALETTE[:4]
GREY = "#777777"
LOOKS = (
    {"color": BLUE, "linestyle": "-", "marker": "o"},
    {"color": GREEN, "linestyle": "--", "marker": "^"},
    {"color": ORANGE, "linestyle": "-.", "marker": "s"},
    {"color": PINK, "linestyle": ":", "marker": "D"},
)
LOW = "₀₁₂₃₄"
N_STEPS = 40


def planar(angles: Sequence[float] | Tensor) -> Tensor:
    angles = torch.as_tensor(angles, dtype=torch.float64)
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def losses_of(path) -> list[float]:
    return torch.stack([step.loss for step in path]).tolist()


def two_panels() -> tuple[Figure, Axes, Axes]:
    figure = Figure(figsize=(7.2, 3.5), dpi=100)  # fixed margins: a redraw must be quick
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.1, right=0.97, bottom=0.16, top=0.9, wspace=0.34)
    tidy(left)
    tidy(right)
    return figure, left, right


def tidy(axes: Axes) -> None:
    """Keep what a redraw is slow at away: many ticks, and labels set as formulas on a log axis."""
    axes.locator_params(nbins=4)
    axes.spines[["top", "right"]].set_visible(False)


def draw_arrow(axes: Axes, start: Sequence, end: Sequence, colour: str, name: str = "") -> None:
    way = np.subtract(end, start)
    # Drawn in half the time of an annotation's arrow.
    axes.quiver(*start, *way, angles="xy", scale_units="xy", scale=1, color=colour, width=0.012)
    if name:
        beyond = way / np.hypot(*way) * (9 + 2 * len(name))  # points past the tip
        looks = {"color": colour, "textcoords": "offset points", "ha": "center", "va": "center"}
        axes.annotate(name, xy=end, xytext=beyond, **looks)

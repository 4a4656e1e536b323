"""Figures of where descent can stop: a saddle, and the way out of it (Theorem 4.4, repaired)."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from matplotlib.figure import Figure

from classroom.display.explorer import Explorer, Slider
from classroom.display.figures import PALETTE
from course.temporal import descend, smoothness_bound
from lessons.gradient_descent.figures.shared import (
    BLUE,
    GREY,
    LOW,
    N_STEPS,
    draw_arrow,
    losses_of,
    planar,
    two_panels,
)

_PATIENCE = 400  # steps; the smallest push of the slider needs fewer


def saddle_figure() -> Figure:
    """Draw the loss of four frames around the saddle s = (1, 0, -1), over its first two angles.

    The third angle stays at 180 degrees. Source: Theorem 4.4, repaired, item 3.
    """
    degrees = np.linspace(-60, 60, 121)
    first, second = np.meshgrid(degrees, 90 + degrees)
    s = [np.cos(np.radians(first)), np.cos(np.radians(second)), -1.0]
    loss = ((s[1] - s[0]) ** 2 + (s[2] - s[1]) ** 2) / 3
    figure = Figure(figsize=(6.4, 4.2), dpi=100)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.13, right=0.98, bottom=0.14, top=0.95)
    drawn = axes.contourf(first, second, loss, levels=16, cmap="cividis")
    axes.contour(first, second, loss, levels=[2 / 3], colors="white", linewidths=1.5)
    axes.plot([0], [90], "X", color="white", markeredgecolor="black", markersize=12)
    for way in (-1, 1):
        draw_arrow(axes, (4 * way, 90), (34 * way, 90), "white")
    axes.text(0, 97, "saddle", color="white", ha="center", fontweight="bold")
    axes.text(47, 90, "downhill", color="white", ha="center", va="center")
    axes.set(xlabel="angle from F₁ to F₂ (degrees)")
    axes.set(ylabel="angle from F₂ to F₃ (degrees)")
    figure.colorbar(drawn, ax=axes, label="temporal loss", format="%.2f")
    figure.set_label(
        "Contour map of the loss over the angle from frame 1 to 2 and the angle from frame 2 to 3. "
        "At 0 and 90 degrees the loss is 2/3 and the map is level: to the left and to the right "
        "the loss falls, up and down it rises, so the point is a saddle."
    )
    return figure


def escape_figure(exponent: float = -3.0) -> Figure:
    """Draw the descent from the saddle s = (1, 0, -1), pushed by 10^exponent radians.

    Left the four frames after the descent, right the loss, which waits at 2/3; it is followed until
    it is below 1e-4, for 80 steps at least. `exponent` is in
    [-6, -1]. Source: Theorem 4.4, repaired, items 3 and 4.
    """
    push = 10.0**exponent
    last, losses = _escape(push)
    left = next((step for step, loss in enumerate(losses) if loss < 1 / 3), None)
    figure, plane, chart = two_panels()
    for index, (x, y) in enumerate(last):
        draw_arrow(plane, (0, 0), (x, y), PALETTE[index], f"F{LOW[index + 1]}")
    plane.set(xlim=(-2, 2), ylim=(-2, 2), aspect="equal", xticks=(-2, 0, 2), yticks=(-2, 0, 2))
    plane.set(xlabel="first coordinate", ylabel="second coordinate")
    plane.set_title(f"the frames after {len(losses) - 1} steps", fontsize=10)
    chart.plot(losses, color=BLUE)
    chart.axhline(2 / 3, color=GREY, linestyle="--")
    chart.text(len(losses) - 1, 0.69, "2/3, the loss at the saddle", color=GREY, ha="right")
    chart.set(
        xlabel="descent step", ylabel="temporal loss", ylim=(-0.03, 0.8), yticks=(0, 0.4, 0.8)
    )
    chart.set_title(f"pushed by {push:.0e} radians", fontsize=10)
    when = f"falls below 1/3 at step {left}" if left else "does not leave within these steps"
    figure.set_label(
        f"Left: the four frames as arrows after {len(losses) - 1} steps. Right: the loss starts at "
        f"2/3, the value at the saddle, {when}, and ends at {losses[-1]:.2g}."
    )
    return figure


@cache  # a slider comes back to where it was
def _escape(push: float) -> tuple[list[list[float]], list[float]]:
    """Return the frames after a descent from the saddle, pushed by radians, and its losses."""
    start = planar([-push, 0.0, math.pi / 2, 3 * math.pi / 2])
    path = []
    for step in descend(start, 1.5 / smoothness_bound(4, 1.0), _PATIENCE):
        path.append(step)
        if len(path) > 2 * N_STEPS and step.loss < 1e-4:
            break
    return path[-1].features.tolist(), losses_of(path)


EXPLORERS = {
    "escape": Explorer(
        escape_figure, {"exponent": Slider("push: 10 to the power", -6.0, -1.0, 0.5, -3.0)}
    ),
}

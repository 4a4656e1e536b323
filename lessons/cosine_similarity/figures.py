"""Figures of lesson 01: two arrows, the gradient of their cosine, its bounds, the zero frame.

Eq. 3 and 18 and Lemma 4.2, drawn in the plane: any two frames, as long vectors, span one. F is the
frame that moves, G the frame that it is compared with.
"""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from classroom.display.explorer import Explorer, Slider
from classroom.display.figures import PALETTE

_BLUE, _ORANGE, _GREEN = PALETTE[:3]
_GREY = "#777777"
_ANGLES = np.linspace(-180.0, 180.0, 181)
_NORMS = np.geomspace(0.01, 10.0, 61)
_MARGINS = {"left": 0.1, "right": 0.97, "bottom": 0.16, "top": 0.88, "wspace": 0.3}


def two_arrows_figure(angle: float = 40.0, length: float = 1.5) -> Figure:
    """Draw F at `angle` degrees to G, F being `length` long, and the cosine against the angle.

    Returns a figure of two panels. `angle` is in [-180, 180], `length` in (0, 2.5].
    Source: Eq. 3.
    """
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    figure, plane, chart = _plane_and_chart(2.7)
    _circle(plane, 1.0)
    plane.plot([cosine, cosine], [sine, 0], ":", color=_GREY, linewidth=1.2)
    plane.plot([0, cosine], [-0.12, -0.12], color=_GREEN, linewidth=5, solid_capstyle="butt")
    _arrow(plane, (0, 0), (1.8, 0), _ORANGE, "G")
    _arrow(plane, (0, 0), (length * cosine, length * sine), _BLUE, "F")
    plane.set_title("green: what F of length 1 covers of G", fontsize=10)
    chart.plot(_ANGLES, np.cos(np.radians(_ANGLES)), color=_GREEN)
    chart.plot([angle], [cosine], "o", color="black", markersize=9)
    chart.set(xlabel="angle between F and G (degrees)", ylabel="cosine similarity (no unit)")
    chart.set(xticks=range(-180, 181, 90), ylim=(-1.15, 1.15), yticks=(-1, 0, 1))
    chart.set_title(f"Sim(F, G) = {_number(cosine)}, ||F|| = {length:.2f}", fontsize=10)
    figure.set_label(
        f"Left: arrow F, {length:.2f} long, at {angle:g} degrees to arrow G, with a circle of "
        f"radius 1; a bar beside G, {abs(cosine):.3f} long, is what F of length 1 covers of it. "
        f"Right: the cosine against the angle, a wave from -1 to 1, with a dot at "
        f"{_number(cosine)}."
    )
    return figure


def gradient_arrow_figure(angle: float = 60.0, length: float = 1.0) -> Figure:
    """Draw the gradient of the cosine at the tip of F, and its length against the angle.

    Returns a figure of two panels. `angle` is in [-180, 180] degrees, `length`, the norm of F, in
    [0.4, 2]. Source: Lemma 4.2.
    """
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    norm = abs(sine) / length
    tip = (length * cosine, length * sine)
    figure, plane, chart = _plane_and_chart(2.7)
    _circle(plane, length)
    _arrow(plane, (0, 0), (1.8, 0), _ORANGE, "G")
    _arrow(plane, (0, 0), tip, _BLUE, "F")
    if norm > 1e-9:  # G - cos F of unit arrows, over ||F||: (1 - cos^2, -cos sin) / length
        end = (tip[0] + sine**2 / length, tip[1] - cosine * sine / length)
        _arrow(plane, tip, end, _GREEN, "∇")
    plane.set_title("∇, the gradient, touches the circle", fontsize=10)
    chart.plot(_ANGLES, np.abs(np.sin(np.radians(_ANGLES))) / length, color=_GREEN)
    chart.axhline(1 / length, color=_GREY, linestyle="--")
    chart.text(-178, 1 / length + 0.05, "1 / ||F||", color=_GREY)
    chart.plot([angle], [norm], "o", color="black", markersize=9)
    chart.set(xlabel="angle between F and G (degrees)", ylabel="length of the gradient")
    chart.set(xticks=range(-180, 181, 90), ylim=(-0.1, 2.8), yticks=(0, 1, 2))
    chart.set_title(f"||F|| = {length:.2f}, gradient {norm:.3f} long", fontsize=10)
    figure.set_label(
        f"Left: arrow F, {length:.2f} long, at {angle:g} degrees to arrow G; the gradient starts "
        f"at the tip of F, is {norm:.3f} long and touches the circle of radius ||F||, towards G. "
        f"Right: its length against the angle, 0 at 0 and 180 degrees, at most {1 / length:.2f}."
    )
    return figure


def norm_bound_figure(
    similarity: float = 0.0, max_norm: float = 1.0, min_norm: float = 0.2
) -> Figure:
    """Draw the length of the gradient against ||F||, with the printed bound and the repaired one.

    `max_norm` is the paper's M, `min_norm` the lower bound m, `similarity` is in (-1, 1). Where the
    gradient is longer than the printed 2/M allows, the curve is thick. Source: Lemma 4.2, Eq. 20.
    """
    lengths = math.sqrt(1 - similarity**2) / _NORMS
    figure = Figure(figsize=(6.6, 3.6), dpi=100)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.11, right=0.97, bottom=0.15, top=0.92)
    axes.loglog(_NORMS, lengths, color=_GREEN, label="gradient")
    sine = math.sqrt(1 - similarity**2)
    edge = min(max_norm, sine * max_norm / 2)  # where the gradient comes down to 2/M
    if edge > _NORMS[0]:
        ends = np.array([_NORMS[0], edge])
        thick = {"color": _GREEN, "linewidth": 7, "alpha": 0.35}
        axes.loglog(ends, sine / ends, **thick, label="breaks the printed bound")
    printed, repaired = [2 / max_norm] * 2, [1 / min_norm] * 2
    axes.plot([_NORMS[0], max_norm], printed, "--", color=_ORANGE, label="printed: 2 / M")
    axes.plot([min_norm, _NORMS[-1]], repaired, "-.", color=_BLUE, label="repaired: 1 / m")
    axes.plot([max_norm], [2 / max_norm], "s", color=_ORANGE)
    axes.plot([min_norm], [1 / min_norm], "^", color=_BLUE, markersize=8)
    axes.set(xlabel="norm of the frame, ||F|| (log scale)", ylabel="length of the gradient (log)")
    axes.set(xlim=(_NORMS[0], _NORMS[-1]), ylim=(0.003, 200))
    axes.set_title(f"Sim = {similarity:.2f}, M = {max_norm:.2f}, m = {min_norm:.2f}", fontsize=10)
    axes.minorticks_off()  # sixty little ticks would make the redraw slow,
    for axis in (axes.xaxis, axes.yaxis):  # and so would powers that are set as formulas
        axis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9, frameon=False, loc="lower left")
    where = f"below ||F|| = {edge:.3g}" if edge > _NORMS[0] else "nowhere in this range"
    figure.set_label(
        "Log-log chart: the length of the gradient falls as 1 / ||F||, a straight line. The "
        f"printed bound 2/M = {2 / max_norm:.2g} is flat and reaches left from M = {max_norm:.2f}; "
        f"the gradient breaks it {where}. The repaired bound 1/m = {1 / min_norm:.2g} is flat and "
        f"reaches right from m = {min_norm:.2f}; the gradient is never above it."
    )
    return figure


def past_zero_figure(distance: float = 0.2) -> Figure:
    """Draw F walking past the zero vector at `distance`, and its cosine with G on the way.

    Returns a figure of two panels; F = (x, distance), x from -1 to 1, G = (1, 0).
    Source: Eq. 18, which has no value at F = 0.
    """
    x = np.linspace(-1, 1, 401)
    figure, plane, chart = _plane_and_chart(1.15)
    plane.axhline(distance, color=_BLUE, linestyle="--", linewidth=1.5)
    for end in (-0.8, -0.3, 0.3, 0.8):
        _arrow(plane, (0, 0), (end, distance), _BLUE)
    _arrow(plane, (0, 0), (1, 0), _ORANGE)
    plane.plot([0], [0], "X", color="black", markersize=9)
    plane.text(0, -0.25, "zero frame", ha="center")
    plane.text(0.72, -0.25, "G", color=_ORANGE, fontweight="bold")
    plane.text(-0.98, distance + 0.08, "tips of F", color=_BLUE)
    plane.set_title("F walks from left to right", fontsize=10)
    chart.plot(x, x / np.hypot(x, distance), color=_GREEN)
    chart.set(xlabel="first coordinate of F", ylabel="cosine similarity (no unit)")
    chart.set(ylim=(-1.15, 1.15), xticks=(-1, 0, 1), yticks=(-1, 0, 1))
    chart.set_title(f"distance {distance:.2f}, steepest slope {1 / distance:.0f}", fontsize=10)
    figure.set_label(
        f"Left: arrows F whose tips lie on a level line, {distance:.2f} above the zero frame. "
        "Right: the cosine with G along this line climbs from about -1 to about 1, steepest "
        f"above the zero frame, with slope {1 / distance:.0f}."
    )
    return figure


def _plane_and_chart(limit: float) -> tuple[Figure, Axes, Axes]:
    """Return a figure with a plane from -limit to limit, and beside it a panel for a curve."""
    figure = Figure(figsize=(6.6, 3.3), dpi=100)  # fixed margins: a redraw must be quick
    plane, chart = figure.subplots(1, 2)
    figure.subplots_adjust(**_MARGINS)
    plane.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    ticks = (-math.floor(limit), 0, math.floor(limit))  # every tick slows a redraw
    plane.set(xticks=ticks, yticks=ticks)
    plane.set(xlabel="first coordinate", ylabel="second coordinate")
    for axes in (plane, chart):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, plane, chart


def _arrow(axes: Axes, start: tuple, end: tuple, colour: str, name: str = "") -> None:
    arrow = {"arrowstyle": "-|>", "color": colour, "linewidth": 2.2, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=end, xytext=start, arrowprops=arrow)
    if name:
        way = np.subtract(end, start)
        beyond = way / np.hypot(*way) * (10 + 3 * len(name))  # points past the tip
        looks = {"color": colour, "fontweight": "bold", "textcoords": "offset points"}
        axes.annotate(name, xy=end, xytext=beyond, ha="center", va="center", **looks)


def _circle(axes: Axes, radius: float) -> None:
    turn = np.linspace(0, 2 * np.pi, 73)
    axes.plot(radius * np.cos(turn), radius * np.sin(turn), "--", color=_GREY, linewidth=1)


def _number(value: float) -> str:
    return f"{value + 0.0:.3f}" if abs(value) > 5e-4 else "0.000"


_ANGLE = Slider("angle (degrees)", -180, 180, 5, 40)

EXPLORERS = {
    "two_arrows": Explorer(
        two_arrows_figure, {"angle": _ANGLE, "length": Slider("length of F", 0.1, 2.5, 0.1, 1.5)}
    ),
    "gradient_arrow": Explorer(
        gradient_arrow_figure,
        {
            "angle": Slider("angle (degrees)", -180, 180, 5, 60),
            "length": Slider("length of F", 0.4, 2.0, 0.1, 1.0),
        },
    ),
    "norm_bounds": Explorer(
        norm_bound_figure,
        {
            "similarity": Slider("similarity", 0.0, 0.99, 0.01, 0.0),
            "max_norm": Slider("upper bound M", 0.5, 4.0, 0.1, 1.0),
            "min_norm": Slider("lower bound m", 0.02, 0.5, 0.02, 0.2),
        },
    ),
    "past_zero": Explorer(
        past_zero_figure, {"distance": Slider("distance from zero", 0.01, 0.6, 0.01, 0.2)}
    ),
}

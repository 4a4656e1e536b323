"""Figures of lesson 03: one step, step sizes, slow frames, stuck clips, and norms under LoRA.

Eq. 17, 22 and Theorem 4.4, on clips of frames in the plane: cosines see only the angles between
neighbours. Every path in a figure comes from `course.temporal.descend`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course.display.explorer import Explorer, Slider
from course.display.figures import PALETTE
from course.temporal import descend, smoothness_bound

_BLUE, _ORANGE, _GREEN, _PINK = PALETTE[:4]
_GREY = "#777777"
_LOOKS = (
    {"color": _BLUE, "linestyle": "-", "marker": "o"},
    {"color": _GREEN, "linestyle": "--", "marker": "^"},
    {"color": _ORANGE, "linestyle": "-.", "marker": "s"},
    {"color": _PINK, "linestyle": ":", "marker": "D"},
)
_LOW = "₀₁₂₃₄"
_N_STEPS = 40


def longer_frame_figure(angle: float = 50.0, learning_rate: float = 1.0) -> Figure:
    """Draw a descent step of the middle one of three frames, and all norms over ten steps.

    The frames have length 1 and stand at 0, `angle` (degrees, in [5, 145]) and 150 degrees.
    Source: Theorem 4.4, repaired; the step is that of Eq. 17.
    """
    start = _planar([0.0, math.radians(angle), math.radians(150)])
    path = list(descend(start, learning_rate, 10))
    frame, moved = start[1].tolist(), path[1].features[1].tolist()
    length = math.hypot(*moved)
    figure, plane, chart = _panels()
    turn = np.linspace(0, 2 * np.pi, 73)
    plane.plot(np.cos(turn), np.sin(turn), "--", color=_GREY, linewidth=1)
    for end, name in ((start[0], "F₁"), (start[2], "F₃")):
        _arrow(plane, (0, 0), end.tolist(), _GREY, name)
    _arrow(plane, (0, 0), frame, _BLUE, "F₂")
    _arrow(plane, (0, 0), moved, _ORANGE, "new F₂")
    if math.dist(frame, moved) > 0.03:
        _arrow(plane, frame, moved, _GREEN)
    plane.set(xlim=(-2, 2), ylim=(-1.2, 2.8), aspect="equal")
    plane.set(xticks=(-2, 0, 2), yticks=(-1, 0, 1, 2))
    plane.set(xlabel="first coordinate", ylabel="second coordinate")
    plane.set_title(f"one step: ||F₂|| from 1 to {length:.3f}", fontsize=10)
    norms = torch.stack([step.features.norm(dim=1) for step in path]).T.tolist()
    for index, values in enumerate(norms):
        chart.plot(values, label=f"||F{_LOW[index + 1]}||", markevery=2 + index, **_LOOKS[index])
    chart.set(xlabel="descent step", ylabel="norm of a frame", ylim=(0.95, None))
    chart.set_title("ten steps: no norm ever falls", fontsize=10)
    chart.legend(fontsize=9, frameon=False)
    ends = ", ".join(f"{values[-1]:.3f}" for values in norms)
    figure.set_label(
        f"Left: three arrows of length 1; the middle one, at {angle:g} degrees, takes a step along "
        "the tangent of the circle with radius 1, so that its tip ends outside: its norm is then "
        f"{length:.3f}. Right: the norms of the three frames over ten steps never fall; they end "
        f"at {ends}."
    )
    return figure


def step_sizes_figure(multiples: Sequence[float] = (0.5, 1.0, 1.5)) -> Figure:
    """Draw loss and mean norm over 40 steps, for step sizes that are multiples of 2 / L_0.

    The clip has 20 frames of norm 1, each a quarter turn from the last and shaken by about three
    degrees: there the loss is curved almost as much as `smoothness_bound` allows.
    Source: Theorem 4.4, Eq. 22 and 32.
    """
    figure, chart, norms = _panels()
    start, parts = quarter_turn_clip(), []
    limit = 2 / smoothness_bound(len(start), 1.0)
    for index, multiple in enumerate(multiples):
        path = list(descend(start, multiple * limit, _N_STEPS))
        losses = _losses(path)
        means = [float(step.features.norm(dim=1).mean()) for step in path]
        looks = {**_LOOKS[index], "markevery": (3 * index, 8), "label": f"{multiple:g} · 2/L₀"}
        chart.plot(losses, **looks)
        norms.plot(means, **looks)
        rises = sum(after > before for before, after in zip(losses, losses[1:]))
        parts.append(
            f"at {multiple:g} times 2/L0 the loss goes from {losses[0]:.1e} to {losses[-1]:.1e}, "
            f"at most {max(losses):.1e}, and rises in {rises} steps, while the mean norm goes "
            f"from 1 to {means[-1]:.3f}"
        )
    chart.set(xlabel="descent step", ylabel="temporal loss (log scale)")
    _logarithmic(chart, 3e-6, 5)
    norms.set(xlabel="descent step", ylabel="mean norm of the frames")
    norms.ticklabel_format(useOffset=False)
    norms.legend(fontsize=9, frameon=False, title="step size")
    figure.set_label(f"Two line charts over the descent steps. {_sentence('; '.join(parts))}.")
    return figure


def step_size_figure(multiple: float = 1.5) -> Figure:
    """Draw the step size of `multiple` times 2 / L_0 (0.1 to 4) beside the safe one of 0.5 times.

    Source: Theorem 4.4, Eq. 22 and 32.
    """
    return step_sizes_figure((0.5, multiple))


def unequal_norms_figure(spread: float = 10.0) -> Figure:
    """Draw the loss under one step size for all frames, and under steps that fit each norm.

    Five frames of 8 numbers; their norms run from 1 to `spread` (1 to 30) in equal ratios.
    Source: Theorem 4.4, repaired.
    """
    generator = torch.Generator().manual_seed(3)
    directions = torch.randn(5, 8, generator=generator, dtype=torch.float64)
    directions /= directions.norm(dim=1, keepdim=True)
    norms = torch.logspace(0, math.log10(spread), 5, dtype=torch.float64)[[2, 0, 4, 1, 3]]
    rate = 1 / smoothness_bound(5, 1.0)
    plain = _losses(descend(directions * norms[:, None], rate, _N_STEPS))
    fitted = _losses(descend(directions, rate, _N_STEPS))
    figure = Figure(figsize=(6.4, 3.4), dpi=100)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.13, right=0.97, bottom=0.16, top=0.91)
    labels = ("one step size for all", "step size times ||F||²")
    for values, label, looks in zip((plain, fitted), labels, (_LOOKS[2], _LOOKS[0])):
        axes.plot(values, label=label, markevery=5, **looks)
    axes.set(xlabel="descent step", ylabel="temporal loss (log scale)")
    axes.set_title(f"longest frame {spread:.0f} times as long as the shortest", fontsize=10)
    _tidy(axes)
    _logarithmic(axes, 1e-7, 2)
    axes.legend(frameon=False)
    figure.set_label(
        f"Line chart with log scale, norms from 1 to {spread:.0f}: after {_N_STEPS} steps the loss "
        f"has gone from {plain[0]:.2g} to {plain[-1]:.1e} with one step size for all frames, and "
        f"to {fitted[-1]:.1e} with steps that grow with the squared norm."
    )
    return figure


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
        _arrow(axes, (4 * way, 90), (34 * way, 90), "white")
    axes.text(0, 97, "saddle", color="white", ha="center", fontweight="bold")
    axes.text(21, 84, "downhill", color="white", ha="center")
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

    Left the four frames after the descent, right the loss, which waits at 2/3. `exponent` is in
    [-6, -1]. Source: Theorem 4.4, repaired, items 3 and 4.
    """
    push = 10.0**exponent
    last, losses = _escape(push)
    left = next((step for step, loss in enumerate(losses) if loss < 1 / 3), None)
    figure, plane, chart = _panels()
    for index, (x, y) in enumerate(last):
        _arrow(plane, (0, 0), (x, y), PALETTE[index], f"F{_LOW[index + 1]}")
    plane.set(xlim=(-2, 2), ylim=(-2, 2), aspect="equal", xticks=(-2, 0, 2), yticks=(-2, 0, 2))
    plane.set(xlabel="first coordinate", ylabel="second coordinate")
    plane.set_title(f"the frames after {len(losses) - 1} steps", fontsize=10)
    chart.plot(losses, color=_BLUE)
    chart.axhline(2 / 3, color=_GREY, linestyle="--")
    chart.text(len(losses) - 1, 0.69, "2/3, the loss at the saddle", color=_GREY, ha="right")
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
    start = _planar([-push, 0.0, math.pi / 2, 3 * math.pi / 2])
    path = list(descend(start, 1.5 / smoothness_bound(4, 1.0), 2 * _N_STEPS))
    return path[-1].features.tolist(), _losses(path)


def shrinking_norms_figure(lowest: Tensor, rose: Mapping[str, float]) -> Figure:
    """Draw how far norms fall under LoRA, and in what share of the runs a loss rose.

    `lowest` (runs,) is the least norm over its start, of any frame at any step; `rose[label]` is a
    share in [0, 1]. Source: Theorem 4.4, applied to the parameters of Eq. 2 as in Eq. 17.
    """
    figure, chart, bars = _panels()
    chart.hist(lowest.tolist(), bins=np.linspace(0, 1, 21), color=_ORANGE, edgecolor="white")
    chart.axvline(1, color=_BLUE, linewidth=2.5)
    chart.set(xlabel="least norm / norm at the start", ylabel="runs", xlim=(0, 1.04))
    chart.set_title("with 1/(L₀β²); blue: features", fontsize=10)
    places = range(len(rose))
    bars.barh(places, [100 * share for share in rose.values()], color=(_BLUE, _ORANGE, _PINK))
    bars.set_yticks(places, rose.keys())
    bars.invert_yaxis()
    for place, share in zip(places, rose.values()):
        bars.text(100 * share + 1, place, f"{share:.1%}", va="center")
    bars.set(xlabel="runs in which the loss rose (%)", xlim=(0, 100))
    figure.subplots_adjust(wspace=0.62)
    shares = "; ".join(f"{label}: {share:.1%}" for label, share in rose.items())
    figure.set_label(
        f"Left: histogram over {len(lowest)} runs of the least norm of a frame against its start, "
        f"from {lowest.min():.2f} to {lowest.max():.2f}, median {lowest.median():.2f}; a line at 1 "
        f"marks descent on features. Right: share of runs in which the loss rose. "
        f"{shares.replace(chr(10), ' ')}."
    )
    return figure


def quarter_turn_clip(n_frames: int = 20) -> Tensor:
    """Return (n_frames, 2): frames of norm 1, a quarter turn apart, shaken by 0.05 radians."""
    generator = torch.Generator().manual_seed(0)
    shake = torch.randn(n_frames, generator=generator, dtype=torch.float64)
    return _planar(torch.arange(n_frames) * (math.pi / 2) + 0.05 * shake)


def _planar(angles: Sequence[float] | Tensor) -> Tensor:
    angles = torch.as_tensor(angles, dtype=torch.float64)
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def _losses(path) -> list[float]:
    return torch.stack([step.loss for step in path]).tolist()


def _panels() -> tuple[Figure, Axes, Axes]:
    figure = Figure(figsize=(7.2, 3.5), dpi=100)  # fixed margins: a redraw must be quick
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.1, right=0.97, bottom=0.16, top=0.9, wspace=0.34)
    _tidy(left)
    _tidy(right)
    return figure, left, right


def _tidy(axes: Axes) -> None:
    """Keep what a redraw is slow at away: many ticks, and labels set as formulas on a log axis."""
    axes.locator_params(nbins=4)
    axes.spines[["top", "right"]].set_visible(False)


def _logarithmic(axes: Axes, lowest: float, highest: float) -> None:
    axes.set_yscale("log")
    exponents = range(math.ceil(math.log10(lowest)), math.floor(math.log10(highest)) + 1, 2)
    axes.set_yticks([10.0**k for k in exponents], labels=[f"1e{k}" for k in exponents])
    axes.minorticks_off()
    axes.set_ylim(lowest, highest)


def _arrow(axes: Axes, start: Sequence, end: Sequence, colour: str, name: str = "") -> None:
    way = np.subtract(end, start)
    # Drawn in half the time of an annotation's arrow.
    axes.quiver(*start, *way, angles="xy", scale_units="xy", scale=1, color=colour, width=0.012)
    if name:
        beyond = way / np.hypot(*way) * (9 + 2 * len(name))  # points past the tip
        looks = {"color": colour, "textcoords": "offset points", "ha": "center", "va": "center"}
        axes.annotate(name, xy=end, xytext=beyond, **looks)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


EXPLORERS = {
    "longer_frame": Explorer(
        longer_frame_figure,
        {
            "angle": Slider("angle of frame 2 (degrees)", 5, 145, 5, 50),
            "learning_rate": Slider("step size", 0.1, 2.0, 0.1, 1.0),
        },
    ),
    "step_size": Explorer(
        step_size_figure, {"multiple": Slider("step size / (2/L₀)", 0.1, 4.0, 0.1, 1.5)}
    ),
    "unequal_norms": Explorer(
        unequal_norms_figure, {"spread": Slider("longest / shortest frame", 1, 30, 1, 10)}
    ),
    "escape": Explorer(
        escape_figure, {"exponent": Slider("push: 10 to the power", -6.0, -1.0, 0.5, -3.0)}
    ),
}

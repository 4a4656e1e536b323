"""Figures of low-rank adapters: what a rank can say, features that vanish (Eq. 2)."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from classroom.display.explorer import Choice, Explorer, Slider
from lessons.lora_adapters.figures.shared import BLUE, LOOKS

_GREY = "#777777"
_WIDTH = 24  # numbers in and out of the layer in `rank_figure`

CHANGES = ("blur", "three directions", "noise")


def wanted_change(kind: str) -> Tensor:
    """Return a change of weights W - W_0, (24, 24) of Frobenius norm 1, float64.

    `kind` is one of CHANGES: a blur of neighbouring features, a sum of three outer products, or
    independent normal numbers. Raises ValueError for another kind.
    """
    generator = torch.Generator().manual_seed(3)
    places = torch.arange(_WIDTH, dtype=torch.float64)
    if kind == "blur":
        change = torch.exp(-((places[:, None] - places) ** 2) / 18)
    elif kind == "three directions":
        left, right = torch.randn(2, _WIDTH, 3, generator=generator, dtype=torch.float64)
        change = (left * torch.tensor([4.0, 2.0, 1.0])) @ right.T
    elif kind == "noise":
        change = torch.randn(_WIDTH, _WIDTH, generator=generator, dtype=torch.float64)
    else:
        raise ValueError(f"kind must be one of {', '.join(CHANGES)}, got {kind!r}")
    return change / change.norm()


def rank_errors(change: Tensor) -> Tensor:
    """Return the least relative error ||change - BA|| / ||change|| for the ranks 0, 1, ..., all.

    Source: Eckart and Young; the singular values that are left out, squared and added.
    """
    squares = torch.linalg.svdvals(change).square()
    left_out = squares.flip(0).cumsum(0).flip(0)
    errors = torch.cat([left_out, left_out.new_zeros(1)]).sqrt()
    return errors / change.norm()


def rank_figure(change: str = "blur", rank: int = 4) -> Figure:
    """Draw a change of weights, the nearest one of a given rank, and the error against the rank.

    Returns a figure of three panels. `change` is one of CHANGES, `rank` from 0 to 24.
    Source: Eq. 2.
    """
    wanted = wanted_change(change)
    left, values, right = torch.linalg.svd(wanted)
    found = (left[:, :rank] * values[:rank]) @ right[:rank]
    errors = rank_errors(wanted)
    n_parameters = 2 * _WIDTH * rank
    figure = Figure(figsize=(6.6, 2.7), dpi=100)
    panels = figure.subplots(1, 3, width_ratios=(1, 1, 1.5))
    figure.subplots_adjust(left=0.02, right=0.98, bottom=0.2, top=0.86, wspace=0.15)
    panels[1].set_title(f"best of rank {rank}", fontsize=10)
    panels[0].set_title("wanted W - W0", fontsize=10)
    limit = float(wanted.abs().max())
    for axes, matrix in zip(panels, (wanted, found)):
        axes.imshow(matrix.numpy(), cmap="PuOr_r", vmin=-limit, vmax=limit)
        axes.set(xticks=[], yticks=[])
    chart: Axes = panels[2]
    box = chart.get_position()
    chart.set_position([box.x0 + 0.07, box.y0, box.width - 0.07, box.height])
    chart.plot(range(_WIDTH + 1), errors.numpy(), color=BLUE)
    chart.plot([rank], [float(errors[rank])], "o", color="black", markersize=9)
    chart.axvline(_WIDTH / 2, color=_GREY, linestyle=":")
    chart.set(xlabel="rank r", ylabel="relative error (no unit)", ylim=(-0.05, 1.05))
    chart.set(xticks=(0, 6, 12, 18, 24), yticks=(0, 0.5, 1))
    chart.set_title(f"error {float(errors[rank]):.2f}, {n_parameters} parameters", fontsize=10)
    figure.set_label(
        f"Left: a wanted change of weights ({change}) and the nearest change of rank {rank}, as "
        f"pictures. Right: the error against the rank falls from 1 to 0; at rank {rank} it is "
        f"{float(errors[rank]):.2f}, with {n_parameters} parameters. A dotted line at rank 12 "
        f"marks where B and A together hold {_WIDTH * _WIDTH} numbers, as many as the matrix."
    )
    return figure


def collapse_figure(strength: float = 0.5) -> Figure:
    """Draw the features of two frames while a collapsing adapter of rank 1 is turned up.

    F_1 = (W_0 + s BA) x_1 with the adapter that cancels it at strength s = 1; F_2 is pulled along.
    Returns a figure of two panels. `strength` is in [0, 2]. Source: Eq. 2.
    """
    w_0, x = np.array([[2.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 1.0], [1.0, 0.2]])
    b, a = -w_0 @ x[0], x[0] / (x[0] @ x[0])

    def features(s: float) -> np.ndarray:
        return x @ w_0.T + s * np.outer(x @ a, b)

    strengths = np.linspace(0, 2, 201)
    norms = [np.linalg.norm(features(s)[0]) for s in strengths]
    figure = Figure(figsize=(6.6, 3.2), dpi=100)
    plane, chart = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.09, right=0.97, bottom=0.17, top=0.88, wspace=0.3)
    ways = np.stack([features(s) for s in (0.0, 2.0)]).transpose(1, 0, 2)
    for name, way, now, look in zip(("F1", "F2"), ways, features(strength), LOOKS):
        _draw_feature(plane, name, way, now, look)
    plane.plot([0], [0], "X", color="black", markersize=8)
    plane.set(xlabel="first feature", ylabel="second feature")
    plane.set(xlim=(-3.6, 3.6), ylim=(-1.6, 1.6), xticks=(-3, 0, 3), yticks=(-1, 0, 1))
    plane.set_title("features at this strength", fontsize=10)
    chart.plot(strengths, norms, color=BLUE)
    norm = float(np.linalg.norm(features(strength)[0]))
    chart.plot([strength], [norm], "o", color="black", markersize=9)
    chart.set(xlabel="strength s of the adapter (no unit)", ylabel="length of F1")
    chart.set(xticks=(0, 1, 2), yticks=(0, 1, 2, 3), ylim=(-0.2, 3.4))
    chart.set_title(f"||F1|| = {norm:.2f} at s = {strength:.2f}", fontsize=10)
    for axes in (plane, chart):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.set_label(
        f"Left: the features of two frames, each a thick line from zero with a mark at its "
        f"end, with the adapter at strength {strength:.2f}; F1 moves on a line through zero, F2 "
        f"on a line beside it. Right: the "
        f"length of F1 falls from 3.16 to 0 at strength 1 and grows again; here it is {norm:.2f}."
    )
    return figure


def _draw_feature(
    plane: Axes, name: str, way: np.ndarray, now: np.ndarray, look: tuple[str, str, str]
) -> None:
    """Draw the line that a feature moves on, and the feature as a thick line from zero."""
    colour, line, mark = look
    plane.plot(*way.T, line, color=colour, linewidth=1)
    plane.plot([0, now[0]], [0, now[1]], color=colour, linewidth=2.5)
    plane.plot([now[0]], [now[1]], mark, color=colour, markersize=9)
    place = (-6, 9) if name == "F1" else (8, -17)  # clear of the lines, which climb to the right
    looks = {"textcoords": "offset points", "color": colour, "ha": "center"}
    plane.annotate(name, now, xytext=place, **looks)


EXPLORERS = {
    "lora_rank": Explorer(
        rank_figure,
        {"change": Choice("wanted change", CHANGES, "blur"), "rank": Slider("rank r", 0, 24, 1, 4)},
    ),
    "collapse": Explorer(collapse_figure, {"strength": Slider("strength s", 0.0, 2.0, 0.05, 0.5)}),
}

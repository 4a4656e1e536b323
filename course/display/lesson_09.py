"""Figures of lesson 09: what a rank can say, vanishing features, losses without gradient, maps.

Eq. 2 (low-rank adapters), Eq. 3 on single numbers, the two terms of Eq. 6, and the counterpart of
the paper's Fig. 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course.display.explorer import Choice, Explorer, Slider
from course.display.figures import PALETTE

_BLUE, _ORANGE, _GREEN = PALETTE[:3]
_GREY = "#777777"
_WIDTH = 24  # numbers in and out of the layer in `rank_figure`
_LOOKS = ((_BLUE, "-", "o"), (_ORANGE, "--", "s"), (_GREEN, "-.", "^"))

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
    chart.plot(range(_WIDTH + 1), errors.numpy(), color=_BLUE)
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
    for way, (colour, line, mark), name in zip(
        np.stack([features(s) for s in (0.0, 2.0)]).transpose(1, 0, 2), _LOOKS, ("F1", "F2")
    ):
        plane.plot(*way.T, line, color=colour, linewidth=1)
        now = features(strength)[0 if name == "F1" else 1]
        plane.plot([0, now[0]], [0, now[1]], color=colour, linewidth=2.5)
        plane.plot([now[0]], [now[1]], mark, color=colour, markersize=9)
        plane.annotate(name, now, xytext=(8, 6), textcoords="offset points", color=colour)
    plane.plot([0], [0], "X", color="black", markersize=8)
    plane.set(xlabel="first feature", ylabel="second feature")
    plane.set(xlim=(-3.6, 3.6), ylim=(-1.6, 1.6), xticks=(-3, 0, 3), yticks=(-1, 0, 1))
    plane.set_title("features at this strength", fontsize=10)
    chart.plot(strengths, norms, color=_BLUE)
    norm = float(np.linalg.norm(features(strength)[0]))
    chart.plot([strength], [norm], "o", color="black", markersize=9)
    chart.set(xlabel="strength s of the adapter (no unit)", ylabel="length of F1")
    chart.set(xticks=(0, 1, 2), yticks=(0, 1, 2, 3), ylim=(-0.2, 3.4))
    chart.set_title(f"||F1|| = {norm:.2f} at s = {strength:.2f}", fontsize=10)
    for axes in (plane, chart):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.set_label(
        f"Left: the features of two frames as arrows from zero, with the adapter at strength "
        f"{strength:.2f}; F1 moves on a line through zero, F2 on a line beside it. Right: the "
        f"length of F1 falls from 3.16 to 0 at strength 1 and grows again; here it is {norm:.2f}."
    )
    return figure


def cosine_of_numbers_figure(n_numbers: int = 1) -> Figure:
    """Draw the cosine of f and g, each of `n_numbers` numbers, and its slope, against f's first.

    The other numbers of f, and all of g, are 1. Returns a figure of two panels. Source: Eq. 3.
    """
    first = np.linspace(-3, 3, 301)
    rest = n_numbers - 1
    squares = first**2 + rest
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = (first + rest) / np.sqrt(squares * n_numbers)
        slope = (1 / np.sqrt(squares) - first * (first + rest) / squares**1.5) / n_numbers**0.5
    if rest == 0:
        slope = np.where(first == 0, np.nan, 0.0)
    figure = Figure(figsize=(6.6, 3.2), dpi=100)
    panels = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.1, right=0.97, bottom=0.17, top=0.88, wspace=0.32)
    for axes, values, colour, name in zip(
        panels, (cosine, slope), (_BLUE, _ORANGE), ("cosine similarity (no unit)", "its slope")
    ):
        axes.plot(first, values, color=colour, linewidth=2.5)
        axes.set(xlabel="first number of f", ylabel=name, xticks=(-3, 0, 3))
        axes.set(ylim=(-1.15, 1.15), yticks=(-1, 0, 1))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    steepest = float(np.nanmax(np.abs(slope)))
    panels[0].set_title(f"{n_numbers} number{'s' * (n_numbers > 1)} in f and in g", fontsize=10)
    panels[1].set_title(f"steepest {steepest:.2f}", fontsize=10)
    shape = (
        "jumps from -1 to 1 at zero, and its slope is 0 everywhere else"
        if rest == 0
        else f"rises and falls smoothly, with a slope of up to {steepest:.2f}"
    )
    figure.set_label(
        f"The cosine of two arrows of {n_numbers} number{'s' * (n_numbers > 1)} against the first "
        f"number of f: it {shape}."
    )
    return figure


def loss_and_gradient_figure(runs: Mapping[str, Sequence[tuple[float, float, float]]]) -> Figure:
    """Draw total loss, temporal term and length of its gradient for runs of training.

    `runs[name]` holds (total, temporal, gradient norm) for each step, up to three runs. A gradient
    below 1e-9 is drawn there. Source: Eq. 6.
    """
    figure = Figure(figsize=(8.4, 3.0), layout="constrained")
    panels = figure.subplots(1, 3)
    titles = ("total loss", "temporal term", "gradient of the temporal term")
    for axes, title in zip(panels, titles):
        axes.set_title(title, fontsize=10)
        axes.set(
            xlabel="step",
            ylabel="norm (log; 0 drawn at 1e-9)" if title.startswith("g") else "loss (no unit)",
        )
        axes.grid(alpha=0.3)
    panels[2].set_yscale("log")
    texts = []
    for (name, rows), (colour, line, mark) in zip(runs.items(), _LOOKS):
        columns = np.asarray(rows, dtype=float).T
        columns[2] = np.maximum(columns[2], 1e-9)
        every = max(1, len(rows) // 6)
        looks = {"color": colour, "linestyle": line, "marker": mark, "markevery": every}
        for axes, values in zip(panels, columns):
            axes.plot(values, label=name, **looks)
        largest = columns[2].max()
        texts.append(
            f"{name}: total {columns[0][0]:.3g} to {columns[0][-1]:.3g}, temporal term "
            f"{columns[1][0]:.3g} to {columns[1][-1]:.3g}, gradient at most "
            f"{'1e-9' if largest <= 1e-9 else f'{largest:.2g}'}"
        )
    panels[0].legend(fontsize=9, frameon=False)  # a falling curve leaves room
    figure.set_label("Three charts against the step of training. " + "; ".join(texts) + ".")
    return figure


def gradient_terms_figure(norms: Mapping[str, Sequence[tuple[float, float]]]) -> Figure:
    """Draw the lengths of both terms' gradients, step by step, a panel for each reading of Eq. 6.

    `norms[reading]` holds (temporal, diffusion) for each step, weighted. Source: Eq. 6.
    """
    figure = Figure(figsize=(7.2, 3.0), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(norms), sharey=True))
    texts = []
    for axes, (reading, rows) in zip(panels, norms.items()):
        columns = np.asarray(rows, dtype=float).T
        for values, (colour, line, mark), name in zip(columns, _LOOKS, ("temporal", "diffusion")):
            axes.semilogy(values, line, color=colour, marker=mark, markersize=5, label=name)
            texts.append(f"{reading}, {name}: median {np.median(values):.2g}")
        axes.set_title(reading, fontsize=10)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("norm of the weighted gradient (log)")
    panels[-1].legend(fontsize=9, frameon=False)
    figure.set_label(
        "Lengths of the gradients of both terms against the step, on a log scale. "
        + "; ".join(texts)
        + "."
    )
    return figure


def feature_map_figure(maps: Mapping[str, Mapping[str, Tensor]]) -> Figure:
    """Draw features as pictures: a row for each block, a column for each frame and setting.

    `maps[block][column]` are features (N, C) at N = side^2 positions, all columns of a block alike.
    A picture shows the first principal component of the block's first column, with the same axis
    and the same colours for the whole row. The counterpart of the paper's Fig. 3.
    """
    columns = list(next(iter(maps.values())))
    figure = Figure(figsize=(1.15 * len(columns) + 1.2, 1.35 * len(maps) + 0.6))
    grid = figure.subplots(len(maps), len(columns), squeeze=False)
    figure.subplots_adjust(left=0.13, right=0.99, bottom=0.02, top=0.84, wspace=0.06, hspace=0.1)
    texts = []
    for row, (block, features) in zip(grid, maps.items()):
        pictures = _first_component(features)
        low, high = (float(f) for f in (min(p.min() for p in pictures),
                                        max(p.max() for p in pictures)))  # fmt: skip
        for axes, picture in zip(row, pictures):
            axes.imshow(picture.numpy(force=True), cmap="cividis", vmin=low, vmax=high)
            axes.set(xticks=[], yticks=[])
        row[0].set_ylabel(block, fontsize=8, rotation=0, ha="right", va="center")
        name = block.replace("\n", " ")
        texts.append(f"{name} ({len(pictures[0])} by {len(pictures[0])} positions)")
    for axes, name in zip(grid[0], columns):
        axes.set_title(name, fontsize=8)
    figure.set_label(
        f"A table of {len(maps)} by {len(columns)} small pictures of features, in one colour scale "
        f"a row, dark low and bright high. Rows: {', '.join(texts)}. Columns: "
        f"{', '.join(' '.join(name.split()) for name in columns)}."
    )
    return figure


def _first_component(features: Mapping[str, Tensor]) -> list[Tensor]:
    """Return each column's features along the first one's first principal axis, (side, side)."""
    base = next(iter(features.values())).float()
    mean = base.mean(0)
    axis = torch.linalg.svd(base - mean, full_matrices=False).Vh[0]
    axis = axis * axis.sum().sign()  # either sign is right; keep one
    side = round(len(base) ** 0.5)
    return [((each.float() - mean) @ axis).reshape(side, side) for each in features.values()]


EXPLORERS = {
    "lora_rank": Explorer(
        rank_figure,
        {"change": Choice("wanted change", CHANGES, "blur"), "rank": Slider("rank r", 0, 24, 1, 4)},
    ),
    "collapse": Explorer(collapse_figure, {"strength": Slider("strength s", 0.0, 2.0, 0.05, 0.5)}),
    "cosine_of_numbers": Explorer(
        cosine_of_numbers_figure, {"n_numbers": Slider("numbers in f", 1, 16, 1, 1)}
    ),
}

"""Figures of the loss on numbers (Eq. 3), the two terms of Eq. 6, and feature maps (Fig. 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from classroom.display.explorer import Explorer, Slider
from lessons.lora_adapters.figures.shared import BLUE, LOOKS, ORANGE


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
        panels, (cosine, slope), (BLUE, ORANGE), ("cosine similarity (no unit)", "its slope")
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
    for (name, rows), (colour, line, mark) in zip(runs.items(), LOOKS):
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
        for values, (colour, line, mark), name in zip(columns, LOOKS, ("temporal", "diffusion")):
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
    "cosine_of_numbers": Explorer(
        cosine_of_numbers_figure, {"n_numbers": Slider("numbers in f", 1, 16, 1, 1)}
    ),
}

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
            ylabel={"g": "norm (log; 0 drawn at 1e-9)", "t": "loss (no unit)"}[title[0]],
        )
        axes.grid(alpha=0.3)
    for axes in panels[1:]:
        axes.set_yscale("log")
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
    """Draw one channel of features as pictures: a row for each block, columns in pairs f1, f2.

    `maps[block][column]` are features (N, C) at N = side^2 positions, all columns of a block alike,
    their number even. A row shows the channel that varies most over its first column, in one scale
    of colours with a bar; between the two of a pair stands ||f2 - f1|| / ||f1|| of this channel.
    The counterpart of the paper's Fig. 3.
    """
    columns = list(next(iter(maps.values())))
    figure = Figure(figsize=(1.1 * len(columns) + 2.0, 1.3 * len(maps) + 0.5))
    grid = figure.subplots(len(maps), len(columns), squeeze=False)
    height = 1.3 * len(maps) + 0.5
    figure.subplots_adjust(left=0.15, right=0.92, bottom=0.25 / height, top=1 - 0.4 / height,
                           wspace=0.06, hspace=0.28)  # fmt: skip
    texts = []
    for row, (block, features) in zip(grid, maps.items()):
        channel, pictures = _liveliest_channel(features)
        low, high = (end(torch.stack(pictures)).item() for end in (torch.min, torch.max))
        for axes, picture in zip(row, pictures):
            drawn = axes.imshow(picture.numpy(force=True), cmap="cividis", vmin=low, vmax=high)
            axes.set(xticks=[], yticks=[])
        box = row[-1].get_position()
        bar = figure.add_axes((0.93, box.y0, 0.012, box.height))
        figure.colorbar(drawn, cax=bar).ax.tick_params(labelsize=7)
        bar.set_title("feature", fontsize=7)
        row[0].set_ylabel(f"{block}\nchannel {channel}", fontsize=8, rotation=0, ha="right",
                          va="center")  # fmt: skip
        apart = [((g - f).norm() / f.norm()).item() for f, g in zip(pictures[::2], pictures[1::2])]
        for axes, share in zip(row[::2], apart):
            axes.text(1.03, -0.04, f"{share:.0%} apart", transform=axes.transAxes, fontsize=7,
                      ha="center", va="top")  # fmt: skip
        shares = ", ".join(f"{share:.0%}" for share in apart)
        texts.append(f"{' '.join(block.split())}, channel {channel}: {shares}")
    for axes, name in zip(grid[0], columns):
        axes.set_title(name, fontsize=8)
    pairs = ", ".join(" ".join(name.split()).removeprefix("f1, ") for name in columns[::2])
    figure.set_label(
        f"A table of {len(maps)} by {len(columns)} small pictures of single channels, in one "
        f"colour scale a row, dark low and bright high, in pairs f1 and f2: {pairs}. How far f2 is "
        f"from f1 in each pair, as a share of f1: {'; '.join(texts)}."
    )
    return figure


def _liveliest_channel(features: Mapping[str, Tensor]) -> tuple[int, list[Tensor]]:
    """Return the channel of largest variance in the first column, and it in all, (side, side)."""
    first = next(iter(features.values()))
    channel, side = int(first.var(dim=0).argmax()), round(len(first) ** 0.5)
    return channel, [each[:, channel].reshape(side, side) for each in features.values()]


EXPLORERS = {
    "cosine_of_numbers": Explorer(
        cosine_of_numbers_figure, {"n_numbers": Slider("numbers in f", 1, 16, 1, 1)}
    ),
}

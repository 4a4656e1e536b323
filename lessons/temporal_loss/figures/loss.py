"""Figures of the loss and the matrix D'D: arrows, two formulas, modes (Eq. 4, 19, 23 to 25)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from classroom.display.explorer import Explorer, Slider
from course.temporal import adjacent_similarities, second_difference_matrix, temporal_loss
from lessons.temporal_loss.figures.shared import BLUE, GREY, ORANGE, bare, numbers, single_panel


def turning_arrows(turn: float, bump: float = 0.0, frame: int = 4, n_frames: int = 8) -> Tensor:
    """Return arrows (n_frames, 2), each turned by `turn` degrees from the one before.

    The arrow of `frame`, counted from 1, is turned by `bump` degrees more.
    """
    angles = torch.arange(n_frames, dtype=torch.float64) * math.radians(turn)
    angles[frame - 1] += math.radians(bump)
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def turning_arrows_figure(turn: float, bump: float, frame: int) -> Figure:
    """Draw 8 arrows, their similarities, the differences and the loss (Eq. 19)."""
    features = turning_arrows(turn, bump, frame)
    similarities = adjacent_similarities(features)
    differences, loss = similarities.diff(), temporal_loss(features).item()
    figure = Figure(figsize=(6.4, 3.9))
    top, bottom = figure.subplots(2, 1, height_ratios=(1, 2.2))
    figure.subplots_adjust(left=0.13, right=0.97, top=0.9, bottom=0.13, hspace=0.3)
    colours = [ORANGE if t == frame and bump else BLUE for t in range(1, 9)]
    _draw_arrows(top, features, colours)
    top.set_title(f"loss = {loss:.4f}", fontsize=12)
    pairs = torch.arange(1, 8) + 0.5
    bottom.axhline(0, color=GREY, linewidth=0.8)
    bottom.bar(
        range(2, 8),
        differences,
        width=0.35,
        color=ORANGE,
        hatch="//",
        label="difference at frame t",
    )
    bottom.plot(pairs, similarities, "o-", color=BLUE, label="similarity of t and t + 1")
    bottom.set(xlim=(0.5, 8.5), ylim=(-2.1, 2.1), xlabel="frame t", ylabel="cosine (no unit)")
    bottom.legend(loc="lower left", fontsize=8, ncols=2)
    figure.set_label(
        f"Eight arrows, each turned by {turn:g} degrees from the one before; frame {frame} by "
        f"{bump:g} more. Similarities {numbers(similarities)}; differences "
        f"{numbers(differences)}; loss {loss:.4f}."
    )
    return figure


def index_clash_figure(n_frames: int = 6) -> Figure:
    """Draw Eq. 4, padded with F_0 = F_1, and Eq. 19 over the similarity of a uniform clip."""
    figure, axes = single_panel(f"{n_frames} frames, every similarity equal to s")
    constant = torch.linspace(-1, 1, 41)
    padded = (constant - 1).square() / (n_frames - 1)
    axes.plot(constant, padded, "--", color=ORANGE, label="Eq. 4 with F_0 = F_1")
    axes.plot(constant, 0 * constant, "-", color=BLUE, label="Eq. 19")
    axes.plot([0], [1 / (n_frames - 1)], "s", color=ORANGE, label="quarter turns, Eq. 4")
    axes.plot([0], [0], "o", color=BLUE, label="quarter turns, Eq. 19")
    axes.set(xlabel="similarity s of all neighbours (no unit)", ylabel="loss (no unit)")
    axes.legend(fontsize=9)
    figure.set_label(
        f"Loss of a clip of {n_frames} frames with all similarities equal to s, for s from -1 to "
        f"1. Eq. 4, padded with F_0 = F_1, falls from {4 / (n_frames - 1):.2f} to 0 and is 0 only "
        f"at s = 1. Eq. 19 is 0 everywhere. At s = 0 they give {1 / (n_frames - 1):.2f} and 0."
    )
    return figure


def mode_vector(n_frames: int, mode: int) -> Tensor:
    """Return the unit eigenvector number `mode` of D'D: cos(mode pi (j - 1/2) / (T-1))."""
    steps = torch.arange(n_frames - 1, dtype=torch.float64) + 0.5
    vector = (mode * math.pi * steps / (n_frames - 1)).cos()
    return vector / vector.norm()


def mode_figure(n_frames: int, mode: int) -> Figure:
    """Draw one eigenvector of D'D and its place among the eigenvalues (Eq. 23).

    A mode beyond the last one, T-2, is drawn as the last one.
    """
    mode = min(mode, n_frames - 2)
    angles = torch.linspace(0, math.pi, 200)
    values = 2 - 2 * (torch.arange(n_frames - 1) * math.pi / (n_frames - 1)).cos()
    figure = Figure(figsize=(6.8, 3.3))
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.1, right=0.98, top=0.88, bottom=0.17, wspace=0.28)
    _draw_mode(left, n_frames, mode)
    left.set(xlabel="pair of frames t", ylabel="similarity pattern (no unit)")
    right.plot(angles / math.pi, 2 - 2 * angles.cos(), "-", color=GREY, linewidth=1)
    right.plot(torch.arange(n_frames - 1) / (n_frames - 1), values, "o", color=BLUE, markersize=4)
    right.plot(mode / (n_frames - 1), values[mode], "D", color=ORANGE, markersize=9)
    right.set(xlabel="k / (T-1)", ylabel="eigenvalue of D'D", xlim=(-0.04, 1.04), ylim=(-0.2, 4.2))
    right.set_title(f"eigenvalue {values[mode].item():.4f}", fontsize=11)
    figure.set_label(
        f"Left: eigenvector k = {mode} of D'D for {n_frames} frames, a cosine with k half waves. "
        f"Right: the {n_frames - 1} eigenvalues on the curve 2 - 2 cos; number {mode} is "
        f"{values[mode].item():.4f}."
    )
    return figure


def modes_figure(n_frames: int = 9, modes: Sequence[int] = (0, 1, 2, 7)) -> Figure:
    """Draw a few eigenvectors of D'D side by side, with eigenvalues that D'D itself gives."""
    matrix = second_difference_matrix(n_frames, dtype=torch.float64)
    figure = Figure(figsize=(8.4, 2.7))
    parts = []
    for axes, mode in zip(figure.subplots(1, len(modes), sharey=True), modes):
        vector = mode_vector(n_frames, mode)
        value = (vector @ matrix @ vector).item()
        _draw_mode(axes, n_frames, mode)
        axes.set_title(f"k = {mode}: eigenvalue {value:.3f}", fontsize=9)
        axes.set_xlabel("pair of frames t")
        parts.append(f"k = {mode}, eigenvalue {value:.3f}")
    figure.axes[0].set_ylabel("pattern (no unit)")
    figure.subplots_adjust(left=0.08, right=0.99, top=0.88, bottom=0.2, wspace=0.1)
    figure.set_label(
        f"Eigenvectors of D'D for {n_frames} frames, cosines with k half waves: {'; '.join(parts)}."
    )
    return figure


def _draw_arrows(axes: Axes, features: Tensor, colours: Sequence[str]) -> None:
    """Draw one arrow a frame, side by side, each from the centre of its own circle."""
    places = torch.arange(1, len(features) + 1)
    x, y = (0.46 * features).T
    axes.quiver(
        places, 0 * x, x, y, color=colours, angles="xy", scale_units="xy", scale=1, width=0.008
    )
    axes.plot(places, 0 * x, ".", color=GREY, markersize=4)
    axes.set(xlim=(0.5, len(features) + 0.5), ylim=(-0.5, 0.5), aspect="equal")
    bare(axes)


def _draw_mode(axes: Axes, n_frames: int, mode: int) -> None:
    vector = mode_vector(n_frames, mode)
    smooth = torch.linspace(0, n_frames - 1, 300, dtype=torch.float64)
    height = vector[0] / math.cos(mode * math.pi / (2 * (n_frames - 1)))
    wave = height * (mode * math.pi * smooth / (n_frames - 1)).cos()
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.plot(smooth + 0.5, wave, "-", color=BLUE, linewidth=1)
    axes.plot(range(1, n_frames), vector, "o", color=ORANGE, markersize=5)
    axes.set_title(f"k = {mode}, T = {n_frames}", fontsize=11)
    axes.set_xticks(sorted({1, n_frames // 2, n_frames - 1}))


EXPLORERS = {
    "turning_arrows": Explorer(
        turning_arrows_figure,
        {
            "turn": Slider("turn a frame (degrees)", 0, 180, 5, 30),
            "bump": Slider("bump (degrees)", -90, 90, 5, 40),
            "frame": Slider("frame of the bump", 1, 8, 1, 4),
        },
    ),
    "difference_modes": Explorer(
        mode_figure,
        {
            "n_frames": Slider("frames T", 3, 40, 1, 9),
            "mode": Slider("eigenvector k", 0, 38, 1, 2),
        },
    ),
}

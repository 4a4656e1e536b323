"""Figures of lesson 08: tokens of each frame, outputs among their values, and the rising response.

Fig. 2, Eq. 13 and Corollary 4.15. Values and queries are the effective ones, as in
`course.reachability`: a position with query q gets the mean of the values v with weights
softmax(q . v).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from torch import Tensor
from torch.linalg import matrix_rank

from classroom.display.explorer import Choice, Explorer, Slider
from classroom.display.figures import PALETTE
from course.attention import cross_attention
from course.reachability import reachability_gap

_BLUE, _ORANGE, _GREEN, _PINK = PALETTE[:4]
_GREY = "#777777"
_DOUBLE = {"dtype": torch.float64}
_MARKS = "os^DvPX"
_MARGINS = {"left": 0.1, "right": 0.97, "bottom": 0.15, "top": 0.9, "wspace": 0.3}


def respond(queries: Tensor, values: Tensor) -> Tensor:
    """Return what attention gives to effective queries (..., M, d), from values (..., L, d)."""
    eye = torch.eye(values.shape[-1], dtype=values.dtype, device=values.device)
    return cross_attention(queries * math.sqrt(values.shape[-1]), values, eye, eye, eye)


def token_rows_figure(n_shared: int = 2, n_frame: int = 2, n_frames: int = 4) -> Figure:
    """Draw which tokens each frame sees: a column a frame, a row a token; 4 text tokens.

    Source: Fig. 2 and Eq. 13.
    """
    n_text, height = 4, n_shared + n_frame + 4
    figure = Figure(figsize=(6.6, 3.5), dpi=100)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.09, right=0.7, bottom=0.14, top=0.9)
    groups = (
        ("shared", 0, n_shared, _BLUE, ""),
        ("frame", n_shared, n_frame, _ORANGE, "//"),
        ("text", n_shared + n_frame, n_text, "#CCCCCC", ""),
    )
    for name, first, count, colour, hatch in groups:
        if not count:
            continue
        looks = {"width": 0.86, "edgecolor": "white", "color": colour, "hatch": hatch}
        # One artist a group keeps the redraw quick; lines cut it into tokens.
        axes.bar(range(1, n_frames + 1), [count] * n_frames, bottom=first, label=name, **looks)
        for frame in range(1, n_frames + 1):
            label = f"own\nof {frame}" if name == "frame" else name
            small = 8 if count > 1 or name != "frame" else 6
            _write_on(axes, frame, first + count / 2, label, small, colour)
    axes.hlines(range(1, height), 0.5, n_frames + 0.5, color="white", linewidth=1)
    axes.set(ylim=(height, 0), xlim=(0.4, n_frames + 0.6), xticks=range(1, n_frames + 1))
    axes.set(xlabel="frame", ylabel="token, first to last", yticks=(0, height))
    kept, own = n_shared, n_frame * n_frames
    axes.set_title(f"each frame sees {height} tokens", fontsize=10)
    facts = f"to train:\n{kept} shared\n{own} of frames\n\nfrozen:\n{n_text} of the text"
    axes.text(1.05, 0.5, facts, transform=axes.transAxes, va="center", fontsize=10)
    figure.set_label(
        f"A column of {height} stacked tokens for each of {n_frames} frames. From top to bottom: "
        f"shared tokens, the same in all columns: {n_shared}; tokens that differ from frame to "
        f"frame: {n_frame}; text tokens, the same in all columns: {n_text}. To train: {kept} "
        f"shared and {own} of the frames."
    )
    return figure


def _write_on(axes: Axes, x: float, y: float, label: str, size: float, colour: str) -> None:
    """Write a label on a bar of this colour, white where the bar is dark."""
    axes.text(
        x, y, label, ha="center", va="center", fontsize=size,
        color="white" if label == "shared" else "black",
        bbox={"facecolor": colour, "edgecolor": "none", "pad": 1},
    )  # fmt: skip


def span_figure(off_line: float = 0.0, length: float = 6.0) -> Figure:
    """Draw three values, the last one `off_line` beside the line of the others, and all outputs.

    Outputs are those of queries in 24 directions, each `length` long. Source: Corollary 4.15.
    """
    values = torch.tensor([[-1.0, -0.5], [1.4, 0.7], [0.4, 0.2 + off_line]], **_DOUBLE)
    turns = torch.arange(24, **_DOUBLE) * math.tau / 24
    outputs = respond(length * torch.stack([turns.cos(), turns.sin()], dim=1), values)
    rank = int(matrix_rank(values))
    figure = Figure(figsize=(5.2, 3.6), dpi=100)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.14, right=0.95, bottom=0.15, top=0.9)
    axes.plot(*values[[0, 1, 2, 0]].T.tolist(), "--", color=_GREY, linewidth=1)
    axes.plot(*values.T.tolist(), "s", color=_BLUE, markersize=11, label="values of tokens")
    axes.plot(*outputs.T.tolist(), "o", color=_ORANGE, markersize=5, label="outputs, 24 queries")
    axes.plot([0], [0], "+", color="black", markersize=11, label="zero")
    axes.set(xlim=(-2, 2), ylim=(-1.4, 2.0), aspect="equal", xticks=(-2, 0, 2), yticks=(-1, 0, 1))
    axes.set(xlabel="first coordinate", ylabel="second coordinate")
    axes.set_title(f"three tokens of rank {rank} in two dimensions", fontsize=10)
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    shape = "on one line" if rank == 1 else "in a triangle"
    left, low = outputs.amin(dim=0).tolist()
    right, high = outputs.amax(dim=0).tolist()
    figure.set_label(
        f"Three values {shape}, of rank {rank}, and the outputs of 24 queries, all of them between "
        f"the values, from {left:.2f} to {right:.2f} across and from {low:.2f} to {high:.2f} up. "
        f"The third value is {off_line:g} beside the line of the others."
    )
    return figure


def response_figure(
    first: float = -1.0, second: float = 0.2, third: float = 1.0, targets: str = "reversed"
) -> Figure:
    """Draw the response of one dimension for three values, and two targets at queries -1 and 1.

    `targets` is "rising", -0.5 and 0.5, or "reversed", 0.5 and -0.5. The title has the error and
    the least that any tokens leave. Source: Corollary 4.15.
    """
    values = torch.tensor([[first], [second], [third]], **_DOUBLE)
    queries = torch.linspace(-3, 3, 61, **_DOUBLE).unsqueeze(-1)
    places = torch.tensor([[-1.0], [1.0]], **_DOUBLE)
    wanted = places * (0.5 if targets == "rising" else -0.5)
    came = respond(places, values)
    error = (came - wanted).norm().item()
    gap = reachability_gap(places, wanted).item()
    figure = Figure(figsize=(6.4, 3.5), dpi=100)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.11, right=0.97, bottom=0.15, top=0.9)
    axes.hlines(values[:, 0].tolist(), -3, 3, color=_GREY, linestyle=":", linewidth=1.2)
    axes.plot(queries[:, 0].tolist(), respond(queries, values)[:, 0].tolist(), color=_BLUE)
    xs = places[:, 0].tolist()
    axes.vlines(xs, came[:, 0].tolist(), wanted[:, 0].tolist(), color=_ORANGE, linestyle="--")
    axes.plot(xs, came[:, 0].tolist(), "o", color=_BLUE, label="output")
    axes.plot(xs, wanted[:, 0].tolist(), "D", color=_ORANGE, label="target")
    axes.set(xlim=(-3, 3), ylim=(-2.1, 2.1), xticks=(-3, -1, 1, 3), yticks=(-2, -1, 0, 1, 2))
    axes.set(xlabel="effective query of the position", ylabel="output (dotted: token values)")
    axes.set_title(f"error {error:.3f}, no tokens get below {gap:.3f}", fontsize=10)
    axes.legend(fontsize=9, frameon=False, loc="upper left")
    figure.set_label(
        f"A curve of the output against the query, rising or flat everywhere, between the values "
        f"{first:g}, {second:g} and {third:g}. At the queries -1 and 1 it gives "
        f"{came[0, 0]:.3f} and {came[1, 0]:.3f}; the {targets} targets there are "
        f"{wanted[0, 0]:g} and {wanted[1, 0]:g}. Error {error:.3f}, least possible {gap:.3f}."
    )
    return figure


def fitted_figure(fits: Sequence[Mapping[str, Tensor | str]]) -> Figure:
    """Draw, for each fit, the response of trained values and the targets, and below what is left.

    The lower row has its own scale, on which small errors are seen. A fit has `title`,
    `queries` (M,), `targets` (M,) and `values` (L,). Source: Corollary 4.15.
    """
    figure = Figure(figsize=(3.0 * len(fits), 4.6), dpi=100)
    ratios = {"height_ratios": (2, 1)}
    grid = figure.subplots(2, len(fits), squeeze=False, sharex="col", gridspec_kw=ratios)
    figure.subplots_adjust(**_MARGINS | {"left": 0.09, "bottom": 0.11, "hspace": 0.12})
    lines = []
    for axes, below, fit in zip(*grid, fits):
        queries, targets, values = (fit[name] for name in ("queries", "targets", "values"))
        places = torch.linspace(queries.min() - 0.4, queries.max() + 0.4, 121, **_DOUBLE)
        came = respond(queries[:, None], values[:, None])[:, 0]
        curve = respond(places[:, None], values[:, None])[:, 0]
        axes.plot(places.tolist(), curve.tolist(), color=_BLUE, label="response")
        axes.plot(queries.tolist(), targets.tolist(), "D", color=_ORANGE, label="target")
        errors = came - targets
        below.vlines(queries.tolist(), 0, errors.tolist(), color=_ORANGE, linewidth=3)
        below.axhline(0, color=_GREY, linewidth=1)
        below.set(xlabel="effective query", ylim=(-0.6, 0.6), yticks=(-0.5, 0, 0.5))
        title = f"{fit['title']}\nlargest error {errors.abs().max():.4f}"
        axes.set_title(title, fontsize=9)
        shape = "flat" if curve.max() - curve.min() < 1e-3 else "rising"
        left = ", ".join(f"{error:.3f}" for error in errors.tolist())
        lines.append(f"{fit['title']}: a {shape} curve, output less target {left}")
        _clean(axes)
        _clean(below)
    grid[0, 0].set_ylabel("output")
    grid[1, 0].set_ylabel("output - target")
    grid[0, 0].legend(fontsize=8, frameon=False, loc="best")
    figure.set_label(
        "Above, responses of trained tokens and targets; below, bars of what is left. "
        + "; ".join(lines)
        + "."
    )
    return figure


def recovered_figure(errors: Mapping[str, Sequence[float]], times: Sequence[int]) -> Figure:
    """Draw the error of the noise prediction by diffusion time, a line for each text.

    `errors[label]` has one mean squared error a time. Source: Eq. 5, at fixed draws.
    """
    figure = Figure(figsize=(6.6, 3.6), dpi=100)
    axes = figure.subplots(gridspec_kw={"left": 0.12, "right": 0.97, "bottom": 0.15, "top": 0.95})
    styles = zip(PALETTE, _MARKS, ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (1, 3)), "--"))
    for (label, values), (colour, mark, line) in zip(errors.items(), styles):
        axes.plot(times, list(values), marker=mark, color=colour, linestyle=line, label=label)
    axes.set(xlabel="diffusion time (1000: all noise)", ylabel="mean squared error of the noise")
    axes.set(yscale="log", xticks=list(times))
    axes.yaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter="{x:g}")
    axes.yaxis.minorticks_off()
    axes.legend(fontsize=8, frameon=False)
    _clean(axes)
    parts = [f"{label} from {v[0]:.4f} to {v[-1]:.4f}, mean {sum(v) / len(v):.4f}"
             for label, v in errors.items()]  # fmt: skip
    figure.set_label(
        f"Error of the noise prediction against diffusion time, log scale, a line for each text, "
        f"from time {times[0]} to {times[-1]}: {'; '.join(parts)}."
    )
    return figure


def _clean(axes: Axes) -> None:
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


EXPLORERS = {
    "token_rows": Explorer(
        token_rows_figure,
        {
            "n_shared": Slider("shared tokens", 0, 6, 1, 2),
            "n_frame": Slider("tokens of each frame", 0, 6, 1, 2),
            "n_frames": Slider("frames", 1, 6, 1, 4),
        },
    ),
    "token_span": Explorer(
        span_figure,
        {
            "off_line": Slider("third token beside the line", -1.0, 1.5, 0.1, 0.0),
            "length": Slider("length of the queries", 0.0, 20.0, 0.5, 6.0),
        },
    ),
    "token_response": Explorer(
        response_figure,
        {
            "first": Slider("first token", -2.0, 2.0, 0.1, -1.0),
            "second": Slider("second token", -2.0, 2.0, 0.1, 0.2),
            "third": Slider("third token", -2.0, 2.0, 0.1, 1.0),
            "targets": Choice("targets", ("reversed", "rising"), "reversed"),
        },
    ),
}

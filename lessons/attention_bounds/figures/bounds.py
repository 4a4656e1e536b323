"""Figures of errors against their bounds, and of ideal points (Theorem 4.10, Eq. 43 and 44)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch.linalg import matrix_norm

from classroom.display.explorer import Choice, Explorer, Slider
from course.attention import alignment_bound, cross_attention, printed_gamma, row_norm
from lessons.attention_bounds.figures.shared import (
    BLUE,
    DOUBLE,
    EYE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    TRIANGLE,
    one_panel,
    two_panels,
)


def token_errors(
    token_error: Tensor, values: float, n_positions: int, query_error: float
) -> dict[str, Tensor]:
    """Return errors and bounds where the ideal is X* = 0 and the tokens Z* are `TRIANGLE`.

    All tokens move the same way, by `token_error` (n,) in the Frobenius norm; W_Q = W_K = I and
    W_V = `values` I; each position is off by `query_error`. Returns "error", "printed",
    "frobenius", "row error" and "row", each (n,). Source: Eq. 44, as printed and repaired.
    """
    direction = torch.tensor([1.0, 0.0], **DOUBLE).expand(3, 2)
    tokens = TRIANGLE + token_error[:, None, None] / math.sqrt(3) * direction
    hidden = query_error * direction[:1].expand(n_positions, 2)
    ideal, w_v = torch.zeros_like(hidden), values * EYE
    # X* = 0 is a fixed point of Eq. 43: there all shares are equal, and the tokens have mean 0.
    error = cross_attention(hidden, tokens, EYE, EYE, w_v)
    sides = (hidden, tokens, ideal, TRIANGLE, EYE, EYE, w_v)
    return {
        "error": matrix_norm(error),
        "printed": printed_gamma(EYE, w_v) * token_error,
        "frobenius": alignment_bound(*sides),
        "row error": row_norm(error),
        "row": alignment_bound(*sides, norm="row"),
    }


def token_error_figure(
    token_error: float = 1.0, values: float = 1.0, n_positions: int = 4, query_error: float = 0.0
) -> Figure:
    """Draw the error of the output against the error of the tokens, with printed and true bounds.

    Arguments as `token_errors`. Left the whole output, right its worst position.
    Source: Theorem 4.10, Eq. 44.
    """
    sizes = torch.cat([torch.linspace(0, 2, 25, **DOUBLE), torch.tensor([token_error], **DOUBLE)])
    found = token_errors(sizes, values, n_positions, query_error)
    here = {name: line[-1].item() for name, line in found.items()}
    figure, left, right = two_panels()
    for axes, lines in (
        (left, (("error", "-", GREEN, "error"), ("printed", "--", ORANGE, "printed bound"),
                ("frobenius", "-.", BLUE, "repaired bound"))),
        (right, (("row error", "-", GREEN, "error"), ("row", "-.", BLUE, "repaired bound"))),
    ):  # fmt: skip
        for name, stroke, colour, label in lines:
            width = 4 if label == "error" else 2  # seen beside a bound that lies on it
            line = {"color": colour, "label": label, "linewidth": width}
            axes.plot(sizes[:-1], found[name][:-1], stroke, **line)
        axes.plot([token_error], [here[lines[0][0]]], "o", color="black", markersize=8)
        axes.set(xlabel="error of the tokens (Frobenius)", xticks=(0, 1, 2))
        _three_ticks(axes, max(found[name].max().item() for name, *_ in lines))
    left.legend(fontsize=8, frameon=False, loc="upper left")
    left.set(ylabel="error of the output (Frobenius)")
    right.set(ylabel="error of the worst position")
    broken = here["error"] > here["printed"] * (1 + 1e-9)
    verdict = "broken" if broken else "holds"
    texts = {name: f"{value:.3f}" for name, value in here.items()}
    left.set_title(f"error {texts['error']}, printed {texts['printed']}: {verdict}", fontsize=9)
    right.set_title(f"error {texts['row error']}, bound {texts['row']}", fontsize=9)
    figure.set_label(
        f"Two charts of the output's error against the tokens' error, W_V = {values:g}, "
        f"{n_positions} positions, queries off by {query_error:g}. Left, all positions: at "
        f"{token_error:g} the error is {texts['error']}, the printed bound {texts['printed']} "
        f"{'is broken' if broken else 'holds'}, the repaired one is {texts['frobenius']}. Right, "
        f"the worst position: error {texts['row error']}, repaired bound {texts['row']}."
    )
    return figure


def _three_ticks(axes: Axes, top: float) -> None:
    # Three ticks, and one legend for both panels: a redraw must be quick.
    axes.set_ylim(0, 1.05 * top)
    axes.set_yticks([0, top / 2, top], ["0", f"{top / 2:.3g}", f"{top:.3g}"])


def ideal_points_figure(weight: float = 3.0) -> Figure:
    """Draw tanh(w x) against x: every crossing is an ideal output X* of Eq. 43.

    M = d = 1, Z* = (1, -1), W_Q = `weight`, W_K = W_V = 1.
    """
    x = torch.linspace(-1.5, 1.5, 121, **DOUBLE)
    crossing = ideal_point(weight)
    points = [-crossing, 0.0, crossing] if crossing else [0.0]
    figure, axes = one_panel()
    axes.plot(x, torch.tanh(weight * x), color=GREEN, label="attention of x")
    axes.plot(x, x, "--", color=GREY, label="x itself")
    axes.plot(points, points, "o", color="black", markersize=9, label="ideal points")
    axes.set(xlabel="hidden state x (no unit)", ylabel="output (no unit)")
    axes.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1), ylim=(-1.5, 1.5))
    axes.set_title(f"w = {weight:g}: ideal points {len(points)}", fontsize=10)
    axes.legend(fontsize=9, frameon=False, loc="upper left")
    where = ", ".join(f"{point:.4f}" for point in points)
    figure.set_label(
        f"The curve tanh({weight:g} x) and the straight line x, from -1.5 to 1.5. They meet at "
        f"{where}: ideal points {len(points)}."
    )
    return figure


def ideal_point(weight: float) -> float:
    """Return the positive solution of x = tanh(w x), or 0 where there is none (w up to 1)."""
    if weight <= 1:
        return 0.0
    low, high = 1e-9, 1.0  # tanh(w x) - x is positive at the left end and negative at the right
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if math.tanh(weight * middle) > middle else (low, middle)
    return high


def head_bounds_figure(errors: Mapping[str, Tensor]) -> Figure:
    """Draw errors and bounds of the heads of a layer on a log scale, one mark a head.

    `errors[label]` is (n_heads,), all positive. Source: Theorem 4.10, measured.
    """
    figure, axes = one_panel()
    marks = zip("oXs^D", (GREEN, ORANGE, BLUE, PINK, "black"))
    parts = []
    for (label, values), (mark, colour) in zip(errors.items(), marks):
        axes.semilogy(range(len(values)), values, mark, color=colour, markersize=9, label=label)
        parts.append(f"{label} {', '.join(f'{value:.3g}' for value in values.tolist())}")
    axes.set(xlabel="head of the layer", ylabel="Frobenius norm (log scale)")
    axes.set(xticks=range(len(values)), xlim=(-0.5, len(values) - 0.5))
    axes.legend(fontsize=9, frameon=False, loc="center right")
    figure.set_label(f"Marks for each head of a layer, log scale: {'; '.join(parts)}.")
    return figure


EXPLORERS = {
    "token_error": Explorer(
        token_error_figure,
        {
            "token_error": Slider("error of the tokens", 0.0, 2.0, 0.05, 1.0),
            "values": Slider("size of W_V", 0.1, 10.0, 0.1, 1.0),
            "n_positions": Choice("positions M", (1, 4, 16, 64), 4),
            "query_error": Slider("error of the queries", 0.0, 1.0, 0.05, 0.0),
        },
    ),
    "ideal_points": Explorer(
        ideal_points_figure, {"weight": Slider("weight w", -4.0, 4.0, 0.1, 3.0)}
    ),
}

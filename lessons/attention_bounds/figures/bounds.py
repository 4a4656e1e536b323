"""Figures of errors against their bounds, and of ideal points (Theorem 4.10, Eq. 43 and 44)."""

from __future__ import annotations

import math

import torch
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
    TRIANGLE,
    fixed_log_axis,
    one_panel,
    two_panels,
)

_FLOOR = 1e-3  # of the log axes


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

    Arguments as `token_errors`. Left the whole output, right its worst position. The log axes are
    the same for all arguments, so that lines move and not axes; what is below 0.001 stands there.
    Source: Theorem 4.10, Eq. 44.
    """
    sizes = torch.linspace(0.02, 2, 25, **DOUBLE)
    sizes = torch.cat([sizes, torch.tensor([token_error], **DOUBLE)])
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
        height = max(here[lines[0][0]], _FLOOR)
        axes.plot([token_error], [height], "o", color="black", markersize=8, clip_on=False)
        axes.set(xlabel="error of the tokens (Frobenius)", xticks=(0, 1, 2), xlim=(-0.05, 2.05))
        # Few ticks, and one legend for both panels: a redraw must be quick.
        fixed_log_axis(axes, _FLOOR, 1000, (0.001, 0.1, 10, 1000))
    left.legend(fontsize=8, frameon=False, loc="lower right")
    left.set(ylabel="Frobenius error of the output (log)")
    right.set(ylabel="error of the worst position (log)")
    # The outputs are as large as the values: an excess far below that is rounding.
    broken = here["error"] - here["printed"] > 1e-9 * values
    verdict = "broken" if broken else "holds"
    texts = {name: f"{value:.3f}" for name, value in here.items()}
    left.set_title(f"error {texts['error']}, printed {texts['printed']}: {verdict}", fontsize=9)
    right.set_title(f"error {texts['row error']}, bound {texts['row']}", fontsize=9)
    figure.set_label(
        f"Two charts of the output's error against the tokens' error, log scale from 0.001 to "
        f"1000, W_V = {values:g}, "
        f"{n_positions} positions, queries off by {query_error:g}. Left, all positions: at "
        f"{token_error:g} the error is {texts['error']}, the printed bound {texts['printed']} "
        f"{'is broken' if broken else 'holds'}, the repaired one is {texts['frobenius']}. Right, "
        f"the worst position: error {texts['row error']}, repaired bound {texts['row']}."
    )
    return figure


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
    # One row at the top, where neither the curve nor the line comes for any w.
    axes.legend(fontsize=9, frameon=False, loc="upper left", ncols=3)
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


def head_bounds_figure(error: Tensor, printed_bound: Tensor) -> Figure:
    """Draw the share of the printed bound that each head's error takes, and a line at all of it.

    Both are (n_heads,), positive. Source: Theorem 4.10, measured.
    """
    shares = (error / printed_bound).tolist()
    figure, axes = one_panel()
    axes.axhline(1, color=GREY, linestyle="--")
    axes.text(-0.45, 0.98, "the printed bound", color=GREY, fontsize=9, va="top")
    for head, share in enumerate(shares):
        mark, colour = ("X", ORANGE) if share > 1 else ("o", GREEN)
        axes.vlines(head, min(1, share), max(1, share), color=colour, linewidth=2)
        axes.plot([head], [share], mark, color=colour, markersize=11)
        axes.annotate(f"{share:.2f}", (head, share), xytext=(9, 0), textcoords="offset points",
                      va="center")  # fmt: skip
    broken = sum(share > 1 for share in shares)
    axes.set(xlabel="head of the layer", ylabel="error / printed bound (no unit)")
    axes.set(xticks=range(len(shares)), xlim=(-0.5, len(shares) - 0.5))
    axes.set_ylim(0, 1.2 * max(1, *shares))
    axes.set_title(f"broken in {broken} of {len(shares)} heads (crosses)", fontsize=10)
    figure.set_label(
        f"A mark for each head: its error as a share of the printed bound, a dashed line at 1. "
        f"Heads 0 to {len(shares) - 1}: {', '.join(f'{share:.2f}' for share in shares)}. "
        f"Above the line, and so broken: {broken} of {len(shares)}."
    )
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

"""Figures of lesson 07: who is heard, how steep softmax is, and errors against their bounds.

Eqs. 14, 15, 43 and 44, Lemmas 4.12 and 4.13, at sizes that can be drawn: tokens in the plane.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch.linalg import matrix_norm

from course.attention import (
    alignment_bound,
    attention_weights,
    cross_attention,
    printed_gamma,
    row_norm,
    softmax_jacobian,
)
from course.display.explorer import Choice, Explorer, Slider
from course.display.figures import PALETTE

_BLUE, _ORANGE, _GREEN, _PINK = PALETTE[:4]
_GREY = "#777777"
_DOUBLE = {"dtype": torch.float64}
_EYE = torch.eye(2, **_DOUBLE)
_TURNS = torch.tensor([90.0, 210.0, 330.0], **_DOUBLE).deg2rad()
TRIANGLE = torch.stack([_TURNS.cos(), _TURNS.sin()], dim=1)
"""Three tokens in the plane, of length 1 and with mean 0: the ideal tokens Z* of the figures."""


def attention_plane_figure(angle: float = 30.0, length: float = 3.0) -> Figure:
    """Draw a query among three keys, the shares of its attention, and the mean that comes out.

    `angle` of the query in degrees, `length` in [0, 12]; keys and values are the tokens, d = 2.
    Source: Eq. 15.
    """
    turn = math.radians(angle)
    query = length * torch.tensor([[math.cos(turn), math.sin(turn)]], **_DOUBLE)
    shares = attention_weights(query, TRIANGLE, _EYE, _EYE)[0].tolist()
    came = cross_attention(query, TRIANGLE, _EYE, _EYE, _EYE)[0].tolist()
    figure, plane, chart = _two_panels()
    corners = TRIANGLE[[0, 1, 2, 0]]
    plane.plot(*corners.T.tolist(), color=_GREY, linewidth=1, linestyle="--")
    for name, mark, colour, (x, y) in zip("ABC", "os^", PALETTE, TRIANGLE.tolist()):
        plane.plot([x], [y], mark, color=colour, markersize=10)
        plane.text(1.22 * x, 1.22 * y, name, color=colour, ha="center", va="center", weight="bold")
    arrow = {"arrowstyle": "-|>", "color": _GREY, "linewidth": 2}
    tip = (1.5 * math.cos(turn), 1.5 * math.sin(turn))
    plane.annotate("", xy=tip, xytext=(0, 0), arrowprops=arrow)
    plane.plot(*([value] for value in came), "D", color="black", markersize=8)
    plane.set(xlim=(-1.7, 1.7), ylim=(-1.7, 1.7), aspect="equal", xticks=(-1, 0, 1))
    plane.set(yticks=(-1, 0, 1), xlabel="first coordinate", ylabel="second coordinate")
    plane.set_title("arrow: where the query points, black: output", fontsize=9)
    chart.bar(range(3), shares, color=PALETTE[:3], hatch=("", "//", "xx"), edgecolor="white")
    for place, share in enumerate(shares):
        chart.text(place, share + 0.02, f"{share:.3f}", ha="center", fontsize=9)
    chart.set_xticks(range(3), ["A", "B", "C"])
    chart.set(ylim=(0, 1.12), yticks=(0, 0.5, 1), xlabel="token", ylabel="share of attention")
    chart.set_title(f"query {length:g} long", fontsize=10)
    text = ", ".join(f"{name} {share:.3f}" for name, share in zip("ABC", shares))
    figure.set_label(
        f"Left: three tokens A, B and C at the corners of a triangle, a query at {angle:g} "
        f"degrees, {length:g} long, and the output, inside the triangle at "
        f"({came[0]:.2f}, {came[1]:.2f}). Right: bars of the shares: {text}."
    )
    return figure


def softmax_slope_figure(gap: float = 0.0, others: float = 0.0) -> Figure:
    """Draw how steep softmax is for two tokens that compete, and all others with a fixed share.

    `gap` is the first logit minus the second, `others` the share in [0, 0.9] of a third token.
    Source: L_softmax in Lemma 4.12.
    """
    gaps = torch.linspace(-8, 8, 81, **_DOUBLE)
    shares, norms = _slopes(gaps, others)
    (own, other), (norm,) = (tensor[0].tolist() for tensor in _slopes(torch.tensor([gap]), others))
    figure, left, right = _two_panels()
    left.plot(gaps, shares[:, 0], color=_BLUE, label="first token")
    left.plot(gaps, shares[:, 1], "--", color=_ORANGE, label="second token")
    left.plot([gap, gap], [own, other], "o", color="black")
    left.set(ylim=(-0.05, 1.05), yticks=(0, 0.5, 1), ylabel="share of attention")
    left.set_title(f"shares {own:.3f} and {other:.3f}", fontsize=10)
    left.legend(fontsize=8, frameon=False, loc="center right")
    right.plot(gaps, norms[:, 0], color=_GREEN)
    right.axhline(0.5, color=_GREY, linestyle="--")
    right.text(-7.8, 0.515, "1/2", color=_GREY)
    right.plot([gap], [norm], "o", color="black", markersize=9)
    right.set(ylim=(-0.03, 0.6), yticks=(0, 0.25, 0.5), ylabel="spectral norm of the Jacobian")
    right.set_title(f"norm {norm:.4f}", fontsize=10)
    for axes in (left, right):
        axes.set(xlabel="first logit minus second", xticks=(-8, 0, 8))
    figure.set_label(
        f"Left: shares of two tokens against the gap of their logits, two curves that cross; at "
        f"gap {gap:g} they are {own:.3f} and {other:.3f}, all others have {others:.2f}. Right: the "
        f"norm of the Jacobian of softmax, never above 1/2: {norms[40, 0]:.4f} in the middle, at "
        f"gap 0, {norms[0, 0]:.4f} at both ends, {norm:.4f} at the dot."
    )
    return figure


def softmax_norm_figure(n_positions: int = 16, n_tokens: int = 8, sharpness: float = 1.0) -> Figure:
    """Draw the Frobenius norm of a softmax matrix as random logits are scaled up.

    `sharpness` in [0, 20] is the standard deviation of the logits at the dot.
    Source: Lemma 4.13, Eq. 112.
    """
    draw = _logits()[:n_positions, :n_tokens]
    scales = torch.linspace(0, 20, 31, **_DOUBLE)
    norms = matrix_norm((scales[:, None, None] * draw).softmax(-1))
    norm = matrix_norm((sharpness * draw).softmax(-1)).item()
    low, high = math.sqrt(n_positions / n_tokens), math.sqrt(n_positions)
    figure, axes = _one_panel()
    axes.plot(scales, norms, color=_GREEN, label="norm of P")
    axes.plot([sharpness], [norm], "o", color="black", markersize=9)
    axes.axhline(high, color=_BLUE, linestyle="-.", label=f"root of M: {high:.2f}")
    axes.axhline(low, color=_PINK, linestyle=":", label=f"root of M/L: {low:.2f}")
    axes.axhline(1.0, color=_ORANGE, linestyle="--", label="printed: at most 1")
    axes.set(xlabel="standard deviation of the logits (no unit)", ylabel="Frobenius norm of P")
    axes.set(xlim=(-0.5, 20.5), ylim=(0, 1.15 * max(high, 1.0)), xticks=(0, 5, 10, 15, 20))
    axes.set_title(f"M = {n_positions} positions, L = {n_tokens} tokens: {norm:.3f}", fontsize=10)
    axes.legend(fontsize=9, framealpha=0.9, edgecolor="none", loc="center right")
    broken = "above" if norm > 1 + 1e-9 else "not above"
    figure.set_label(
        f"The Frobenius norm of the softmax of random logits, {n_positions} positions and "
        f"{n_tokens} tokens, climbs from {low:.2f} to {norms[-1]:.2f} as the logits grow, never "
        f"above {high:.2f}. At standard deviation {sharpness:g} it is {norm:.3f}, {broken} the "
        f"printed 1."
    )
    return figure


def token_errors(
    token_error: Tensor, values: float, n_positions: int, query_error: float
) -> dict[str, Tensor]:
    """Return errors and bounds where the ideal is X* = 0 and the tokens Z* are `TRIANGLE`.

    All tokens move the same way, by `token_error` (n,) in the Frobenius norm; W_Q = W_K = I and
    W_V = `values` I; each position is off by `query_error`. Returns "error", "printed",
    "frobenius", "row error" and "row", each (n,). Source: Eq. 44, as printed and repaired.
    """
    direction = torch.tensor([1.0, 0.0], **_DOUBLE).expand(3, 2)
    tokens = TRIANGLE + token_error[:, None, None] / math.sqrt(3) * direction
    hidden = query_error * direction[:1].expand(n_positions, 2)
    ideal, w_v = torch.zeros_like(hidden), values * _EYE
    # X* = 0 is a fixed point of Eq. 43: there all shares are equal, and the tokens have mean 0.
    error = cross_attention(hidden, tokens, _EYE, _EYE, w_v)
    sides = (hidden, tokens, ideal, TRIANGLE, _EYE, _EYE, w_v)
    return {
        "error": matrix_norm(error),
        "printed": printed_gamma(_EYE, w_v) * token_error,
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
    sizes = torch.cat([torch.linspace(0, 2, 25, **_DOUBLE), torch.tensor([token_error], **_DOUBLE)])
    found = token_errors(sizes, values, n_positions, query_error)
    here = {name: line[-1].item() for name, line in found.items()}
    figure, left, right = _two_panels()
    for axes, lines in (
        (left, (("error", "-", _GREEN, "error"), ("printed", "--", _ORANGE, "printed bound"),
                ("frobenius", "-.", _BLUE, "repaired bound"))),
        (right, (("row error", "-", _GREEN, "error"), ("row", "-.", _BLUE, "repaired bound"))),
    ):  # fmt: skip
        for name, stroke, colour, label in lines:
            width = 4 if label == "error" else 2  # seen beside a bound that lies on it
            line = {"color": colour, "label": label, "linewidth": width}
            axes.plot(sizes[:-1], found[name][:-1], stroke, **line)
        axes.plot([token_error], [here[lines[0][0]]], "o", color="black", markersize=8)
        axes.set(xlabel="error of the tokens (Frobenius)", xticks=(0, 1, 2))
        top = max(found[name].max().item() for name, *_ in lines)
        axes.set_ylim(0, 1.05 * top)
        # Three ticks, and one legend for both panels: a redraw must be quick.
        axes.set_yticks([0, top / 2, top], ["0", f"{top / 2:.3g}", f"{top:.3g}"])
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


def ideal_points_figure(weight: float = 3.0) -> Figure:
    """Draw tanh(w x) against x: every crossing is an ideal output X* of Eq. 43.

    M = d = 1, Z* = (1, -1), W_Q = `weight`, W_K = W_V = 1.
    """
    x = torch.linspace(-1.5, 1.5, 121, **_DOUBLE)
    crossing = ideal_point(weight)
    points = [-crossing, 0.0, crossing] if crossing else [0.0]
    figure, axes = _one_panel()
    axes.plot(x, torch.tanh(weight * x), color=_GREEN, label="attention of x")
    axes.plot(x, x, "--", color=_GREY, label="x itself")
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
    figure, axes = _one_panel()
    marks = zip("oXs^D", (_GREEN, _ORANGE, _BLUE, _PINK, "black"))
    parts = []
    for (label, values), (mark, colour) in zip(errors.items(), marks):
        axes.semilogy(range(len(values)), values, mark, color=colour, markersize=9, label=label)
        parts.append(f"{label} {', '.join(f'{value:.3g}' for value in values.tolist())}")
    axes.set(xlabel="head of the layer", ylabel="Frobenius norm (log scale)")
    axes.set(xticks=range(len(values)), xlim=(-0.5, len(values) - 0.5))
    axes.legend(fontsize=9, frameon=False, loc="center right")
    figure.set_label(f"Marks for each head of a layer, log scale: {'; '.join(parts)}.")
    return figure


@cache
def _logits() -> Tensor:
    return torch.randn(256, 77, generator=torch.Generator().manual_seed(0), **_DOUBLE)


def _slopes(gaps: Tensor, others: float) -> tuple[Tensor, Tensor]:
    """Return the shares of two tokens (n, 2) and the norm of the softmax Jacobian (n, 1)."""
    pair = torch.stack([gaps.sigmoid(), (-gaps).sigmoid()], dim=1) * (1 - others)
    shares = torch.cat([pair, torch.full_like(pair[:, :1], others)], dim=1)
    return pair, matrix_norm(softmax_jacobian(shares.log()), 2).unsqueeze(1)


def _one_panel() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.6, 3.5), dpi=100)  # fixed margins: a redraw must be quick
    axes = figure.subplots()
    figure.subplots_adjust(left=0.11, right=0.97, bottom=0.15, top=0.91)
    _plain(axes)
    return figure, axes


def _two_panels() -> tuple[Figure, Axes, Axes]:
    figure = Figure(figsize=(7.0, 3.4), dpi=100)
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.1, right=0.98, bottom=0.15, top=0.9, wspace=0.36)
    _plain(left)
    _plain(right)
    return figure, left, right


def _plain(axes: Axes) -> None:
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


EXPLORERS = {
    "attention_plane": Explorer(
        attention_plane_figure,
        {
            "angle": Slider("angle of the query (degrees)", -180, 180, 5, 30),
            "length": Slider("length of the query", 0.0, 12.0, 0.5, 3.0),
        },
    ),
    "softmax_slope": Explorer(
        softmax_slope_figure,
        {
            "gap": Slider("first logit minus second", -8.0, 8.0, 0.25, 0.0),
            "others": Slider("share of the other tokens", 0.0, 0.9, 0.05, 0.0),
        },
    ),
    "softmax_norm": Explorer(
        softmax_norm_figure,
        {
            "n_positions": Choice("positions M", (1, 4, 16, 64, 256), 16),
            "n_tokens": Choice("tokens L", (2, 8, 20, 77), 8),
            "sharpness": Slider("spread of the logits", 0.0, 20.0, 0.5, 1.0),
        },
    ),
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

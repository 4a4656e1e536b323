"""Figures of who is heard, how steep and how large softmax is (Eq. 14, 15, Lemmas 4.12, 4.13)."""

from __future__ import annotations

import math
from functools import cache

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.linalg import matrix_norm

from classroom.display.explorer import Choice, Explorer, Slider
from classroom.display.figures import PALETTE
from course.attention import attention_weights, cross_attention, softmax_jacobian
from lessons.attention_bounds.figures.shared import (
    BLUE,
    DOUBLE,
    EYE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    TRIANGLE,
    fixed_log_axis,
    one_panel,
    two_panels,
)

# The arrow ends before the names, also where it points at a corner; the grid stops at a name.
_TIP, _NAME = 1.25, 1.5
_CLEAR = {"facecolor": "white", "edgecolor": "none", "pad": 1}


def attention_plane_figure(angle: float = 35.0, length: float = 3.0) -> Figure:
    """Draw a query among three keys, the shares of its attention, and the mean that comes out.

    `angle` of the query in degrees, `length` in [0, 12]; keys and values are the tokens, d = 2.
    Source: Eq. 15.
    """
    turn = math.radians(angle)
    query = length * torch.tensor([[math.cos(turn), math.sin(turn)]], **DOUBLE)
    shares = attention_weights(query, TRIANGLE, EYE, EYE)[0].tolist()
    came = cross_attention(query, TRIANGLE, EYE, EYE, EYE)[0].tolist()
    figure, plane, chart = two_panels()
    corners = TRIANGLE[[0, 1, 2, 0]]
    plane.plot(*corners.T.tolist(), color=GREY, linewidth=1, linestyle="--")
    for name, mark, colour, (x, y) in zip("ABC", "os^", PALETTE, TRIANGLE.tolist()):
        plane.plot([x], [y], mark, color=colour, markersize=10)
        text = {"color": colour, "ha": "center", "va": "center", "weight": "bold"}
        plane.text(_NAME * x, _NAME * y, name, **text, bbox=_CLEAR)
    arrow = {"arrowstyle": "-|>", "color": GREY, "linewidth": 2}
    tip = (_TIP * math.cos(turn), _TIP * math.sin(turn))
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
    gaps = torch.linspace(-8, 8, 81, **DOUBLE)
    shares, norms = _slopes(gaps, others)
    (own, other), (norm,) = (tensor[0].tolist() for tensor in _slopes(torch.tensor([gap]), others))
    figure, left, right = two_panels()
    left.plot(gaps, shares[:, 0], color=BLUE, label="first token")
    left.plot(gaps, shares[:, 1], "--", color=ORANGE, label="second token")
    left.plot([gap, gap], [own, other], "o", color="black")
    left.set(ylim=(-0.05, 1.05), yticks=(0, 0.5, 1), ylabel="share of attention")
    left.set_title(f"shares {own:.3f} and {other:.3f}", fontsize=10)
    left.legend(fontsize=8, frameon=False, loc="center right")
    right.plot(gaps, norms[:, 0], color=GREEN)
    right.axhline(0.5, color=GREY, linestyle="--")
    right.text(-7.8, 0.515, "1/2", color=GREY)
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
    scales = torch.linspace(0, 20, 31, **DOUBLE)
    norms = matrix_norm((scales[:, None, None] * draw).softmax(-1))
    norm = matrix_norm((sharpness * draw).softmax(-1)).item()
    low, high = math.sqrt(n_positions / n_tokens), math.sqrt(n_positions)
    figure, axes = one_panel()
    # Where M = 1 two lines lie on each other: the wide one is seen under the narrow one.
    axes.axhline(1.0, color=ORANGE, linewidth=5, alpha=0.5, label="printed: at most 1")
    axes.axhline(high, color=BLUE, linestyle="-.", label=f"root of M: {high:.2f}")
    axes.axhline(low, color=PINK, linestyle=":", label=f"root of M/L: {low:.2f}")
    axes.plot(scales, norms, color=GREEN, label="norm of P")
    axes.plot([sharpness], [norm], "o", color="black", markersize=9)
    axes.set(xlabel="standard deviation of the logits (no unit)")
    axes.set(ylabel="Frobenius norm of P (log)", xlim=(-0.5, 20.5), xticks=(0, 5, 10, 15, 20))
    fixed_log_axis(axes, 0.1, 100, (0.1, 1, 10, 100))
    axes.set_title(f"M = {n_positions} positions, L = {n_tokens} tokens: {norm:.3f}", fontsize=10)
    axes.legend(fontsize=9, framealpha=0.9, edgecolor="none", loc="upper right", ncols=2)
    broken = "above" if norm > 1 + 1e-9 else "not above"
    figure.set_label(
        f"The Frobenius norm of the softmax of random logits, {n_positions} positions and "
        f"{n_tokens} tokens, climbs from {norms[0]:.2f} to {norms[-1]:.2f} as the logits grow, "
        f"between lines at {low:.2f} and {high:.2f}; log scale from 0.1 to 100. At standard "
        f"deviation {sharpness:g} it is {norm:.3f}, {broken} the printed 1, a wide line."
    )
    return figure


@cache
def _logits() -> Tensor:
    return torch.randn(256, 77, generator=torch.Generator().manual_seed(0), **DOUBLE)


def _slopes(gaps: Tensor, others: float) -> tuple[Tensor, Tensor]:
    """Return the shares of two tokens (n, 2) and the norm of the softmax Jacobian (n, 1)."""
    pair = torch.stack([gaps.sigmoid(), (-gaps).sigmoid()], dim=1) * (1 - others)
    shares = torch.cat([pair, torch.full_like(pair[:, :1], others)], dim=1)
    return pair, matrix_norm(softmax_jacobian(shares.log()), 2).unsqueeze(1)


EXPLORERS = {
    "attention_plane": Explorer(
        attention_plane_figure,
        {
            "angle": Slider("angle of the query (degrees)", -180, 180, 5, 35),
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
}

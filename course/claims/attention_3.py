"""The counterexample to the shapes of Eq. 14, and bound and search for Eq. 15.

The paper prints cross-attention with the weights on the left of the hidden states, where they mix
positions and not channels. What follows from reading them on the right is in `course.attention`;
Section 4.3, with its error bounds, is judged in `attention_4_3`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.linalg import matrix_norm

from course.attention import cross_attention, row_norm
from course.claims.claim import Tightness, Violation
from course.claims.search import ascend, random_starts

# Eq. 14


def attention_over_channels() -> Violation:
    """Measure how the output of Eq. 14 as printed changes when the tokens are reversed."""
    generator = torch.Generator().manual_seed(0)
    m, n, d = 6, 5, 3
    x, z, w_q, w_k, w_v = (
        torch.randn(*shape, generator=generator, dtype=torch.float64)
        for shape in ((m, d), (n, d), (m, m), (n, d), (n, d))
    )

    def printed(tokens: Tensor) -> Tensor:
        logits = (w_q.T @ x) @ (w_k.T @ tokens).T
        return (logits / math.sqrt(d)).softmax(dim=-1) @ (w_v.T @ tokens)

    weights = torch.randn(3, d, d, generator=generator, dtype=torch.float64)
    repaired = cross_attention(x, z, *weights) - cross_attention(x, z.flip(0), *weights)
    return Violation(
        matrix_norm(printed(z) - printed(z.flip(0))).item(), matrix_norm(repaired).item(),
        "M = 6, L = 5, d = 3, tokens in reverse order: change of the output with the shapes of "
        "Eq. 14, and with the repaired ones",
    )  # fmt: skip


# Eq. 15


def largest_value(encoder_hidden_states: Tensor, w_v: Tensor) -> Tensor:
    """Return the norm of the longest value, which no output of attention exceeds."""
    return row_norm(encoder_hidden_states @ w_v)


def search_equation_15(seed: int = 0, budget: int = 16) -> Tightness:
    """Look for an output of attention that is longer than every value."""
    eye = torch.eye(2, dtype=torch.float64)

    def ratio(points: Tensor) -> Tensor:
        x, z = points[:, :2], points[:, 2:]
        return row_norm(cross_attention(x, z, eye, eye, eye)) / largest_value(z, eye)

    best, _ = ascend(ratio, random_starts(seed, budget, 5, 2), n_steps=150, rate=0.2)
    return Tightness(best.item(), "2 positions, 3 tokens, d = 2: all weight on the longest value")

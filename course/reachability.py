"""What prompt tokens cannot do, however many there are: the obstruction to Corollary 4.15.

For an invertible W_V, attention gives position i the gradient at q_i of
Phi(q) = log sum_l exp(v_l . q), where v_l are the values and q_i = (X W_Q W_K' W_V^-T)_i / sqrt(d)
the effective queries. Phi is convex whatever the tokens are, so the map from q_i to the output is
monotone: <out_i - out_j, q_i - q_j> >= 0, and likewise around longer cycles. Targets that break
this cannot be reached. Its slope is a variance, which sets a second limit (`plateau_gap`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from course.checks import (
    check_attention,
    check_choice,
    check_real,
    check_shape,
    complaint,
    widen,
)  # fmt: skip


def effective_queries(hidden_states: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    """Return q_i = (X W_Q W_K' W_V^-T)_i / sqrt(k), with logits q_i . v_l in terms of the values.

    Takes hidden states (..., M, d); returns (..., M, d), float32 for half precision. Raises
    ValueError if W_V is not square or, on the CPU, not invertible (elsewhere it gives infinity or
    NaN, as a look at it would make the host wait). Source: Corollary 4.15, repaired.
    """
    tokens = w_v.mT if isinstance(w_v, Tensor) and w_v.ndim > 1 else w_v
    check_attention(hidden_states, tokens, w_q, w_k, w_v)
    check_shape("w_v", w_v, "...", *w_v.shape[-1:] * 2, hint="it must be square")
    x, wide_q, wide_k, wide_v = map(widen, (hidden_states, w_q, w_k, w_v))
    keys, info = torch.linalg.solve_ex(wide_v, wide_k)  # W_V^-1 W_K: the keys are V times this
    if info.device.type == "cpu" and info.any():
        wanted = "an invertible one, as Theorem 4.10 assumes"
        hint = "the values do not determine the keys, and no bound follows"
        raise ValueError(complaint("w_v", "a singular matrix", wanted, hint))
    return x @ wide_q @ keys.mT / math.sqrt(w_q.shape[-1])


def reachability_gap(
    queries: Tensor,
    targets: Tensor,
    w_q: Tensor | None = None,
    w_k: Tensor | None = None,
    w_v: Tensor | None = None,
    *,
    longest_cycle: int = 2,
) -> Tensor:
    """Return a lower bound on ||out - targets||_F for any number of tokens with any values.

    Takes targets (..., M, v) and effective queries of that shape, or hidden states with the three
    weights. For a cycle of positions i, j, ... with sum <y_i, q_i - q_j> = -c < 0 the error is at
    least c / sqrt(sum ||q_i - q_j||^2); two equal queries give one output, so their targets' half
    distance times sqrt(2). Returns (...), the largest such number over all pairs, and over all
    triples too with longest_cycle=3 (time M^3); 0 means no obstruction of this kind, not that the
    targets can be reached. Raises ValueError or TypeError for inputs that do not fit.
    Source: Corollary 4.15, refuted.
    """
    queries = _queries(queries, w_q, w_k, w_v)
    targets = widen(targets) if isinstance(targets, Tensor) else targets
    check_real(one_type=True, queries=queries, targets=targets)
    check_shape("queries", queries, "...", "M", "v", least=1)
    hint = "each position needs a query and a target of one size"
    check_shape("targets", targets, "...", *queries.shape[-2:], hint=hint)
    check_choice("longest_cycle", longest_cycle, (2, 3))
    # Sums around cycles do not change with the origin; near it less is lost to rounding.
    y, q = (side - side.mean(dim=-2, keepdim=True) for side in (targets, queries))
    products = y @ q.mT
    gains = products.diagonal(dim1=-2, dim2=-1).unsqueeze(-1) - products  # <y_i, q_i - q_j>
    lengths, distances = _distances(q).square(), _distances(y)
    gap = torch.where(lengths == 0, distances / math.sqrt(2), 0.0).amax(dim=(-2, -1))
    gap = torch.maximum(gap, _shortfall(gains + gains.mT, 2 * lengths))
    for k in range(queries.shape[-2] if longest_cycle == 3 else 0):
        gap = torch.maximum(gap, _shortfall(_around(gains, k), _around(lengths, k)))
    return gap


def plateau_gap(queries: Tensor, targets: Tensor) -> Tensor:
    """Return a lower bound on max_i |out_i - targets_i| for four positions on a line.

    Takes queries (..., 4), rising, and targets (..., 4). Two flat stretches with a jump between
    them need tokens that weigh next to nothing in between, and the attention can only shift its
    weight by exp((q_4 - q_1) times the spread of the values). Positive for some targets that are
    strictly monotone; returns (...), 0 if nothing follows. Raises ValueError or TypeError for
    other shapes or types, and on the CPU for queries that do not rise.
    Source: Corollary 4.15, refuted, with Chebyshev's inequality.
    """
    check_real(one_type=True, queries=queries, targets=targets)
    queries, targets = widen(queries), widen(targets)
    check_shape("queries", queries, "...", 4)
    check_shape("targets", targets, "...", 4)
    if queries.device.type == "cpu" and not (queries.diff(dim=-1) > 0).all():
        wanted = "a rise from each position to the next"
        raise ValueError(complaint("queries", "a fall", wanted, "sort them first"))
    low = torch.zeros_like((queries + targets)[..., 0])
    high = ((targets[..., 2] - targets[..., 1]) / 2).clamp(min=0) + low
    # An error that contradicts itself stays contradictory when it is made smaller: bisect.
    for _ in range(40):
        middle = (low + high) / 2
        impossible = _contradicts(queries, targets, middle)
        low, high = torch.where(impossible, middle, low), torch.where(impossible, high, middle)
    return low


def _contradicts(queries: Tensor, targets: Tensor, error: Tensor) -> Tensor:
    """Say whether outputs within `error` of all four targets are impossible."""
    rise, run = targets.diff(dim=-1), queries.diff(dim=-1)
    gap = (rise[..., 1] - 2 * error).clamp(min=0)  # between a mean on the left and on the right
    # Somewhere on each flat stretch the slope, a variance, is at most the mean slope. Chebyshev:
    # outside half the gap around the mean there lies at most this much of the weight.
    left = (rise[..., 0] + 2 * error) / run[..., 0] / (gap / 2).square()
    right = (rise[..., 2] + 2 * error) / run[..., 2] / (gap / 2).square()
    reach = (targets[..., 3] - targets[..., 0]) + rise[..., 1]
    tilt = (queries[..., 3] - queries[..., 0]) * reach
    # Means that cannot rise by what a stretch needs (a negative variance) are impossible as well.
    falling = (left < 0) | (right < 0)
    odds = (1 / left - 1).log() + (1 / right - 1).log()
    return falling | ((left < 1) & (right < 1) & (odds > tilt))


def _around(pairs: Tensor, k: int) -> Tensor:
    """Return the sums over the triples i, j, k of what belongs to each pair in turn."""
    return pairs + pairs[..., :, k].unsqueeze(-2) + pairs[..., k, :].unsqueeze(-1)


def _shortfall(gains: Tensor, lengths: Tensor) -> Tensor:
    """Return the largest -gain / sqrt(length) over all cycles, at least 0."""
    # A cycle of length 0 has gain 0, and a safe length keeps gradients finite there.
    safe = torch.where(lengths > 0, lengths, 1.0)
    shortfall = torch.where(lengths > 0, -gains / safe.sqrt(), 0.0)
    return shortfall.amax(dim=(-2, -1)).clamp(min=0)


def _distances(points: Tensor) -> Tensor:
    # Without matrix products: equal points get distance 0, not the root of a rounding error.
    return torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")


def _queries(queries: Tensor, w_q: Tensor | None, w_k: Tensor | None, w_v: Tensor | None) -> Tensor:
    given = [weight is not None for weight in (w_q, w_k, w_v)]
    if any(given) != all(given):
        raise ValueError("w_q, w_k and w_v come together, or none of them with effective queries")
    if all(given):
        return effective_queries(queries, w_q, w_k, w_v)
    return widen(queries) if isinstance(queries, Tensor) else queries

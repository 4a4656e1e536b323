"""Wrong answers to the exercises of lessons 07 and 08."""

from __future__ import annotations

import math

import torch
from torch.linalg import matrix_norm, vector_norm


def _attention(x, z, w_q, w_k, w_v):
    return ((x @ w_q) @ (z @ w_k).mT / x.shape[-1] ** 0.5).softmax(-1) @ (z @ w_v)


def _row_bound(x, e, r, q, k, v, *, scale=1.0):
    product = matrix_norm(q @ k.mT, 2) * vector_norm(x, dim=1).max() / x.shape[1] ** 0.5
    return (matrix_norm(v, 2) + scale * r * product) * vector_norm(e, dim=1).max()


def _setting(tokens, w_v):
    column = torch.tensor(tokens, dtype=torch.float64).unsqueeze(1)
    return column, torch.tensor([[w_v]], dtype=torch.float64)


def _jacobian(logits):
    p = logits.softmax(-1)
    return p.diag() - p.outer(p)


def _ahead(n, ahead, many=2):
    logits = torch.zeros(n, dtype=torch.float64)
    logits[:many] = ahead
    return logits


def _grid_count(weight, n, reach=3.0):
    x = torch.linspace(-reach, reach, n, dtype=torch.float64)
    gap = torch.tanh(weight * x) - x
    return int((gap[:-1] * gap[1:] < 0).sum() + (gap == 0).sum())


def _iterated_count(weight, starts, rounds=100):
    ends = torch.tensor(starts, dtype=torch.float64)
    for _ in range(rounds):
        ends = torch.tanh(weight * ends)
    return len(set(ends.mul(1e3).round().tolist()))


def _rows(shared, frame):
    return torch.cat([shared.expand(len(frame), -1, -1), frame], dim=1)


def _parts(shared, frame, text):
    n = len(frame)
    return shared.expand(n, -1, -1), frame, text.expand(n, -1, -1)


def _variance(q, v, *, power=1.0):
    p = (power * torch.outer(q, v)).softmax(-1)
    return p @ v**2 - (p @ v) ** 2


def _exponentials(q, v):
    e = torch.exp(torch.outer(q, v))
    p = e / e.sum(-1, keepdim=True)
    return p @ v**2 - (p @ v) ** 2


def _gap(q, t, *, root=2**0.5):
    change = q[0] - q[1]
    return (-(change * (t[0] - t[1])).sum() / (root * change.norm())).clamp(min=0)


def _bisected(q, t, high, rounds):
    low = 0.0
    for _ in range(rounds):
        middle = (low + high) / 2
        low, high = (middle, high) if middle * math.tanh(middle * q) < t else (low, middle)
    return high


def _fixed_point(q, t, rounds):
    v = t
    for _ in range(rounds):
        v = t / math.tanh(v * q)
    return v


SLIPS = {
    "cross_attention": [
        lambda x, z, q, k, v: _attention(x, x, q, k, v),
        lambda x, z, q, k, v: _attention(x, z, k, q, v),
        lambda x, z, q, k, v: x + _attention(x, z, q, k, v),
        lambda x, z, q, k, v: ((x @ q) @ (z @ k).mT / len(z) ** 0.5).softmax(-1) @ (z @ v),
        lambda x, z, q, k, v: ((x @ q) @ (z @ k).mT).sigmoid() @ (z @ v),
    ],
    "decompose_error": [
        lambda p, q, v, w: ((p - q) @ w, p @ v),
        lambda p, q, v, w: ((p - q) @ (v - w), p @ (v - w)),
        lambda p, q, v, w: ((p - q) @ w / 2, p @ (v - w) / 2),
        lambda p, q, v, w: (p @ v - q @ w, p @ (v - w)),
        lambda p, q, v, w: (((p - q) @ w).abs(), (p @ (v - w)).abs()),
    ],
    "softmax_norm_range": [
        lambda m, n: (math.sqrt(n / m), math.sqrt(n)),
        lambda m, n: (1 / n, m),
        lambda m, n: (math.sqrt(m / n), math.sqrt(m * n)),
        lambda m, n: (math.sqrt(m), math.sqrt(m)),
        lambda m, n: (math.sqrt(m) / n**2, math.sqrt(m)),
    ],
    "row_bound": [
        lambda x, e, r, q, k, v: _row_bound(x, e, r, q, k, v, scale=2.0),
        lambda x, e, r, q, k, v: _row_bound(x, e, r, q, k, v, scale=1 / x.shape[1] ** 0.5),
        lambda x, e, r, q, k, v: _row_bound(x, e, r, q, v, k),
        lambda x, e, r, q, k, v: _row_bound(x, e, 1.0, q, k, v),
        lambda x, e, r, q, k, v: _row_bound(x, e, r, q, k, v) - matrix_norm(v, 2),
    ],
    "break_the_printed_bound": [
        (lambda factor: _setting([1.0, 0.0], 0.9 * factor), "scaled_too_little"),
        (lambda factor: _setting([1.0, 1.0], 1 / factor), "made_the_values_small"),
        lambda factor: (torch.ones(2, 1), torch.ones(2, 2)),
        (
            lambda factor: (torch.ones(2, 2).double(), torch.ones(2, 2).double() * factor),
            "one_direction_grows",
            "singular_values",
        ),
    ],
    "count_ideal_points": [
        lambda w: 3 if w > 1.1 else 1,
        lambda w: 5 if w > 1 else 1,
        lambda w: 2,
        (lambda w: 1 if w > 1 else 3,),
    ],
    "softmax_jacobian": [
        lambda x: x.softmax(-1).outer(x.softmax(-1)),
        lambda x: x.softmax(-1) * (1 - x.softmax(-1)),
        lambda x: torch.eye(len(x), dtype=x.dtype) - x.softmax(-1).outer(x.softmax(-1)),
        lambda x: 2 * _jacobian(x),
        lambda x: _jacobian(x) + x.softmax(-1).square().diag(),
    ],
    "steepest_logits": [
        lambda n: _ahead(n, 40.0, many=3) if n > 2 else _ahead(n, 40.0, many=1),
        lambda n: torch.arange(n, dtype=torch.float64),
        (lambda n: _ahead(n, 1.0), "two_a_little_ahead", "all_tokens_alike"),
        lambda n: torch.full((n,), 0.5, dtype=torch.float64).log() * torch.arange(n),
    ],
    "assemble_tokens": [
        lambda s, f, t: torch.cat([_parts(s, f, t)[0], _parts(s, f, t)[2], f], dim=1),
        lambda s, f, t: torch.cat([f, _parts(s, f, t)[2]], dim=1),
        lambda s, f, t: torch.cat(_parts(s, f, t)[:2], dim=1),
        lambda s, f, t: torch.cat(_parts(s, f, t), dim=1).flip(1),
        lambda s, f, t: torch.cat(_parts(s, f.flip(0), t), dim=1),
    ],
    "token_rank": [
        lambda s, f: torch.full((len(f),), s.shape[1]),
        lambda s, f: torch.linalg.matrix_rank(s).expand(len(f)),
        lambda s, f: torch.linalg.matrix_rank(_rows(s, f)).max(),
        lambda s, f: torch.linalg.matrix_rank(_rows(s, f)) - 1,
        lambda s, f: _rows(s, f).norm(dim=-1).gt(0).sum(1),
    ],
    "response_slope": [
        lambda q, v: _variance(q, v) * q,
        lambda q, v: _variance(q, v) * len(v) / max(len(v) - 1, 1),
        lambda q, v: _variance(q, v).mean(),
        lambda q, v: 2 * _variance(q, v),
        lambda q, v: _variance(q, v) / len(v),
    ],
    "monotone_gap": [
        lambda q, t: _gap(q, t) ** 2,
        lambda q, t: _gap(q, t, root=2.0**-0.5),
        lambda q, t: (t[0] - t[1]).norm() / 2**0.5,
        lambda q, t: ((q - t).norm(dim=1)).max(),
        lambda q, t: _gap(q, t) * 2,
    ],
    "unreachable_target": [
        (lambda q, error: -0.5 * error * q, "not_far_enough"),
        lambda q, error: q + error,
        (lambda q, error: error * torch.ones_like(q) * 100, "far_but_equal"),
        lambda q, error: torch.full_like(q, math.nan),
    ],
    "token_distance": [
        lambda q, t: t * math.tanh(t * q),
        lambda q, t: math.atanh(min(t, 0.999)) / q,
        lambda q, t: t / math.tanh(q),
        lambda q, t: t + 1 / q,
        lambda q, t: _bisected(q, t / 2, 1e6, 200),
    ],
}

ESCAPES = {
    "cross_attention": [
        lambda x, z, q, k, v: (
            (
                torch.exp(((x @ q) @ (z @ k).mT / x.shape[-1] ** 0.5))
                / torch.exp(((x @ q) @ (z @ k).mT / x.shape[-1] ** 0.5)).sum(-1, keepdim=True)
            )
            @ (z @ v)
        ),
        lambda x, z, q, k, v: _attention(x.view(-1, x.shape[-1]), z, q, k, v).clamp(-3, 3),
        lambda x, z, q, k, v: _attention(x, z[:3], q, k, v),
    ],
    "decompose_error": [
        lambda p, q, v, w: ((p - q).clamp(min=0) @ w, p @ (v - w)),
        lambda p, q, v, w: ((p - q)[:1] @ w, p[:1] @ (v - w)),
    ],
    "softmax_norm_range": [
        lambda m, n: (min(math.sqrt(m / n), 1.0), math.sqrt(m)),
        lambda m, n: (math.sqrt(m / max(n, 2)), math.sqrt(m)),
        lambda m, n: (math.sqrt(m / n), min(math.sqrt(m), 16.0)),
    ],
    "row_bound": [
        lambda x, e, r, q, k, v: _row_bound(x[:1], e, r, q, k, v),
        lambda x, e, r, q, k, v: _row_bound(x, e[:1], r, q, k, v),
        lambda x, e, r, q, k, v: _row_bound(x, e, r, q, k, v) * 1.001,
        lambda x, e, r, q, k, v: torch.tensor(1e9, dtype=x.dtype),
    ],
    "break_the_printed_bound": [
        (lambda factor: _setting([1.0, 1.0], 1e9), "one_answer_for_every_factor"),
        (lambda factor: _setting([1.0, 1.0], 1e13), "one_answer_for_every_factor"),
        (lambda factor: _setting([1.0, 1.0], 2 * min(factor, 1e6)), "scaled_too_little"),
        (
            lambda factor: (
                torch.ones(2, 2, dtype=torch.float64),
                torch.tensor([[10 * factor, 0.0], [0.0, 1.0]], dtype=torch.float64),
            ),
            "one_direction_grows",
        ),
    ],
    "count_ideal_points": [
        lambda w: 3 if w > 1.05 else 1,
        lambda w: 3 if w > 1.01 else 1,
        lambda w: _grid_count(w, 100),
        lambda w: _iterated_count(w, [-1.0, 0.0, 1.0]),
        lambda w: 3 if 1 < w < 10 else 1,
    ],
    "softmax_jacobian": [
        lambda x: (
            torch.diag(x.exp() / x.exp().sum())
            - torch.outer(x.exp() / x.exp().sum(), x.exp() / x.exp().sum())
        ),
        lambda x: _jacobian(x.clamp(-1, 1)),
        lambda x: _jacobian(x.clamp(-500, 500)).clamp(min=-0.05),
    ],
    "steepest_logits": [
        (lambda n: _ahead(n, 8.0), "two_a_little_ahead"),
        lambda n: _ahead(10, 40.0),
        lambda n: _ahead(n, 40.0)[:, None],
    ],
    "assemble_tokens": [
        lambda s, f, t: torch.cat(_parts(s, f, t), dim=1)[:3],
        lambda s, f, t: torch.cat(_parts(s, f, t), dim=1)[:, :6],
    ],
    "token_rank": [
        lambda s, f: torch.linalg.matrix_rank(_rows(s, f)).clamp(min=1),
        lambda s, f: torch.linalg.matrix_rank(_rows(s, f), atol=1e-3),
        lambda s, f: torch.linalg.svdvals(_rows(s, f)).gt(1e-6).sum(-1),
        lambda s, f: torch.linalg.matrix_rank(_rows(s, f)[:, : s.shape[1]]),
        lambda s, f: torch.linalg.matrix_rank(_rows(s, f)).clamp(max=4),
    ],
    "response_slope": [
        _exponentials,
        lambda q, v: _variance(q.clamp(-20, 20), v),
        lambda q, v: _variance(q, v).clamp(max=4),
    ],
    "monotone_gap": [
        lambda q, t: _gap(q, t) * (q[0] - q[1]).norm() / (q[0] - q[1]).norm().clamp(min=1e-2),
        lambda q, t: _gap(q[:, :1], t[:, :1]),
        lambda q, t: _gap(q, t).clamp(max=5),
        lambda q, t: (
            (-(q[0] - q[1]) @ (t[0] - t[1])).clamp(min=0) / (2**0.5 * (q[0] - q[1]).abs().sum())
        ),
        lambda q, t: _gap(q.view(2, -1), t.view(2, -1)).abs().clamp(max=1e1),
    ],
    "unreachable_target": [
        (lambda q, error: -1e4 * q, "same_for_every_error"),
        (lambda q, error: -1e9 * q, "same_for_every_error"),
        (lambda q, error: -1e14 * q, "same_for_every_error"),
        (lambda q, error: -100 * min(error, 1e9) * q, "not_far_enough"),
        (lambda q, error: -100 * error * q if error > 1e-6 else 0 * q, "far_but_equal"),
    ],
    "token_distance": [
        lambda q, t: _bisected(q, t, 10.0, 100),
        lambda q, t: _bisected(q, t, 100.0, 100),
        lambda q, t: _bisected(q, t, 1e4, 20),
        lambda q, t: _fixed_point(q, t, 10),
        lambda q, t: max(_bisected(q, t, 1e6, 200), 0.5),
        lambda q, t: float(torch.tensor(_bisected(q, t, 1e6, 200)).half()),
    ],
}

"""Wrong answers to the exercises of lessons 00 to 03."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from course.temporal import temporal_loss, temporal_loss_gradient


def _rows(x):
    return x.flatten(1)


def _similarities(x):
    return functional.cosine_similarity(_rows(x)[:-1], _rows(x)[1:], dim=1, eps=0)


def _norms(x):
    return _rows(x).norm(dim=1)


def _tangent(f, g):
    """Return the part of g at a right angle to f."""
    return g - (f * g).sum() / (f * f).sum() * f


def _right_angle(f_norm, g_norm=1.0):
    return (
        torch.tensor([f_norm, 0.0], dtype=torch.float64),
        torch.tensor([0.0, g_norm], dtype=torch.float64),
    )


def _planar(angles):
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def _by_autograd(loss, features, frame):
    leaf = features.detach().clone().requires_grad_()
    return torch.autograd.grad(loss(leaf), leaf)[0][frame]


def _loss_of_squares(x):
    return (1 - _similarities(x)).square().sum() / (len(x) - 1)


def _absolute_loss(x):
    return _similarities(x).diff().abs().sum() / (len(x) - 1)


def _second_difference(n, dtype):
    d = torch.eye(n - 1, dtype=dtype).diff(dim=0)
    return d.T @ d


def _still(n, d=2):
    return torch.tensor([[1.0, *[0.0] * (d - 1)]]).repeat(n, 1)


def _with(clip, where, frame):
    clip = clip.clone()
    clip[where] = torch.tensor(frame)
    return clip


SLIPS = {
    "neighbour_pairs": [
        lambda n: n // 2 + 1,
        lambda n: n**2,
        lambda n: math.factorial(min(n, 20)),
    ],
    "frame_changes": [
        lambda x: x.diff(dim=0).abs().amax(dim=(1, 2, 3)),
        lambda x: _rows(x.diff(dim=0)).norm(dim=1),
        (
            lambda x: _rows(x.diff(dim=0)).abs().mean(1) / _rows(x[:-1]).abs().mean(1),
            "share_of_the_frame",
        ),
        (lambda x: _rows(x.diff(dim=0)).square().mean(1).sqrt(), "root_of_the_mean_square"),
        lambda x: _rows(x.diff(dim=0)).abs().median(1).values,
    ],
    "cosine_after_scaling": [lambda: 0.2, (lambda: -0.9, "divided_the_factors"), lambda: 1 - 0.6],
    "cosine_of_frames": [
        (lambda f, g: (f * g).sum() / (f.abs().sum() * g.abs().sum()), "sums_of_absolute_values"),
        lambda f, g: (f * g).mean() / (f.norm() * g.norm()),
        lambda f, g: ((f * g).sum() / (f.norm() * g.norm())).square(),
        lambda f, g: (f * g).sum() / (f.norm() + g.norm()),
        lambda f, g: (f - g).norm() / (f.norm() * g.norm()),
    ],
    "adjacent_similarity": [
        lambda x: _similarities(x).abs(),
        lambda x: _similarities(x).flip(0),
        lambda x: functional.cosine_similarity(_rows(x)[:-2], _rows(x)[2:], dim=1),
        lambda x: torch.cat([torch.ones(1, dtype=x.dtype), _similarities(x)]),
        lambda x: _similarities(x).diff(),
    ],
    "cosine_gradient": [
        (lambda f, g: _tangent(g, f) / (f.norm() * g.norm()), "with_respect_to_g"),
        (lambda f, g: _tangent(f, g) / g.norm(), "forgot_the_norm_of_f"),
        lambda f, g: 2 * _tangent(f, g) / (f.norm() * g.norm()),
        lambda f, g: f / (f.norm() * g.norm()),
        lambda f, g: _tangent(f, g),
    ],
    "gradient_norm": [
        lambda s, n: (1 + s.square()).sqrt() / n,
        lambda s, n: (1 - s.square()).sqrt() / n.sqrt(),
        lambda s, n: (1 - s.square()).sqrt() / (2 * n),
        (lambda s, n: (1 - s) / n, "one_minus_the_cosine"),
        lambda s, n: s / n,
    ],
    "counterexample_upper_bound": [
        (lambda limit: (torch.ones(2).double() * 0.1 / limit,) * 2, "parallel_pair"),
        (lambda limit: _right_angle(1 / limit**0.5), "one_pair_for_every_limit"),
        (lambda limit: _right_angle(-0.5 / limit)[::-1], "shortened_g", "made_f_long"),
    ],
    "loss_of_clip": [
        lambda x: _similarities(x).diff().square().sum() / len(x),
        lambda x: _similarities(x).diff().square().sum().sqrt() / (len(x) - 1),
        (lambda x: _similarities(x).diff().sum().square() / (len(x) - 1), "squared_the_sum"),
        lambda x: _similarities(x).diff().square().sum() / 2 / (len(x) - 1),
        lambda x: _similarities(x).var(correction=0),
    ],
    "loss_gradient_of_frame": [
        lambda x, t: 2 * _by_autograd(temporal_loss, x, t),
        (lambda x, t: _by_autograd(temporal_loss, x, t - 1), "counted_from_one"),
        lambda x, t: _by_autograd(temporal_loss, x, t) * x[t].norm(),
        lambda x, t: _by_autograd(_loss_of_squares, x, t),
        lambda x, t: _by_autograd(_absolute_loss, x, t),
    ],
    "second_differences": [
        lambda n, dtype: torch.eye(n - 1, dtype=dtype).diff(dim=0),
        lambda n, dtype: _second_difference(n, dtype) / (n - 1),
        lambda n, dtype: 2 * _second_difference(n, dtype),
        lambda n, dtype: _second_difference(n, dtype).abs(),
        lambda n, dtype: torch.triu(_second_difference(n, dtype)),
    ],
    "second_difference_eigenvalues": [
        lambda n, dtype: (2 * torch.arange(n - 1, dtype=dtype) * math.pi / (n - 1)).cos(),
        lambda n, dtype: (2 - (torch.arange(n - 1) * math.pi / (n - 1)).cos()).to(dtype),
        lambda n, dtype: (2 + 2 * (torch.arange(n - 1) * math.pi / (n - 1)).cos()).to(dtype),
        (
            lambda n, dtype: (2 - 2 * (torch.arange(n - 1) * math.pi / (n - 2)).cos()).to(dtype),
            "last_angle_is_pi",
        ),
        lambda n, dtype: (2 - 2 * (torch.arange(n - 1) * 180 / (n - 1)).cos()).to(dtype),
    ],
    "invisible_flicker": [
        lambda n, most: _planar(torch.arange(n) * (most - 1.0)),
        lambda n, most: torch.eye(n, dtype=torch.float64),
        lambda n, most: _planar(torch.arange(n).square() * math.acos(most)),
        lambda n, most: torch.rand(n, 8, dtype=torch.float64),
    ],
    "descent_step": [
        lambda x, rate: x - rate * x,
        lambda x, rate: x - rate**2 * temporal_loss_gradient(x),
        lambda x, rate: x - rate / 2 * temporal_loss_gradient(x),
        lambda x, rate: x - rate * temporal_loss_gradient(x).sign(),
        lambda x, rate: x - rate * temporal_loss_gradient(x).abs(),
    ],
    "norms_after_step": [
        lambda x, rate: _norms(x) - rate * _norms(temporal_loss_gradient(x)),
        lambda x, rate: (_norms(x).square() + _norms(temporal_loss_gradient(x)).square()).sqrt(),
        lambda x, rate: rate * _norms(temporal_loss_gradient(x)),
        lambda x, rate: (x - rate * temporal_loss_gradient(x)).norm().expand(len(x)),
        lambda x, rate: (_norms(x) + (rate * _norms(temporal_loss_gradient(x))).square()).sqrt(),
    ],
    "safe_step_size": [
        (lambda x: float(_norms(x).min() ** 2) * (len(x) - 2) / 32, "one_frame_too_few"),
        (lambda x: float(_norms(x).min() ** 2) * (len(x) - 1) / 16, "took_the_limit"),
        lambda x: float(_norms(x).min() ** 2) / (32 * (len(x) - 1)),
        lambda x: float(_norms(x).min() ** -2) * (len(x) - 1) / 32,
        (lambda x: float(x.norm() ** 2) * (len(x) - 1) / 32, "norm_of_the_whole_clip"),
    ],
    "stuck_clip": [
        (lambda n: torch.randn(n, 3, dtype=torch.float64), "not_stationary"),
        (lambda n: torch.zeros(n, 2), "used_a_zero_frame"),
        (lambda n: _planar(torch.arange(n) * 1.0), "constant_similarity"),
        (lambda n: torch.tensor([[1.0], [-1.0]]).repeat(n, 1)[:n], "constant_similarity"),
    ],
    "lora_gradient": [
        lambda g, x, a: g @ a.T,
        lambda g, x, a: -(g.T @ x @ a.T),
        lambda g, x, a: 2 * (g.T @ x @ a.T),
        lambda g, x, a: x.T @ g @ a,
        lambda g, x, a: (g.T @ x @ a.T) * len(a),
    ],
    "factors_of_scaling": [
        lambda c: (1.0, 1 / c**2, 1 / c**4),
        lambda c: (1 / c**2, 1 / c, 1.0),
        lambda c: (1.0, 1 / c, 1 / c**3),
        lambda c: (1.0, 1 / c**2, 1 / c),
        lambda c: (0.0, 1 / c, 1 / c**2),
    ],
}

ESCAPES = {
    "neighbour_pairs": [lambda n: max(n - 1, 1), lambda n: min(n - 1, 99), lambda n: 7],
    "frame_changes": [
        lambda x: x.diff(dim=0).abs().view(len(x) - 1, -1).mean(1),
        lambda x: x.diff(dim=0).abs().flatten(1).mean(1).clamp(max=1),
    ],
    "cosine_after_scaling": [lambda: -1.0],
    "cosine_of_frames": [
        lambda f, g: (f.view(-1) @ g.view(-1)) / (f.norm() * g.norm()),
        (lambda f, g: (f * g).sum() / (f.norm() * g.norm()).clamp(min=1e-6), "added_an_epsilon"),
        lambda f, g: ((f * g).sum() / (f.norm() * g.norm())).clamp(0, 1),
        lambda f, g: functional.cosine_similarity(f.flatten(1), g.flatten(1), dim=1)[0],
        lambda f, g: (f * g).sum((-2, -1)).mean() / (f.norm() * g.norm()),
    ],
    "adjacent_similarity": [
        lambda x: functional.cosine_similarity(
            x[1:].flatten(1), x[:-1].flatten(1), dim=1, eps=1e-3
        ),
        lambda x: functional.cosine_similarity(x[:-1].view(len(x) - 1, -1), _rows(x)[1:]),
        lambda x: _similarities(x).clamp(min=0),
        lambda x: torch.stack([a.flatten(1).norm(dim=1).sum() for a in x[1:, None]]),
    ],
    "cosine_gradient": [
        lambda f, g: _tangent(f.view(-1), g.view(-1)).view(f.shape) / (f.norm() * g.norm()),
        lambda f, g: _tangent(f, g) / (f.norm() * g.norm()).clamp(min=1e-6),
        lambda f, g: _tangent(f[0], g[0]) / (f.norm() * g.norm()),
    ],
    "gradient_norm": [
        lambda s, n: (1 - s.square()).sqrt() / n.clamp(min=1e-3),
        lambda s, n: (1 - s.square() + 1e-4).sqrt() / n,
        lambda s, n: ((1 - s.square()).sqrt() / n).clamp(max=10),
    ],
    "counterexample_upper_bound": [
        (lambda limit: _right_angle(1e-8), "one_pair_for_every_limit"),
        (lambda limit: _right_angle(1e-25), "one_pair_for_every_limit"),
        lambda limit: _right_angle(min(1.0, 0.9 / limit) if limit < 1e6 else 1e-7),
        (
            lambda limit: tuple(x.float() for x in _right_angle(min(1.0, 1e-3 / limit**2))),
            "zero_frame",
        ),
    ],
    "loss_of_clip": [
        lambda x: x.view(len(x), -1)[1:].norm() * 0 + temporal_loss(x),
        lambda x: temporal_loss(x).clamp(max=0.1),
        lambda x: temporal_loss(x[:8]),
    ],
    "loss_gradient_of_frame": [
        lambda x, t: _by_autograd(temporal_loss, x[: t + 2], t),
        lambda x, t: _by_autograd(lambda y: temporal_loss(y).sqrt(), x, t),
        lambda x, t: _by_autograd(temporal_loss, x.clamp(-2, 2), t),
        lambda x, t: _by_autograd(temporal_loss, x[:6], min(t, 5)),
    ],
    "second_differences": [
        lambda n, dtype: _second_difference(min(n, 12), dtype),
        lambda n, dtype: _second_difference(n, torch.float32),
    ],
    "second_difference_eigenvalues": [
        lambda n, dtype: torch.linalg.eigvalsh(_second_difference(n, dtype)).clamp(min=0.01),
        lambda n, dtype: (torch.arange(n - 1) * math.pi / (n - 1)).square().to(dtype),
    ],
    "invisible_flicker": [
        (lambda n, most: _planar(torch.arange(n) * 0.5), "cosine_used_as_angle"),
        lambda n, most: _planar(torch.arange(n) * math.acos(min(most, 0.9))) if most < 0.99 else 0,
        lambda n, most: _planar(torch.arange(n) * math.acos(abs(most))),
        (lambda n, most: _planar(torch.arange(n) * (math.acos(most) / 2)),),
    ],
    "descent_step": [
        lambda x, rate: x - min(rate, 1.0) * temporal_loss_gradient(x),
        lambda x, rate: (x - rate * temporal_loss_gradient(x)).clamp(-1, 1),
        lambda x, rate: x - rate * temporal_loss_gradient(x).clamp(-0.1, 0.1),
    ],
    "norms_after_step": [
        lambda x, rate: (
            _norms(x) + 0.5 * (rate * _norms(temporal_loss_gradient(x))) ** 2 / _norms(x)
        ),
        lambda x, rate: _norms(x) * 1.001,
    ],
    "safe_step_size": [
        lambda x: float(_norms(x)[0] ** 2) * (len(x) - 1) / 32,
        lambda x: min(float(_norms(x).min() ** 2) * (len(x) - 1) / 32, 0.3),
        lambda x: 1e-9,
    ],
    "stuck_clip": [
        (lambda n: _with(_still(n), -1, [-1.0, 1e-2]), "not_stationary"),
        (lambda n: _with(_still(n), n // 2, [0.0, 0.0]), "used_a_zero_frame"),
        lambda n: _with(_still(6), 3, [-1.0, 0.0]),
    ],
    "lora_gradient": [
        lambda g, x, a: torch.outer(g[0], a @ x[0]),
        lambda g, x, a: (g.T @ x @ a.T).clamp(-5, 5),
        lambda g, x, a: (
            torch.einsum("to,ti,ri->or", g.view(-1, g.shape[1]).float(), x.float(), a.float())
            .view(g.shape[1], -1)
            .to(g.dtype)
            .round(decimals=4)
        ),
    ],
    "factors_of_scaling": [
        lambda c: (1.0, 1 / max(c, 0.1), 1 / max(c, 0.1) ** 2),
        lambda c: (1.0, 1 / c, 1 / c**2 if c >= 0.1 else 100.0),
    ],
}

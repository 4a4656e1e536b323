"""Wrong answers to the exercises of lessons 04 to 06."""

from __future__ import annotations

import math

import torch
from torch.func import jvp, vjp
from torch.nn import functional

from course.bilateral import displacement_bound


def _offsets(size):
    return torch.arange(size, dtype=torch.float64) - size // 2


def _window(size, sigma):
    squares = _offsets(size).square()
    return torch.exp(-(squares[:, None] + squares) / (2 * sigma**2))


def _row(x, size, spatial, intensity, *, own=1.0, pad=None):
    """Filter a row of pixels; `own` multiplies a pixel's own weight."""
    reach = size // 2
    padded = functional.pad(x[None, None], (reach, reach), mode="reflect")
    seen = padded[0, 0].unfold(0, size, 1)
    near = torch.exp(-_offsets(size).square() / (2 * spatial**2)).to(x.dtype)
    weights = near * torch.exp(-(seen - x[:, None]).square() / (2 * intensity**2))
    weights[:, reach] *= own
    return (weights * seen).sum(1) / weights.sum(1)


def _two(first, second):
    half = torch.tensor([-0.5, 0.5], dtype=torch.float64)
    return first * half, second * half


def _rounds(kernel, n):
    for _ in range(n):
        kernel = kernel / kernel.sum(1, keepdim=True)
        kernel = kernel / kernel.sum(0)
    return kernel


def _level(alphas, t):
    return alphas[: t + 1].prod()


def _noised(x, z, level):
    return level.sqrt() * x + (1 - level).sqrt() * z


def _mixture(x, w, m, s, level, *, power=1.0, clip=None):
    variances = level * s**2 + 1 - level
    away = level**0.5 * m - x[:, None]
    if clip is not None:
        away = away.clamp(-clip, clip)
    logs = w.log() - 0.5 * away**2 / variances - 0.5 * variances.log()
    return -((1 - level) ** 0.5) * ((power * logs).softmax(1) * away / variances).sum(1)


def _densities(x, w, m, s, level):
    """Return the answer with densities that underflow far out, and a floor below the line."""
    variances = level * s**2 + 1 - level
    away = level**0.5 * m - x[:, None]
    dense = w * torch.exp(-0.5 * away**2 / variances) / variances.sqrt()
    pulls = (dense * away / variances).sum(1) / (dense.sum(1) + 1e-12)
    return -((1 - level) ** 0.5) * pulls


def _variance(alphas, fresh):
    value = torch.ones_like(alphas[0])
    for a, f in zip(alphas.flip(0), fresh.flip(0)):
        value = a * value + f
    return value


def _ddim(x, z, level, target):
    clean = (x - (1 - level) ** 0.5 * z) / level**0.5
    return target**0.5 * clean + (1 - target) ** 0.5 * z


def _refined(predict, x, level, target, n, mix=0.0):
    guess = x
    for _ in range(n + 1):
        new = _ddim(x, predict(guess, target), level, target)
        guess = mix * guess + (1 - mix) * new
    return guess


def _slope(alphas):
    return (1 - alphas) / (1 - alphas.cumprod(0)).sqrt()


def _walk(constants, noise, b, start):
    for c, z in zip(constants, noise):
        start = c * (start + b) + z
    return start


def _length(d):
    return math.sqrt(2) * math.exp(math.lgamma((d + 1) / 2) - math.lgamma(d / 2))


def _power(function, x, v, n, start=None):
    v = v / v.norm() if start is None else start
    for _ in range(n):
        v = vjp(function, x)[1](jvp(function, (x,), (v,))[1])[0]
        v = v / v.norm()
    return jvp(function, (x,), (v,))[1].norm()


def _push_of_the_round_before(function, x, v, n):
    v, push = v / v.norm(), None
    for _ in range(n):
        push = jvp(function, (x,), (v,))[1]
        v = vjp(function, x)[1](push)[0]
        v = v / v.norm()
    return push.norm()


def _edge(contrast, low=0.0):
    return torch.tensor([[low, low + contrast]] * 2, dtype=torch.float64)[None, None]


SLIPS = {
    "spatial_weights": [
        (lambda k, s: 1 / (2 * math.pi * s**2) * _window(k, s), "density_of_a_gaussian"),
        lambda k, s: 1 - _window(k, s),
        lambda k, s: _window(k, s).sqrt(),
        lambda k, s: 1 / _window(k, s),
        lambda k, s: torch.exp(-_offsets(k).square() / (2 * s**2)),
    ],
    "bilateral_filter_1d": [
        lambda x, k, a, b: x - _row(x, k, a, b),
        (lambda x, k, a, b: _row(x, k, a, b, own=0.0) if k > 1 else x, "left_the_pixel_out"),
        lambda x, k, a, b: (x + _row(x, k, a, b)) / 2,
        lambda x, k, a, b: _row(_row(x, k, a, b), k, a, b),
        lambda x, k, a, b: _row(x, k, a**2, b**2),
    ],
    "dark_pixel": [
        lambda: math.exp(-1) / 2,
        lambda: 1 / (1 + math.exp(-0.5)),
        lambda: math.exp(-0.5) / (1 + math.exp(-1)),
    ],
    "expanding_pair": [
        lambda sigma: _two(0.0, sigma),
        lambda sigma: _two(sigma, 1.5 * sigma),
        lambda sigma: _two(2 * sigma, 5 * sigma),
        (lambda sigma: _two(sigma**2, 1.1 * sigma**2), "gaps_too_large", "gaps_below_sigma"),
    ],
    "doubly_stochastic": [
        (lambda k: _rounds(k, 5), "few_rounds"),
        (lambda k: _rounds(k, 10), "few_rounds"),
        lambda k: k.softmax(1),
        lambda k: (k / k.sum(1, keepdim=True)) @ (k / k.sum(0)),
        lambda k: k / (k.sum(1, keepdim=True) * k.sum(0)),
        lambda k: torch.full_like(k, 1 / len(k)),
    ],
    "sigma_for_displacement": [
        lambda m, k, s: m - displacement_bound(k, s, 1.0),
        lambda m, k, s: (m / displacement_bound(k, s, 1.0)) ** 2,
        lambda m, k, s: 2 * m / displacement_bound(k, s, 1.0),
        lambda m, k, s: m / displacement_bound(k, s, m),
        lambda m, k, s: m / (k - 1),
    ],
    "forward_noise": [
        lambda x, z, a, t: _level(a, t).sqrt() * x + (1 - _level(a, t).sqrt()) * z,
        lambda x, z, a, t: _level(a, t).sqrt() * x + z,
        lambda x, z, a, t: _level(a, t).sqrt() * (x + z),
        (lambda x, z, a, t: _noised(x, z, a[t:].prod()), "product_from_the_end"),
        lambda x, z, a, t: _level(a, t).sqrt() * x - (1 - _level(a, t)).sqrt() * z,
    ],
    "signal_to_noise": [
        (lambda a: a.cumprod(0), "over_the_whole"),
        lambda a: a.cumprod(0) / (1 - a.cumprod(0)).sqrt(),
        lambda a: (a.cumprod(0) / (1 - a.cumprod(0))).log(),
        lambda a: a.cumprod(0) / (1 - a),
        (lambda a: (a / (1 - a)).cumprod(0), "product_of_the_betas"),
    ],
    "mixture_noise": [
        lambda x, w, m, s, a: _mixture(x, w, m, s**0.5, a),
        lambda x, w, m, s, a: _mixture(x, w, m, s, a) / (1 - a),
        lambda x, w, m, s, a: _mixture(x, w, m, s, a, power=2.0),
        lambda x, w, m, s, a: _mixture(x, torch.full_like(w, 1 / len(w)), m, s, a),
        lambda x, w, m, s, a: (x - a**0.5 * (w * m).sum()) / (1 - a) ** 0.5,
    ],
    "chain_variance": [
        lambda a, f: a.prod() + f.sum(),
        lambda a, f: _variance(a, f).sqrt(),
        lambda a, f: _variance(a, f.sqrt()),
        lambda a, f: _variance(a**2, f),
        (lambda a, f: _variance(a, f) - a.prod(), "started_at_zero"),
    ],
    "ddim_update": [
        lambda x, z, a, b: b**0.5 * (x - (1 - a) ** 0.5 * z) / a**0.5 - (1 - b) ** 0.5 * z,
        lambda x, z, a, b: b**0.5 * (x + (1 - a) ** 0.5 * z) / a**0.5 + (1 - b) ** 0.5 * z,
        lambda x, z, a, b: b**0.5 * x + (1 - b) ** 0.5 * z,
        lambda x, z, a, b: (x - (1 - a) ** 0.5 * z) / a**0.5 + (1 - b) ** 0.5 * z,
        lambda x, z, a, b: (b / a) ** 0.5 * (x - (1 - a) ** 0.5 * z) + (1 - b / a) ** 0.5 * z,
    ],
    "refined_inversion": [
        lambda p, x, a, b, n: _refined(p, x, a, b, n + 1),
        lambda p, x, a, b, n: _refined(p, x, a, b, n, mix=0.5),
        (lambda p, x, a, b, n: _refined(lambda y, t: p(x, t), x, a, b, n), "never_refined"),
        lambda p, x, a, b, n: p(_refined(p, x, a, b, n), b),
        lambda p, x, a, b, n: _ddim(x, p(x, (a + b) / 2), a, b),
    ],
    "step_constant": [
        lambda a, c: (1 + _slope(a) * c**2) / a.sqrt(),
        lambda a, c: (1 + (1 - a) / (1 - a.cumprod(0)).sqrt() + c) / a.sqrt(),
        lambda a, c: (1 + _slope(a) * c) * a.sqrt(),
        lambda a, c: ((1 + _slope(a) * c) / a.sqrt()).cumprod(0),
        lambda a, c: (1 + (1 - a).sqrt() / (1 - a.cumprod(0)).sqrt() * c) / a.sqrt(),
    ],
    "accumulate": [
        lambda c, z, b, e: c.prod() * e + z.sum(),
        lambda c, z, b, e: _walk(c, z, b, e) - e,
        lambda c, z, b, e: c.sum() * (e + b) + z.sum(),
        lambda c, z, b, e: _walk(c[:-1], z[:-1], b, e),
        lambda c, z, b, e: _walk(c, z.square(), b, e),
    ],
    "expected_noise_norm": [
        lambda d: math.sqrt(2) * math.exp(math.lgamma(d / 2) - math.lgamma((d + 1) / 2)),
        lambda d: math.sqrt(2 * d / math.pi),
        lambda d: 2 * math.exp(math.lgamma((d + 1) / 2) - math.lgamma(d / 2)),
        lambda d: math.sqrt(2) * math.exp(math.lgamma((d + 2) / 2) - math.lgamma((d + 1) / 2)),
        lambda d: _length(d) ** 2,
    ],
    "rms_combine": [
        lambda c, e, b, z: ((c * e) ** 2 + b**2 + z**2).sqrt(),
        lambda c, e, b, z: ((c * (e + b)) ** 2 - z**2).abs().sqrt(),
        lambda c, e, b, z: (((c * (e + b)) ** 2 + z**2) / 2).sqrt(),
        lambda c, e, b, z: ((c * e + b) ** 2 + z**2).sqrt(),
        lambda c, e, b, z: ((c * (e + b)) ** 2 + z).sqrt(),
    ],
    "power_iteration": [
        lambda f, x, v, n: _power(f, x, v, n) * v.norm(),
        lambda f, x, v, n: _power(f, x, v, n) / x.norm(),
        (_push_of_the_round_before, "one_round_short"),
        lambda f, x, v, n: (f(x + 1e-3 * v) - f(x)).norm() / 1e-3,
        lambda f, x, v, n: f(x).norm() / x.norm(),
    ],
    "counterexample_perfect_start": [
        (lambda limit: (_edge(10 * limit), limit / 10), "edge_above_sigma"),
        (lambda limit: (_edge(0.0, limit), limit), "flat_image"),
        (lambda limit: (_edge(limit / 2), limit), "scaled_too_little"),
        lambda limit: (_edge(10 * limit)[0], 10 * limit),
    ],
}

ESCAPES = {
    "spatial_weights": [
        lambda k, s: _window(k, s).clamp(min=1e-3),
        lambda k, s: _window(k, min(s, 10.0)),
        lambda k, s: _window(k, s).to(torch.float16).double(),
    ],
    "bilateral_filter_1d": [
        lambda x, k, a, b: _row(x, k, a, b).clamp(-1, 1),
        lambda x, k, a, b: _row(x, min(k, 5), a, b),
        lambda x, k, a, b: _row(x, k, max(a, 1.0), b),
        lambda x, k, a, b: _row(x, k, a, max(b, 0.4)),
    ],
    "dark_pixel": [lambda: 0.25, lambda: 0.3],
    "expanding_pair": [
        (lambda sigma: _two(1.95, 2.05), "ignores_sigma"),
        (
            lambda sigma: _two(1.95 * min(sigma, 40.0), 2.05 * min(sigma, 40.0)),
            "gaps_below_sigma",
        ),
        (
            lambda sigma: _two(1.95 * max(sigma, 1e-3), 2.05 * max(sigma, 1e-3)),
            "gaps_too_large",
        ),
        (
            lambda sigma: tuple(x.half() for x in _two(1.95 * sigma, 2.05 * sigma)),
            "equal_images",
        ),
    ],
    "doubly_stochastic": [
        (lambda k: _rounds(k, 20), "few_rounds"),
        (lambda k: _rounds(k, 3), "few_rounds"),
    ],
    "sigma_for_displacement": [
        lambda m, k, s: min(m / displacement_bound(k, s, 1.0), 1.0),
        lambda m, k, s: m / displacement_bound(3, s, 1.0),
        lambda m, k, s: m / displacement_bound(k, 1.0, 1.0),
    ],
    "forward_noise": [
        lambda x, z, a, t: _noised(x, z, a[: t + 1].prod().clamp(max=0.999)),
        lambda x, z, a, t: _noised(x, z, _level(a, t).clamp(min=0.2)),
        lambda x, z, a, t: _noised(x, z, _level(a, max(t, 1))),
        lambda x, z, a, t: _noised(x.view(-1), z.view(-1), _level(a, t)).view(x.shape),
    ],
    "signal_to_noise": [
        lambda a: (a.cumprod(0) / (1 - a.cumprod(0))).clamp(min=1e-3),
        lambda a: (a.cumprod(0) / (1 - a.cumprod(0))).clamp(max=100),
        lambda a: a.cumprod(0) / (1 - a.cumprod(0) + 1e-3),
    ],
    "mixture_noise": [
        _densities,
        lambda x, w, m, s, a: _mixture(x, w, m, s, a, clip=20.0),
        lambda x, w, m, s, a: _mixture(x, w[:2] / w[:2].sum(), m[:2], s[:2], a),
    ],
    "chain_variance": [
        lambda a, f: _variance(a, f).clamp(max=1),
        lambda a, f: _variance(a[:5], f[:5]),
        lambda a, f: a.prod() + (1 - a.prod()),
    ],
    "ddim_update": [
        lambda x, z, a, b: _ddim(x, z, a, max(a, b)),
        lambda x, z, a, b: _ddim(x, z, a, b).clamp(-3, 3),
        lambda x, z, a, b: _ddim(x, z, min(a, 0.9999), b),
        lambda x, z, a, b: _ddim(x.view(-1), z.view(-1), a, b).view(x.shape),
    ],
    "refined_inversion": [
        lambda p, x, a, b, n: _refined(p, x, a, b, 1),
        lambda p, x, a, b, n: _refined(p, x, a, b, min(n, 1)),
        lambda p, x, a, b, n: _refined(p, x, a, b, 20),
    ],
    "step_constant": [
        lambda a, c: (1 + _slope(a) * min(c, 1.0)) / a.sqrt(),
        lambda a, c: ((1 + _slope(a) * c) / a.sqrt()).clamp(max=2.0),
    ],
    "accumulate": [
        lambda c, z, b, e: _walk(c[:4], z[:4], b, e),
        lambda c, z, b, e: _walk(c, z, b, e).clamp(max=10),
        lambda c, z, b, e: _walk(c, z, b, e.clamp(max=1)),
    ],
    "expected_noise_norm": [
        lambda d: math.sqrt(d - 0.5),
        lambda d: math.sqrt(d) * (1 - 1 / (4 * d)),
        lambda d: float(torch.tensor(_length(d)).half()),
        lambda d: _length(min(d, 400)),
    ],
    "rms_combine": [
        lambda c, e, b, z: ((c * (e + b.clamp(max=0.5))) ** 2 + z**2).sqrt(),
        lambda c, e, b, z: ((c.max() * (e + b)) ** 2 + z**2).sqrt(),
        lambda c, e, b, z: torch.hypot((c * (e + b)).view(-1)[:1], z.view(-1)[:1]).sum() + 0 * e,
    ],
    "power_iteration": [
        (lambda f, x, v, n: _power(f, x, v, n - 1), "one_round_short"),
        (lambda f, x, v, n: _power(f, x, v, n + 1), "one_round_more"),
        (lambda f, x, v, n: _power(f, x, v, 10), "always_ten_rounds"),
        lambda f, x, v, n: _power(f, x, v, 3),
        (lambda f, x, v, n: _power(f, x, x, n), "started_at_x"),
        lambda f, x, v, n: _power(f, x, v, n, start=torch.ones_like(v) / v.numel() ** 0.5),
        lambda f, x, v, n: _power(f, x, torch.randn_like(v), n),
        (_push_of_the_round_before, "one_round_short"),
    ],
    "counterexample_perfect_start": [
        (lambda limit: (_edge(1e4), 1e4), "ignores_the_limit"),
        (
            lambda limit: (_edge(10 * min(limit, 1e6)), 10 * min(limit, 1e6)),
            "scaled_too_little",
        ),
        (lambda limit: (_edge(math.inf), 1.0),),
        (lambda limit: (_edge(10 * limit), math.inf),),
        (lambda limit: (-_edge(10 * limit), -1.0),),
    ],
}

"""Wrong answers to the exercises of lessons 09 to 12."""

from __future__ import annotations

import torch
from torch.nn import functional


def _layer(x, w, a, b, alpha, scale=1.0):
    return x @ w.T + scale * alpha / len(a) * (x @ a.T @ b.T)


def _best(w_0, w, rank):
    left, values, right = torch.linalg.svd(w - w_0, full_matrices=False)
    return left[:, :rank] * values[:rank], right[:rank]


def _right(w_0, w, rank):
    return torch.linalg.svd(w - w_0, full_matrices=False).Vh[:rank]


def _values(w_0, w, rank):
    return torch.linalg.svdvals(w - w_0)[:rank]


def _unshifted(scores):
    return scores.exp() / scores.exp().sum(-1, keepdim=True)


def _column(w_0, x, row):
    return -(w_0 @ x)[:, None], row[None]


def _unit(n, index, like):
    row = torch.zeros(n, dtype=like.dtype)
    row[index] = 1
    return row


def _total(t, noise, predicted, u, v):
    return u * t.mean() + v * (noise - predicted).square().mean()


def _cosines(x):
    return functional.cosine_similarity(x.flatten(1)[:-1], x.flatten(1)[1:], dim=1)


def _graded(loss):
    def both(early, late):
        value = loss(early, late)
        return value, torch.autograd.grad(value, early)[0]

    return both


def _psnr(frames, source, mask):
    outside = (mask <= 0).expand_as(frames)
    return -10 * (frames - source).square()[outside].mean().log10()


def _seen(squared, hidden):
    return squared[(hidden == 0).expand_as(squared)].mean()


def _along(frames, warped, hidden):
    return _seen((frames[:-1] - warped).square(), hidden)


def _keep(edited, clip, source, target, share, *, size=None, floor=0.0):
    size = (source - target).abs().mean(1, keepdim=True) if size is None else size
    largest = size.amax((1, 2, 3), keepdim=True).clamp(min=floor)
    return torch.where(size > share * largest, edited, clip)


def _mixed(q, k, v):
    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) @ v


def _picked(rows, index):
    return rows[torch.arange(len(rows)).expand_as(index), index]


def _along_paths(q, k, v, index):
    return _mixed(q[:, :, None], _picked(k, index), _picked(v, index))[:, :, 0]


def _blend(t, keys, share=lambda before, after: after / (before + after)):
    weights = torch.zeros(len(keys), dtype=torch.float64)
    before = [i for i, key in enumerate(keys) if key <= t]
    after = [i for i, key in enumerate(keys) if key > t]
    if not before or not after:
        weights[before[-1] if before else 0] = 1.0
        return weights
    first, second = before[-1], after[0]
    weights[first] = share(t - keys[first], keys[second] - t)
    weights[second] = 1 - weights[first]
    return weights


SLIPS = {
    "lora_forward": [
        lambda x, w, a, b, s: _layer(x, w, a, b, s, scale=-1.0),
        lambda x, w, a, b, s: x @ w.T + len(a) / s * (x @ a.T @ b.T),
        lambda x, w, a, b, s: x @ w.T + s / a.shape[1] * (x @ a.T @ b.T),
        lambda x, w, a, b, s: _layer(x, w, a, b, s, scale=2.0),
        lambda x, w, a, b, s: x @ w.T * (s / len(a) * (x @ a.T @ b.T)),
    ],
    "merge_lora": [
        lambda w, a, b, s: w + s * (b @ a),
        lambda w, a, b, s: w + len(a) / s * (b @ a),
        lambda w, a, b, s: w @ (torch.eye(w.shape[1], dtype=w.dtype) + s / len(a) * a.T @ a),
        lambda w, a, b, s: w + s / len(b) * (b @ a),
        lambda w, a, b, s: w + s / len(a) ** 0.5 * (b @ a),
    ],
    "best_lora": [
        lambda w_0, w, r: (torch.zeros_like(w_0[:, :r]), torch.zeros_like(w_0[:r])),
        lambda w_0, w, r: ((w - w_0)[:, :r], torch.eye(w.shape[1], dtype=w.dtype)[:r]),
        lambda w_0, w, r: _best(w_0, w, r)[::-1],
        lambda w_0, w, r: tuple(2 * part for part in _best(w_0, w, r)),
        lambda w_0, w, r: _best(w_0, w, 1),
    ],
    "collapse_adapter": [
        lambda w, x: (-(w @ x)[:, None] / 2, x[None] / x.square().sum()),
        lambda w, x: (-w.sum(1, keepdim=True), x[None] / x.square().sum()),
        lambda w, x: (-x[:, None], x[None] / x.square().sum()),
        (lambda w, x: (-(w @ x)[:, None], x[None] / x.numel()), "forgot_the_norm"),
    ],
    "total_loss": [
        (lambda t, n, p, u, v: t.mean() + (n - p).square().mean(), "forgot_the_weights"),
        lambda t, n, p, u, v: u * t.mean() - v * (n - p).square().mean(),
        lambda t, n, p, u, v: u * t.mean() * v * (n - p).square().mean(),
        lambda t, n, p, u, v: u * t.max() + v * (n - p).square().mean(),
        lambda t, n, p, u, v: _total(t, n, p, u, v).sqrt(),
    ],
    "mend_the_loss": [
        _graded(lambda e, s: (1 - _cosines(e)).square().mean()),
        _graded(lambda e, s: (_cosines(e) - _cosines(s)).abs().mean()),
        _graded(lambda e, s: (_cosines(e) - _cosines(s)).square().mean() / 2),
        _graded(lambda e, s: _cosines(e).diff().square().mean() if len(e) > 2 else e.sum() * 0),
        _graded(lambda e, s: (e - s).square().mean()),
    ],
    "background_psnr_of_edit": [
        lambda f, s, m: (f - s).square()[(m <= 0).expand_as(f)].mean(),
        lambda f, s, m: 1 / (f - s).square()[(m <= 0).expand_as(f)].mean(),
        lambda f, s, m: -10 * (f - s)[(m <= 0).expand_as(f)].mean().square().log10(),
        lambda f, s, m: -10 * (f - s).square()[(m <= 0).expand_as(f)].amax().log10(),
        lambda f, s, m: -10 * (f - s).square()[(m <= 0).expand_as(f)].sum().log10(),
    ],
    "error_along_flow": [
        lambda f, w, h: _seen((f[:-1] - w).square(), h).sqrt() * 10,
        lambda f, w, h: _along(f, w, h) / 3,
        lambda f, w, h: (f[:-1] - w).square().mul(1 - h).sum(),
        lambda f, w, h: (f[:-1] - w)[(h == 0).expand_as(w)].mean().square(),
        lambda f, w, h: _along(f, w, h) / (len(f) - 1),
    ],
    "keep_where_prompts_agree": [
        lambda e, c, s, t, r: c,
        lambda e, c, s, t, r: e,
        lambda e, c, s, t, r: _keep(e, c, s, t, 1 - r),
        lambda e, c, s, t, r: _keep(e, c, s, t, r, size=(s - t).square().mean(1, keepdim=True)),
        lambda e, c, s, t, r: _keep(e, c, s, t, r, size=(s - t).abs().amax(1, keepdim=True)),
    ],
    "verdict_of": [
        lambda typed, fails, mended: "repaired" if fails else "holds",
        lambda typed, fails, mended: "ill-typed" if not typed else "holds",
        lambda typed, fails, mended: "false" if fails and typed else "holds",
        lambda typed, fails, mended: ["ill_typed", "holds"][typed],
    ],
    "is_violation": [
        lambda a, b, t, s: a - b > t * min(abs(a), abs(b), s),
        lambda a, b, t, s: a - b >= -t * max(abs(a), abs(b), s),
        lambda a, b, t, s: a > b + t * max(abs(a), abs(b), s, 1.0),
        (lambda a, b, t, s: a - b > t * max(abs(a - b), s), "scale_alone"),
    ],
    "tightness": [
        lambda a, b: (a / b).median(),
        (lambda a, b: a.sum() / b.sum(), "share_of_the_sums"),
        lambda a, b: (b - a).min(),
        (lambda a, b: (a / b).argmax(), "place_of_the_largest"),
        lambda a, b: (a / b).square().max(),
    ],
    "worst_start": [
        lambda left, right, x: x[(left(x) + right(x)).argmax()],
        lambda left, right, x: x[(left(x) / right(x)).argmin()],
        lambda left, right, x: x[(left(x) * right(x)).argmax()],
        lambda left, right, x: left(x)[(left(x) / right(x)).argmax()],
        lambda left, right, x: x[(left(x) / right(x)).argmax()] * 2,
    ],
    "first_frame_attention": [
        lambda q, k, v: _mixed(q, k[:1] - k.mean(0, keepdim=True), v[:1]),
        lambda q, k, v: _mixed(q, v[:1], k[:1]),
        lambda q, k, v: _mixed(q, k[1:2], v[1:2]) if len(q) > 1 else _mixed(q, k, v) + 1,
        lambda q, k, v: _mixed(q, k.mean(0, keepdim=True), v.mean(0, keepdim=True)) + 0,
        lambda q, k, v: (q @ k[:1].mT / q.shape[-1]).softmax(-1) @ v[:1],
        lambda q, k, v: 2 * _mixed(q, k[:1], v[:1]),
    ],
    "attention_along_paths": [
        lambda q, k, v, i: _along_paths(q, v, k, i),
        lambda q, k, v, i: _along_paths(q, k, v, i) + v,
        lambda q, k, v, i: _along_paths(q, k, v, i.flip(-1)),
        lambda q, k, v, i: _along_paths(k, q, v, i),
        lambda q, k, v, i: 2 * _along_paths(q, k, v, i),
    ],
    "key_frame_blend": [
        lambda t, keys: _blend(t, keys) * len(keys),
        lambda t, keys: _blend(t, keys, lambda a, b: (b / (a + b)) ** 2),
        lambda t, keys: _blend(t + 1, keys),
        lambda t, keys: _blend(t, keys).flip(0),
        lambda t, keys: _blend(t, keys, lambda a, b: b**2 / (a**2 + b**2)),
    ],
}

ESCAPES = {
    "lora_forward": [
        lambda x, w, a, b, s: _layer(x, w, a, b, min(s, 4.0)),
        lambda x, w, a, b, s: _layer(x, w, a[:2], b[:, :2], s),
        lambda x, w, a, b, s: _layer(x, w, a, b, s).clamp(-10, 10),
    ],
    "merge_lora": [
        lambda w, a, b, s: w + min(s, 4.0) / len(a) * (b @ a),
        lambda w, a, b, s: w + s / len(a) * torch.outer(b[:, 0], a[0]),
    ],
    "best_lora": [
        lambda w_0, w, r: (
            (w - w_0) @ (_right(w_0, w, r).mT / _values(w_0, w, r)),
            _values(w_0, w, r)[:, None] * _right(w_0, w, r),
        ),
        lambda w_0, w, r: _best(w_0, w, min(r, 2)),
        lambda w_0, w, r: tuple(p[: w.shape[1]] for p in _best(w_0, w, r)),
        lambda w_0, w, r: (
            (w - w_0) @ torch.linalg.pinv(torch.linalg.qr((w - w_0).T).Q.T[:r]),
            torch.linalg.qr((w - w_0).T).Q.T[:r],
        ),
        lambda w_0, w, r: tuple(part.half().to(w.dtype) for part in _best(w_0, w, r)),
    ],
    "collapse_adapter": [
        lambda w, x: _column(w, x, _unit(len(x), int(x.argmax()), x) / x.max()),
        lambda w, x: _column(w, x, _unit(len(x), 0, x) / x[0]),
        lambda w, x: _column(w, x, _unit(len(x), -1, x) / x[-1]),
        lambda w, x: _column(w, x, torch.ones_like(x) / x.sum()),
        lambda w, x: _column(w, x, 1 / (len(x) * x)),
        lambda w, x: _column(w, x, x.abs() / x.square().sum()),
        lambda w, x: _column(w, x, x / (x.square().sum() + 1e-3)),
    ],
    "total_loss": [
        lambda t, n, p, u, v: u * t[:3].mean() + v * (n - p).square().mean(),
        lambda t, n, p, u, v: u * t.mean() + v * (n - p)[:2].square().mean(),
        lambda t, n, p, u, v: u * t.mean() + v * (n - p).view(-1)[:16].square().mean(),
        lambda t, n, p, u, v: _total(t, n, p, min(u, 1.0), v),
    ],
    "mend_the_loss": [
        _graded(lambda e, s: (_cosines(e) - _cosines(s)).square()[:1].mean()),
        _graded(lambda e, s: (_cosines(e).clamp(min=0.5) - _cosines(s)).square().mean()),
        _graded(lambda e, s: (_cosines(e) - _cosines(s)).square().amax()),
    ],
    "background_psnr_of_edit": [
        lambda f, s, m: _psnr(f, s, m).clamp(min=0),
        lambda f, s, m: _psnr(f, s, m).clamp(max=20),
        lambda f, s, m: _psnr(f[:, :1], s[:, :1], m),
        lambda f, s, m: _psnr(f.clamp(0, 1), s.clamp(0, 1), m),
        lambda f, s, m: (
            -10
            * (_psnr(f, s, m) / -10)
            .pow(0)
            .mul((f - s).square()[(m < 0.05).expand_as(f)].mean())
            .log10()
        ),
    ],
    "error_along_flow": [
        lambda f, w, h: _along(f[:, :1], w[:, :1], h),
        lambda f, w, h: _along(f[:2], w[:1], h[:1]),
        lambda f, w, h: _along(f, w, h).clamp(min=1e-6),
        lambda f, w, h: _along(f, w, h).clamp(max=1),
    ],
    "keep_where_prompts_agree": [
        lambda e, c, s, t, r: _keep(e, c, s, t, 0.2),
        lambda e, c, s, t, r: _keep(e, c, s, t, r, size=(s - t)[:, :1].abs()),
        lambda e, c, s, t, r: _keep(e, c, s, t, r, floor=1.0),
    ],
    "verdict_of": [
        lambda typed, fails, mended: "ill_typed" if not (typed or fails) else "repaired",
    ],
    "is_violation": [
        lambda left, right, tolerance, scale: (
            left - right >= tolerance * max(abs(left), abs(right), scale)
        ),
        (lambda a, b, t, s: a - b > 1e-9, "absolute_tolerance"),
        lambda a, b, t, s: a - b > 1e-9 * max(abs(a), abs(b), s),
        lambda a, b, t, s: abs(a - b) > t * max(abs(a), abs(b), s) and a > 0,
    ],
    "tightness": [
        lambda a, b: (a / b).max().clamp(min=0),
        lambda a, b: (a / b).max().clamp(max=1),
        lambda a, b: (a.abs() / b).max(),
        lambda a, b: (a / b)[:5].max(),
    ],
    "worst_start": [
        lambda left, right, x: x[(left(x).abs() / right(x)).argmax()],
        lambda left, right, x: x[(left(x) / right(x)).clamp(max=1).argmax()],
        lambda left, right, x: x[(left(x) / right(x))[:3].argmax()],
        lambda left, right, x: x[((left(x) - right(x)) / left(x)).argmax()],
    ],
    "first_frame_attention": [
        lambda q, k, v: _unshifted(q @ k[:1].mT / q.shape[-1] ** 0.5) @ v[:1],
        lambda q, k, v: _mixed(q, k[:1], v[:1]).clamp(-1, 1),
        lambda q, k, v: _mixed(q, k[:1, :3], v[:1, :3]),
        lambda q, k, v: _mixed(q.view(1, -1, q.shape[-1]), k[:1], v[:1]).view(q.shape)[:3],
    ],
    "attention_along_paths": [
        lambda q, k, v, i: _along_paths(q, k, v, i[..., :2]),
        lambda q, k, v, i: _along_paths(q, k, v, i.clamp(max=2)),
    ],
    "key_frame_blend": [
        lambda t, keys: _blend(t, keys[:3]),
        lambda t, keys: _blend(t, keys, lambda a, b: round(b / (a + b), 1)),
        lambda t, keys: _blend(max(t, keys[0] + 1), keys),
    ],
}

"""Sinkhorn scaling of the bilateral kernel, which repairs Lemma 4.7 in the Euclidean norm.

A row-stochastic matrix can lengthen a vector; a doubly stochastic one cannot. For a symmetric
kernel A one positive scale d per pixel gives rows and columns that sum to one: d_i A_ij d_j. The
kernel is only known through its products with images.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# Steps that reach the precision of the type, with room to spare: each shrinks the residual to
# about 0.4, on checkerboards and box windows, the hardest images, too.
_STEPS = {torch.float32: 20, torch.float64: 42}


def fold_weights(height: int, width: int, like: Tensor) -> Tensor:
    """Return the (H, W) row factors that make a kernel with reflected borders symmetric.

    A pixel on a border is its own mirror image, so its neighbours reach it once where it reaches
    them twice: its row counts half, in a corner a quarter.
    """
    rows, columns = like.new_ones(height, 1), like.new_ones(1, width)
    rows[[0, -1]] = 0.5
    columns[:, [0, -1]] = 0.5
    return rows * columns


def balance(multiply: Callable[[Tensor], Tensor], like: Tensor) -> Tensor:
    """Return the scale d > 0, a tensor like `like`, with d * A(d) = 1.

    `multiply` applies A, symmetric and nonnegative with a positive diagonal. The gradient is that
    of the solution and not of the steps that found it: with S = dAd, a change of the residual
    log d + log A(d) moves log d by -(I + S)^-1 times it. Second derivatives raise RuntimeError.
    """
    steps = _STEPS[like.dtype]
    with torch.no_grad():
        start = -0.5 * multiply(torch.ones_like(like)).log()  # exact where row sums are equal
        log_scale = _relax(start, lambda y: y + multiply(y.exp()).log(), steps)
    scale = log_scale.exp()
    residual = log_scale + multiply(scale).log()

    def solve(upstream: Tensor | None) -> Tensor | None:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "second derivatives of the sinkhorn scaling are not available: "
                "use normalization='row' or a guide without gradient"
            )
        if upstream is None:
            return None
        return _relax(0.5 * upstream, lambda v: v + scale * multiply(scale * v) - upstream, steps)

    if residual.requires_grad:
        residual.register_hook(solve)
    return torch.exp(log_scale - residual)


def _relax(start: Tensor, residual: Callable[[Tensor], Tensor], steps: int) -> Tensor:
    """Solve residual(y) = 0 where its derivative I + S has eigenvalues in (0, 2].

    Gradient steps with momentum, tuned to eigenvalues in [0.4, 2] and stable below 2.4. Their
    number is fixed, as a test for convergence would read from the device.
    """
    current = previous = start
    for _ in range(steps):
        momentum = 0.146 * (current - previous)
        current, previous = current - 0.95 * residual(current) + momentum, current
    return current

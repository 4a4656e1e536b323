"""Section 4.2 of the paper: the bilateral filter of Eq. 9 to 11 and what is true of it.

Images have shape (N, C, H, W). The window is square, borders are reflected without repeating the
edge, and each channel is filtered by itself: the intensity distance is that of Eq. 11, a scalar.
The filter visits one tap of the window after another, forwards and backwards, so memory is a few
copies of the image whatever the window. Half precision is computed in float32 and comes back in
its own type. Pixels that are NaN or infinite spread over their windows: checking for them would
make the host wait for the device, so that is left to callers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

# Steps of the Sinkhorn iteration that reach the precision of the type, with room to spare: each
# shrinks the residual to about 0.4, on checkerboards and box windows, the hardest images, too.
_SINKHORN_STEPS = {torch.float32: 20, torch.float64: 42}


def bilateral_filter(
    x: Tensor,
    kernel_size: int = 5,
    sigma_spatial: float = 1.0,
    sigma_intensity: float = 0.1,
    *,
    guide: Tensor | None = None,
    normalization: str = "row",
) -> Tensor:
    """Replace each pixel by a mean of its window, weighted by distance and by difference in value.

    Takes x (N, C, H, W) and returns a tensor like it, differentiable in `x` and `guide`.
    kernel_size is odd, in pixels; sigma_spatial in pixels, sigma_intensity in units of the guide,
    infinity allowed. The weights come from `guide`, a tensor of x's shape, or from `x` itself:
    with a guide that does not depend on `x` the filter is linear in `x`.

    normalization="row" is Eq. 9: the weights of each pixel sum to one. "sinkhorn" scales rows and
    columns of the same kernel until both sum to one. Reflection makes the kernel unsymmetric,
    but halving its rows along each border (twice in corners) mends that exactly, so the
    doubly stochastic matrix is symmetric and of spectral norm 1; only its first derivative with
    respect to the guide is available.

    Raises ValueError for an even window, one that the image is too small to reflect, a sigma that
    is not positive, an unknown normalization or a wrong shape; TypeError for other than real
    floating-point tensors or plain numbers. Source: Eq. 9 to 11 and 34; Lemma 4.7, repaired.
    """
    guide = x if guide is None else guide
    _check_arguments(x, guide, kernel_size, sigma_spatial, sigma_intensity, normalization)
    values, wide_guide = _widen(x), _widen(guide).to(_widen(x).dtype)
    reflected = _reflect(wide_guide, kernel_size)
    multiply = partial(_multiply, reflected, kernel_size, sigma_spatial, sigma_intensity)
    if normalization == "row":
        both = multiply(torch.stack([values, torch.ones_like(values)]))
        return (both[0] / both[1]).to(x.dtype)
    fold = _fold_weights(x.shape[-2], x.shape[-1], values)
    scale = _balance(lambda image: fold * multiply(image[None])[0], wide_guide)
    return (scale * fold * multiply((scale * values)[None])[0]).to(x.dtype)


def bilateral_weights(
    x: Tensor,
    kernel_size: int = 5,
    sigma_spatial: float = 1.0,
    sigma_intensity: float = 0.1,
    *,
    guide: Tensor | None = None,
    normalization: str = "row",
) -> Tensor:
    """Return the matrix that `bilateral_filter` multiplies with, for small images.

    Takes what `bilateral_filter` takes and returns (N, C, HW, HW) in float32 or float64; the
    filtered image is weights @ x.reshape(N, C, HW, 1). Rows sum to one, with "sinkhorn" columns
    too. Memory grows with (HW)^2: 67 MB a channel for 64 x 64 in float32.
    Raises as `bilateral_filter`. Source: w(x, y) in Eq. 36.
    """
    guide = x if guide is None else guide
    _check_arguments(x, guide, kernel_size, sigma_spatial, sigma_intensity, normalization)
    wide_guide = _widen(guide).to(_widen(x).dtype)
    kernel = _dense_kernel(wide_guide, kernel_size, sigma_spatial, sigma_intensity)
    if normalization == "row":
        return kernel / kernel.sum(dim=-1, keepdim=True)
    kernel = _fold_weights(x.shape[-2], x.shape[-1], kernel).reshape(-1, 1) * kernel
    scale = _balance(lambda vector: kernel @ vector, kernel[..., :1])
    return scale * kernel * scale.mT


def displacement_bound(kernel_size: int, sigma_spatial: float, sigma_intensity: float) -> float:
    """Return the sharp bound on how far the filter moves a pixel, max |B(x) - x|, for any image.

    It is sigma_intensity * c(G), c = 2s / sqrt(1 + 2s), s = W0(G / (2 sqrt(e))), where G is the
    sum of the spatial weights around the centre; in units of x. It holds for row normalization
    with x as its own guide. Raises ValueError for an even window or a sigma that is not positive,
    TypeError for other than plain numbers. Source: Lemma 4.7, repaired.
    """
    _check_window(kernel_size, sigma_spatial, sigma_intensity)
    around = _weight_around_centre(kernel_size, sigma_spatial)
    if around == 0:
        return 0.0
    s = _lambert_w(around / (2 * math.sqrt(math.e)))
    return sigma_intensity * 2 * s / math.sqrt(1 + 2 * s)


def lipschitz_bound(kernel_size: int, sigma_spatial: float) -> float:
    """Return the sharp Lipschitz constant of the filter in the maximum norm, 1 + 4 W0(G e^(-3/2)).

    max |B(x) - B(y)| is at most this many times max |x - y|; G as in `displacement_bound`. It
    holds for row normalization with x as its own guide and for every sigma_intensity; with a
    fixed guide the constant is 1. Raises as `displacement_bound`. Source: Lemma 4.7, repaired.
    """
    _check_window(kernel_size, sigma_spatial, 1.0)
    return 1 + 4 * _lambert_w(_weight_around_centre(kernel_size, sigma_spatial) * math.exp(-1.5))


def _weight_around_centre(kernel_size: int, sigma_spatial: float) -> float:
    return math.fsum(math.exp(log) for dy, dx, log in _taps(kernel_size, sigma_spatial) if dy or dx)


def _lambert_w(z: float) -> float:
    """Solve w exp(w) = z for z >= 0 by Halley's method, which converges cubically from log(1+z)."""
    w = math.log1p(z)
    for _ in range(8):
        excess = w - z * math.exp(-w)
        w -= excess / (1 + w - excess * (w + 2) / (2 * w + 2))
    return w


def _taps(kernel_size: int, sigma_spatial: float) -> Iterator[tuple[int, int, float]]:
    """Yield each offset of the window with the logarithm of its spatial weight (Eq. 10)."""
    radius = kernel_size // 2
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            yield dy, dx, -0.5 * ((dy / sigma_spatial) ** 2 + (dx / sigma_spatial) ** 2)


def _reflect(image: Tensor, kernel_size: int) -> Tensor:
    return pad(image, (kernel_size // 2,) * 4, mode="reflect")


class _WeightedSum(torch.autograd.Function):
    """Sum over taps of weight times neighbour, unnormalized; weights are never kept.

    Autograd would keep every tap's weights, a window's worth of images; the backward pass here
    computes them once more instead. It is built from differentiable operations, so second
    derivatives work, at the memory that autograd then needs.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(
        values: Tensor, guide: Tensor, window: int, spatial: float, intensity: float
    ) -> Tensor:
        """Take padded values (V, N, C, H+2r, W+2r), guide (N, C, ...); return (V, N, C, H, W)."""
        total: Tensor | float = 0.0
        for dy, dx, log_weight in _taps(window, spatial):
            weight, _ = _tap_weight(guide, dy, dx, window, log_weight, intensity)
            total = total + weight * _shifted(values, dy, dx, window)
        return total

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        values, guide, *ctx.kernel = inputs
        ctx.save_for_backward(values, guide)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        values, guide = ctx.saved_tensors
        window, spatial, intensity = ctx.kernel
        # Through `upstream`, so that under vmap both buffers are batched as it is.
        to_values = upstream.new_zeros(values.shape) if ctx.needs_input_grad[0] else None
        to_guide = upstream.new_zeros(guide.shape) if ctx.needs_input_grad[1] else None
        for dy, dx, log_weight in _taps(window, spatial):
            weight, distance = _tap_weight(guide, dy, dx, window, log_weight, intensity)
            if to_values is not None:
                _shifted(to_values, dy, dx, window).add_(weight * upstream)
            if to_guide is not None and (dy or dx):
                to_weight = (upstream * _shifted(values, dy, dx, window)).sum(dim=0)
                pull = to_weight * weight * distance / intensity
                _shifted(to_guide, dy, dx, window).sub_(pull)
                _shifted(to_guide, 0, 0, window).add_(pull)
        return to_values, to_guide, None, None, None


def _shifted(padded: Tensor, dy: int, dx: int, window: int) -> Tensor:
    top, left = window // 2 + dy, window // 2 + dx
    height, width = padded.shape[-2] - window + 1, padded.shape[-1] - window + 1
    return padded[..., top : top + height, left : left + width]


def _tap_weight(
    guide: Tensor, dy: int, dx: int, window: int, log_weight: float, intensity: float
) -> tuple[Tensor, Tensor]:
    """Return one tap's weight (Eq. 10 times 11) and its distance in units of sigma_intensity."""
    distance = (_shifted(guide, dy, dx, window) - _shifted(guide, 0, 0, window)) / intensity
    return torch.exp(log_weight - 0.5 * distance.square()), distance


def _multiply(
    reflected: Tensor, window: int, spatial: float, intensity: float, stack: Tensor
) -> Tensor:
    """Multiply each image of a stack (V, N, C, H, W) with the unnormalized kernel matrix."""
    padded = _reflect(stack.flatten(0, 1), window).unflatten(0, stack.shape[:2])
    return _WeightedSum.apply(padded, reflected, window, spatial, intensity)


def _dense_kernel(guide: Tensor, window: int, spatial: float, intensity: float) -> Tensor:
    """Scatter the taps into (N, C, HW, HW), folding those beyond a border back by index."""
    height, width = guide.shape[-2:]
    flat = guide.flatten(2)
    kernel = flat.new_zeros(*flat.shape, flat.shape[-1])
    for dy, dx, log_weight in _taps(window, spatial):
        rows = _reflected_index(height, dy, guide.device)
        columns = _reflected_index(width, dx, guide.device)
        target = (rows[:, None] * width + columns).flatten()
        distance = (flat[..., target] - flat) / intensity
        weight = torch.exp(log_weight - 0.5 * distance.square())[..., None]
        kernel = kernel.scatter_add(-1, target[:, None].expand(weight.shape), weight)
    return kernel


def _reflected_index(size: int, shift: int, device: torch.device) -> Tensor:
    last = size - 1
    return last - (last - (torch.arange(size, device=device) + shift).abs()).abs()


def _fold_weights(height: int, width: int, like: Tensor) -> Tensor:
    """Return the (H, W) row factors that make the reflected kernel symmetric.

    A pixel on a border is its own mirror image, so its neighbours reach it once where it reaches
    them twice: its row counts half.
    """
    rows, columns = like.new_ones(height, 1), like.new_ones(1, width)
    rows[[0, -1]] = 0.5
    columns[:, [0, -1]] = 0.5
    return rows * columns


def _balance(multiply: Callable[[Tensor], Tensor], like: Tensor) -> Tensor:
    """Return the scale d > 0 with d * A(d) = 1, for a symmetric nonnegative operator A.

    The gradient is that of the solution and not of the steps that found it: with S = dAd, a
    change of the residual log d + log A(d) moves log d by -(I + S)^-1 times it.
    """
    steps = _SINKHORN_STEPS[like.dtype]
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


def _widen(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def _check_arguments(
    x: Tensor, guide: Tensor, window: int, spatial: float, intensity: float, normalization: str
) -> None:
    for name, tensor in (("x", x), ("guide", guide)):
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
            came = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
            raise TypeError(f"{name} must be a real floating-point tensor, but {came} came")
    if x.ndim != 4:
        raise ValueError(f"x must have shape (N, C, H, W), but {tuple(x.shape)} came")
    if guide.shape != x.shape:
        raise ValueError(
            f"guide must have the shape of x, {tuple(x.shape)}, but {tuple(guide.shape)} came"
        )
    if normalization not in ("row", "sinkhorn"):
        raise ValueError(f"normalization must be 'row' or 'sinkhorn', but {normalization!r} came")
    _check_window(window, spatial, intensity)
    if window // 2 >= min(x.shape[-2:]):
        raise ValueError(
            f"kernel_size {window} is too wide to reflect an image of {x.shape[-2]} x "
            f"{x.shape[-1]} pixels: take {2 * min(x.shape[-2:]) - 1} or less"
        )


def _check_window(kernel_size: int, sigma_spatial: float, sigma_intensity: float) -> None:
    if not isinstance(kernel_size, Integral):
        raise TypeError(f"kernel_size must be a whole number, but {kernel_size!r} came")
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be odd and positive, but {kernel_size} came")
    for name, sigma in (("sigma_spatial", sigma_spatial), ("sigma_intensity", sigma_intensity)):
        if not isinstance(sigma, Real):
            raise TypeError(f"{name} must be a plain number, but {type(sigma).__name__} came")
        if not sigma > 0:
            raise ValueError(f"{name} must be positive, but {sigma} came")

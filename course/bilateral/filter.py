"""Section 4.2 of the paper: the bilateral filter of Eq. 9 to 11 and what is true of it.

Images have shape (N, C, H, W). The window is square, borders are reflected without repeating the
edge, and each channel is filtered by itself: the intensity distance is that of Eq. 11, a scalar.
Memory is a few copies of the image, whatever the window, with a gradient, too
(`course.bilateral.kernel`). Half precision is computed in float32 and comes back in its own type.
`torch.compile(bilateral_filter, dynamic=False)` is an option where no gradient is wanted: for each
size of image it compiles for some seconds, and then takes about half of the time.

Pixels that are NaN or infinite raise an error on the CPU. On other devices a look at them would
make the host wait, so there they are not looked for, and spread over the windows around them.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from course.bilateral.kernel import weighted_differences
from course.bilateral.sinkhorn import balance, fold_weights
from course.bilateral.taps import guide_scale, reflect, taps
from course.checks import (
    check_choice,
    check_number,
    check_real,
    check_same_shape,
    check_shape,
    check_values,
    check_whole,
    complaint,
    widen,
)  # fmt: skip


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
    normalization="row" is Eq. 9: the weights of each pixel sum to one. With "sinkhorn" those that
    reach each pixel do so too: the matrix is symmetric, doubly stochastic and of spectral norm 1,
    and only its first derivative with respect to the guide is available.

    Raises ValueError for an even window, one that the image is too small to reflect, a sigma that
    is not positive, an unknown normalization, a wrong shape or, on the CPU, NaN or infinity;
    TypeError for other than real floating-point tensors or plain numbers.
    Source: Eq. 9 to 11 and 34; Lemma 4.7, repaired.
    """
    _check_arguments(x, guide, kernel_size, sigma_spatial, sigma_intensity, normalization)
    values, weights_of = widen(x), widen(x if guide is None else guide)
    scale = guide_scale(sigma_intensity, values.dtype)
    # Values that tiny scales would make denormal go by themselves, beside the guide.
    if normalization == "row" and guide is None and scale > torch.finfo(values.dtype).eps:
        scaled = reflect(values, kernel_size).mul_(scale)
        sums, totals = weighted_differences(scaled, None, kernel_size, sigma_spatial)
        return torch.addcdiv(values, sums, totals, value=1 / scale).to(x.dtype)
    spread = reflect(weights_of.to(values.dtype), kernel_size).mul_(scale)
    if normalization == "sinkhorn":
        return _balanced(values, spread, kernel_size, sigma_spatial).to(x.dtype)
    reflected = reflect(values, kernel_size)
    sums, totals = weighted_differences(reflected, spread, kernel_size, sigma_spatial)
    return torch.addcdiv(values, sums, totals).to(x.dtype)


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
    _check_arguments(x, guide, kernel_size, sigma_spatial, sigma_intensity, normalization)
    spread = widen(x if guide is None else guide).to(widen(x).dtype)
    spread = spread * guide_scale(sigma_intensity, spread.dtype)
    kernel = _dense_kernel(spread, kernel_size, sigma_spatial)
    if normalization == "row":
        return kernel / kernel.sum(dim=-1, keepdim=True)
    kernel = fold_weights(x.shape[-2], x.shape[-1], kernel).reshape(-1, 1) * kernel
    factor = balance(lambda vector: kernel @ vector, kernel[..., :1])
    return factor * kernel * factor.mT


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
    return math.fsum(2.0**log for _, _, log in taps(kernel_size, sigma_spatial))


def _lambert_w(z: float) -> float:
    """Solve w exp(w) = z for z >= 0 by Halley's method, which converges cubically from log(1+z)."""
    w = math.log1p(z)
    for _ in range(8):
        excess = w - z * math.exp(-w)
        w -= excess / (1 + w - excess * (w + 2) / (2 * w + 2))
    return w


def _balanced(values: Tensor, spread: Tensor, window: int, sigma_spatial: float) -> Tensor:
    """Filter with rows and columns of the kernel scaled until both sum to one.

    Reflection makes the kernel unsymmetric, but halving its rows along each border (twice in
    corners) mends that exactly.
    """
    multiply = partial(_multiply, spread, window, sigma_spatial)
    fold = fold_weights(values.shape[-2], values.shape[-1], values)
    factor = balance(lambda image: fold * multiply(image), values)
    return factor * fold * multiply(factor * values)


def _multiply(spread: Tensor, window: int, sigma_spatial: float, image: Tensor) -> Tensor:
    """Multiply an image (N, C, H, W) with the kernel matrix, which is not normalized."""
    reflected = reflect(image, window)
    sums, totals = weighted_differences(reflected, spread, window, sigma_spatial)
    return sums + image * totals


def _dense_kernel(spread: Tensor, window: int, sigma_spatial: float) -> Tensor:
    """Scatter the taps into (N, C, HW, HW), folding those beyond a border back by index."""
    height, width = spread.shape[-2:]
    flat = spread.flatten(2)
    kernel = torch.diag_embed(torch.ones_like(flat))
    for dy, dx, log_weight in taps(window, sigma_spatial):
        rows = _reflected_index(height, dy, spread.device)
        columns = _reflected_index(width, dx, spread.device)
        target = (rows[:, None] * width + columns).flatten()
        weight = torch.exp2(log_weight - (flat[..., target] - flat).square())[..., None]
        kernel = kernel.scatter_add(-1, target[:, None].expand(weight.shape), weight)
    return kernel


def _reflected_index(size: int, shift: int, device: torch.device) -> Tensor:
    last = size - 1
    return last - (last - (torch.arange(size, device=device) + shift).abs()).abs()


def _check_arguments(
    x: Tensor, guide: Tensor | None, window: int, spatial: float, intensity: float, scaling: str
) -> None:
    images = {"x": x} if guide is None else {"x": x, "guide": guide}
    check_real(**images)
    check_shape("x", x, "N", "C", "H", "W")
    check_same_shape(**images)
    check_choice("normalization", scaling, ("row", "sinkhorn"))
    _check_window(window, spatial, intensity)
    shortest = min(x.shape[-2:])
    hint = f"it is too wide to reflect an image of {x.shape[-2]} x {x.shape[-1]} pixels"
    check_whole("kernel_size", window, 1, 2 * shortest - 1, hint)
    for name, image in images.items():
        check_values(name, image, hint="replace such pixels, for example with torch.nan_to_num")


def _check_window(kernel_size: int, sigma_spatial: float, sigma_intensity: float) -> None:
    if check_whole("kernel_size", kernel_size, 1) % 2 == 0:
        raise ValueError(complaint("kernel_size", kernel_size, "an odd number", "add or take 1"))
    check_number("sigma_spatial", sigma_spatial, above=0, finite=False)
    check_number("sigma_intensity", sigma_intensity, above=0, finite=False)

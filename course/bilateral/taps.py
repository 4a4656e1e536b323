"""Eq. 9 to 11 tap by tap: the spatial weights, and the sums over a window in plain operations.

A tap is an offset (dy, dx) within the window. The loops over taps here are what autograd, vmap and
torch.compile can follow; `course.bilateral.kernel` has the same sums without their cost.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import pad

SLOPE = -2 * math.log(2)
"""The slope of 2^(-d^2), in units of d 2^(-d^2)."""


def reflect(image: Tensor, window: int) -> Tensor:
    """Return a copy of (N, C, H, W) padded by half a window, mirrored at the border pixels.

    They are not repeated. It is always a copy, so the caller may change it.
    """
    return pad(image, (window // 2,) * 4, mode="reflect")


def log_spatial_weight(dy: int, dx: int, sigma: float) -> float:
    """Return the logarithm, to base 2, of Eq. 10 for one tap of the window."""
    vertical, horizontal = dy / sigma, dx / sigma
    # A product of floats overflows to infinity, which is right; ** would raise an error.
    return -0.5 * math.log2(math.e) * (vertical * vertical + horizontal * horizontal)


def guide_scale(sigma_intensity: float, dtype: torch.dtype) -> float:
    """Return the factor that makes Eq. 11 two to the power of -(difference in guide)^2.

    It is kept far below the largest number, so that it does not make pixels infinite.
    """
    scale = math.sqrt(0.5 * math.log2(math.e)) / sigma_intensity
    return min(scale, torch.finfo(dtype).max ** 0.75)


def taps(window: int, sigma: float) -> Iterator[tuple[int, int, float]]:
    """Yield each offset of the window but its centre, with its `log_spatial_weight`."""
    radius = window // 2
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            if dy or dx:
                yield dy, dx, log_spatial_weight(dy, dx, sigma)


def shifted(padded: Tensor, dy: int, dx: int, window: int) -> Tensor:
    """Return the neighbour at one tap for each pixel of a padded image, a view (N, C, H, W)."""
    top, left = window // 2 + dy, window // 2 + dx
    height, width = padded.shape[-2] - window + 1, padded.shape[-1] - window + 1
    return padded[..., top : top + height, left : left + width]


def sum_plainly(
    values: Tensor, guide: Tensor | None, window: int, sigma: float
) -> tuple[Tensor, Tensor]:
    """Return what `weighted_differences` returns, tap by tap, in memory that autograd may keep."""
    guide = values if guide is None else guide
    sums = torch.zeros_like(shifted(values, 0, 0, window))
    totals = torch.ones_like(sums)  # the weight of the centre
    for dy, dx, log_weight in taps(window, sigma):
        distance = shifted(guide, dy, dx, window) - shifted(guide, 0, 0, window)
        weight = torch.exp2(log_weight - distance.square())
        sums = sums + weight * (shifted(values, dy, dx, window) - shifted(values, 0, 0, window))
        totals = totals + weight
    return sums, totals


def pull_back_plainly(
    values: Tensor, guide: Tensor | None, window: int, sigma: float, p: Tensor, q: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Return the gradients of <p, S> + <q, D> with respect to values and guide, tap by tap."""
    spread = guide if guide is not None else values
    to_values, to_guide = torch.zeros_like(values), torch.zeros_like(spread)
    for dy, dx, log_weight in taps(window, sigma):
        distance = shifted(spread, dy, dx, window) - shifted(spread, 0, 0, window)
        weight = torch.exp2(log_weight - distance.square())
        apart = shifted(values, dy, dx, window) - shifted(values, 0, 0, window)
        to_values = to_values + _to_ends(p * weight, dy, dx, window)
        pull = SLOPE * (weight * distance) * (p * apart + q)
        to_guide = to_guide + _to_ends(pull, dy, dx, window)
    return (to_values + to_guide, None) if guide is None else (to_values, to_guide)


def _to_ends(pull: Tensor, dy: int, dx: int, window: int) -> Tensor:
    """Lay a pull on each pair on the padded image: plus at the neighbour, minus at the pixel."""
    radius = window // 2
    around = (radius + dx, radius - dx, radius + dy, radius - dy)
    return pad(pull, around) - pad(pull, (radius,) * 4)

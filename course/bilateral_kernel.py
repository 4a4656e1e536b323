"""The sums behind Eq. 9: every pair of neighbours is weighted once, in memory that stays small.

For each pixel i this module computes S_i, the sum over its window of w_ij (v_j - v_i), and D_i, the
sum of w_ij without the centre: the filter is v + S / (1 + D). As w_ij = w_ji, half of the window
gives both ends of every pair. Images lie padded in one flat vector, so that a tap of the window is
one constant offset; what wraps around a row only reaches the padding, which is cut off at the end.

A row of taps is worked off in blocks that fit the processor's cache, so memory is a few copies of
the image and a fixed workspace. Autograd would keep the weights of all taps, a window's worth of
images; the backward pass here computes them again instead. Weights are powers of 2, which torch
computes on a CPU in half the time of powers of e.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

# Numbers in one buffer of the workspace: on a CPU a few buffers must fit the cache, and an
# operation must last longer than it takes to start it; elsewhere only the latter counts.
_BLOCK_ON_CPU, _BLOCK_ELSEWHERE = 1 << 18, 1 << 22
_SLOPE = -2 * math.log(2)  # of 2^(-d^2), in units of d 2^(-d^2)


def reflect(image: Tensor, window: int) -> Tensor:
    """Pad (N, C, H, W) by half a window, mirrored at the border pixels, which are not repeated."""
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


def weighted_differences(
    values: Tensor, guide: Tensor | None, window: int, sigma: float
) -> tuple[Tensor, Tensor]:
    """Return S and D, each (N, C, H, W), from reflected values and guide (N, C, H + 2r, W + 2r).

    The guide, or if it is None the values, come multiplied with `guide_scale`. Derivatives of
    every order are there, those beyond the first through autograd, in memory that grows with the
    window.
    """
    return _WeightedDifferences.apply(values, guide, window, sigma)


class _WeightedDifferences(torch.autograd.Function):
    @staticmethod
    def forward(
        values: Tensor, guide: Tensor | None, window: int, sigma: float
    ) -> tuple[Tensor, Tensor]:
        flat = values.reshape(-1)
        flat_guide = flat if guide is None else guide.reshape(-1)
        sums, totals = torch.zeros_like(flat), torch.zeros_like(flat)
        for block in _blocks(values, window, sigma, n_buffers=2):
            weight, weighted = block.weigh(flat_guide)
            if guide is not None:
                block.subtract(flat, out=weighted)
            weighted.mul_(weight)
            block.add_to_ends(totals, 0, sign=1)
            block.add_to_ends(sums, 1, sign=-1)
        sums, totals = (_shifted(t.view(values.shape), 0, 0, window) for t in (sums, totals))
        return sums, totals

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        values, guide, *ctx.kernel = inputs
        ctx.save_for_backward(values, guide)

    @staticmethod
    def backward(ctx: Any, p: Tensor, q: Tensor) -> tuple[Tensor | None, ...]:
        values, guide = ctx.saved_tensors
        # Gradients are recorded here only if somebody asked for second derivatives.
        pull_back = _pull_back_plainly if torch.is_grad_enabled() else _pull_back
        return *pull_back(values, guide, *ctx.kernel, p, q), None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Any, tuple[int, int]]:
        return torch.vmap(_sum_plainly, in_dims)(*inputs), (0, 0)


def _pull_back(
    values: Tensor, guide: Tensor | None, window: int, sigma: float, p: Tensor, q: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Return the gradients of <p, S> + <q, D> with respect to values and guide.

    A pair contributes w ((p_i - p_j)(v_j - v_i) + q_i + q_j), and its derivatives with respect to
    its two ends are opposite: they, too, are computed once for both.
    """
    p, minus_q = (pad(u, (window // 2,) * 4).reshape(-1) for u in (p, -q))
    flat = values.reshape(-1)
    flat_guide = flat if guide is None else guide.reshape(-1)
    to_values = torch.zeros_like(flat)
    to_guide = None if guide is None else torch.zeros_like(flat)
    for block in _blocks(values, window, sigma, n_buffers=4 if guide is None else 5):
        weight, distance = block.weigh(flat_guide)
        p_difference = block.subtract(p, out=block.views[2])
        to_weight = block.add(minus_q, out=block.views[3])
        apart = distance if guide is None else block.subtract(flat, out=block.views[4])
        to_weight.addcmul_(p_difference, apart)
        distance.mul_(weight)  # first: a huge distance has the weight 0
        weight.mul_(p_difference)
        if guide is None:
            weight.addcmul_(distance, to_weight, value=_SLOPE)
        else:
            distance.mul_(to_weight.mul_(_SLOPE))
            block.add_to_ends(to_guide, 1, sign=-1)
        block.add_to_ends(to_values, 0, sign=-1)
    return to_values.view(values.shape), None if guide is None else to_guide.view(values.shape)


class _Block:
    """A stretch of the flat image against one row of the window: k neighbours of m pixels.

    `views` (k, m) are the parts of the buffers to work in. The first two buffers have margins of
    zeros, so that sums over pairs by their far end are sums over a sheared view.
    """

    def __init__(self, start: int, length: int, shift: int, logs: Tensor, buffers: Tensor) -> None:
        self.start, self.length, self.shift, self.logs = start, length, shift, logs
        self.k = len(logs)
        self.buffers, self.ones = buffers, torch.ones_like(logs[:, 0])
        self.views = buffers[:, :, self.k - 1 : self.k - 1 + length].unbind()
        buffers[:2, :, self.k - 1 + length :] = 0  # a shorter last block leaves old numbers there

    def weigh(self, flat_guide: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weights and the differences in guide, in the first two buffers."""
        weight, distance = self.views[:2]
        self.subtract(flat_guide, out=distance)
        torch.addcmul(self.logs, distance, distance, value=-1, out=weight).exp2_()
        return weight, distance

    def subtract(self, flat: Tensor, *, out: Tensor) -> Tensor:
        return torch.sub(self._far(flat), self._near(flat), out=out)

    def add(self, flat: Tensor, *, out: Tensor) -> Tensor:
        return torch.add(self._far(flat), self._near(flat), out=out)

    def add_to_ends(self, flat: Tensor, buffer: int, *, sign: int) -> None:
        """Add a buffer to the near ends of its pairs and, `sign` times, to the far ends."""
        k, reach = self.k, self.length + self.k - 1
        far = self.start + self.shift
        by_far_end = self.buffers[buffer][:, k - 1 :].as_strided(
            (reach, k), (1, max(self.buffers.stride(1) - 1, 1))
        )
        self._near(flat).addmv_(self.views[buffer].t(), self.ones)
        flat[far : far + reach].addmv_(by_far_end, self.ones, alpha=sign)

    def _near(self, flat: Tensor) -> Tensor:
        return flat[self.start : self.start + self.length]

    def _far(self, flat: Tensor) -> Tensor:
        return flat[self.start + self.shift :].as_strided((self.k, self.length), (1, 1))


def _blocks(padded: Tensor, window: int, sigma: float, n_buffers: int) -> Iterator[_Block]:
    """Walk over half of the window, row by row, and over the image in blocks."""
    radius, width = window // 2, padded.shape[-1]
    # Pixels beyond are padding, and so are their neighbours: no pair of theirs counts.
    total = padded.numel() - radius * width - radius
    size = _BLOCK_ON_CPU if padded.device.type == "cpu" else _BLOCK_ELSEWHERE
    for dy in range(radius + 1 if total > 0 else 0):
        first = -radius if dy else 1
        k = radius + 1 - first
        logs = [log_spatial_weight(dy, dx, sigma) for dx in range(first, radius + 1)]
        if not k:
            continue
        n_blocks = -(-total // max(size // k, 1))
        length = -(-total // n_blocks)
        buffers = padded.new_zeros(n_buffers, k, length + 2 * (k - 1))
        columns = padded.new_tensor(logs)[:, None]
        for start in range(0, total, length):
            stretch = min(length, total - start)
            yield _Block(start, stretch, dy * width + first, columns, buffers)


def _shifted(padded: Tensor, dy: int, dx: int, window: int) -> Tensor:
    top, left = window // 2 + dy, window // 2 + dx
    height, width = padded.shape[-2] - window + 1, padded.shape[-1] - window + 1
    return padded[..., top : top + height, left : left + width]


def _sum_plainly(
    values: Tensor, guide: Tensor | None, window: int, sigma: float
) -> tuple[Tensor, Tensor]:
    """`weighted_differences` tap by tap, for transforms that know only ordinary operations."""
    guide = values if guide is None else guide
    sums = totals = torch.zeros_like(_shifted(values, 0, 0, window))
    for dy, dx, log_weight in taps(window, sigma):
        distance = _shifted(guide, dy, dx, window) - _shifted(guide, 0, 0, window)
        weight = torch.exp2(log_weight - distance.square())
        sums = sums + weight * (_shifted(values, dy, dx, window) - _shifted(values, 0, 0, window))
        totals = totals + weight
    return sums, totals


def _pull_back_plainly(
    values: Tensor, guide: Tensor | None, window: int, sigma: float, p: Tensor, q: Tensor
) -> tuple[Tensor, Tensor | None]:
    """`_pull_back` tap by tap, of operations that autograd can follow."""
    spread = guide if guide is not None else values
    to_values, to_guide = torch.zeros_like(values), torch.zeros_like(spread)
    for dy, dx, log_weight in taps(window, sigma):
        distance = _shifted(spread, dy, dx, window) - _shifted(spread, 0, 0, window)
        weight = torch.exp2(log_weight - distance.square())
        apart = _shifted(values, dy, dx, window) - _shifted(values, 0, 0, window)
        to_values = to_values + _to_ends(p * weight, dy, dx, window)
        pull = _SLOPE * (weight * distance) * (p * apart + q)
        to_guide = to_guide + _to_ends(pull, dy, dx, window)
    return (to_values + to_guide, None) if guide is None else (to_values, to_guide)


def _to_ends(pull: Tensor, dy: int, dx: int, window: int) -> Tensor:
    """Lay a pull on each pair on the padded image: plus at the neighbour, minus at the pixel."""
    radius = window // 2
    around = (radius + dx, radius - dx, radius + dy, radius - dy)
    return pad(pull, around) - pad(pull, (radius,) * 4)

"""The sums behind Eq. 9: every pair of neighbours is weighted once, in memory that stays small.

For each pixel i this module computes S_i, the sum over its window of w_ij (v_j - v_i), and D_i, the
sum of w_ij: the filter is v + S / D. As w_ij = w_ji, half of the window gives both ends of every
pair. Images lie padded in one flat vector, so that a tap of the window is one constant offset; what
wraps around a row only reaches the padding, which is cut off at the end.

The flat vector is worked off in stretches: all taps of a stretch at once, in a workspace that does
not grow with the window, so memory is a few copies of the image. Autograd would keep the weights of
all taps, a window's worth of images; the backward pass here computes them again instead. Weights
are powers of 2, which torch computes on a CPU faster than powers of e.

`torch.compile` turns a loop over taps into one pass over the image by itself. So it is given that
loop, and everything else here is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from course.bilateral.taps import SLOPE, log_spatial_weight, pull_back_plainly, shifted, sum_plainly

# Numbers in the workspace, measured: an operation must last longer than it takes to start it, and
# on a CPU the buffers should fit the caches. A backward pass is to fit in little memory, too.
_FORWARD_ON_CPU, _BACKWARD_ON_CPU, _WORKSPACE_ELSEWHERE = 1 << 21, 1 << 20, 1 << 24
# Forward it is no smaller than this many images: the GNU C library keeps freed memory for the next
# call up to twice the largest block, and to fetch what it gave back took as long as the filter.
_IMAGES_IN_WORKSPACE = 4


def weighted_differences(
    values: Tensor, guide: Tensor | None, window: int, sigma: float
) -> tuple[Tensor, Tensor]:
    """Return S and D, each (N, C, H, W), from reflected values and guide (N, C, H + 2r, W + 2r).

    The guide, or if it is None the values, come multiplied with `guide_scale`. Derivatives of
    every order are there, those beyond the first through autograd, in memory that grows with the
    window.
    """
    if torch.compiler.is_compiling() and not _wants_gradient(values, guide):
        # Padding that is fused into the loop makes its reads irregular, and the loop slow.
        torch._dynamo.graph_break()
        return sum_plainly(values, guide, window, sigma)
    return _WeightedDifferences.apply(values, guide, window, sigma)


def _wants_gradient(values: Tensor, guide: Tensor | None) -> bool:
    of_guide = guide is not None and guide.requires_grad
    return torch.is_grad_enabled() and (values.requires_grad or of_guide)


class _WeightedDifferences(torch.autograd.Function):
    @staticmethod
    def forward(
        values: Tensor, guide: Tensor | None, window: int, sigma: float
    ) -> tuple[Tensor, Tensor]:
        flat = values.reshape(-1)
        flat_guide = flat if guide is None else guide.reshape(-1)
        ends = values.new_zeros(2, flat.numel())
        ends[0] = 1  # the weight of the centre
        signs = values.new_tensor([[1], [-1]])
        size = max(_FORWARD_ON_CPU, _IMAGES_IN_WORKSPACE * values.numel())
        for stretch in _stretches(values, window, sigma, 2, size):
            weight, weighted = stretch.weigh(flat_guide)
            if guide is not None:
                stretch.subtract(flat, out=weighted)
            weighted.mul_(weight)
            stretch.add_to_ends(ends, signs)
        totals, sums = (shifted(end.view(values.shape), 0, 0, window) for end in ends)
        return sums, totals

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        values, guide, *ctx.kernel = inputs
        ctx.save_for_backward(values, guide)

    @staticmethod
    def backward(ctx: Any, p: Tensor, q: Tensor) -> tuple[Tensor | None, ...]:
        values, guide = ctx.saved_tensors
        # Gradients are recorded here only if somebody asked for second derivatives.
        pull_back = pull_back_plainly if torch.is_grad_enabled() else _pull_back
        return *pull_back(values, guide, *ctx.kernel, p, q), None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Any, tuple[int, int]]:
        return torch.vmap(sum_plainly, in_dims)(*inputs), (0, 0)


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
    ends = flat.new_zeros(1 if guide is None else 2, flat.numel())
    signs, n_buffers = -flat.new_ones(len(ends), 1), 4 if guide is None else 5
    for stretch in _stretches(values, window, sigma, n_buffers, _BACKWARD_ON_CPU):
        weight, distance = stretch.weigh(flat_guide)
        p_difference = stretch.subtract(p, out=stretch.views[2])
        to_weight = stretch.add(minus_q, out=stretch.views[3])
        apart = distance if guide is None else stretch.subtract(flat, out=stretch.views[4])
        to_weight.addcmul_(p_difference, apart)
        distance.mul_(weight)  # first: a huge distance has the weight 0
        weight.mul_(p_difference)
        if guide is None:
            weight.addcmul_(distance, to_weight, value=SLOPE)
        else:
            distance.mul_(to_weight.mul_(SLOPE))
        stretch.add_to_ends(ends, signs)
    gradients = ends.view(len(ends), *values.shape)
    return gradients[0], None if guide is None else gradients[1]


class _Taps(NamedTuple):
    """A rectangle of taps: what lies right of the centre, or the rows of the window below it."""

    first: int  # its first tap, in the order of all taps of the half window
    n_rows: int
    n_columns: int
    shift: int  # from a pixel to its neighbour at the first tap, in the flat image


class _Stretch:
    """A stretch of the flat images against half of the window: its K taps of m pixels.

    `views` (K, m) are the parts of the buffers to work in. The first two buffers have margins of
    zeros, so that sums over pairs by their far end are sums over a sheared view.
    """

    def __init__(self, start: int, length: int, half: _HalfWindow, buffers: Tensor) -> None:
        self.start, self.length, self.half = start, length, half
        self.worked = buffers[:, :, half.margin : half.margin + length]
        self.views = self.worked.unbind()

    def weigh(self, flat_guide: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weights and the differences in guide, in the first two buffers."""
        weight, distance = self.views[:2]
        self.subtract(flat_guide, out=distance)
        torch.addcmul(self.half.logs, distance, distance, value=-1, out=weight).exp2_()
        return weight, distance

    def subtract(self, flat: Tensor, *, out: Tensor) -> Tensor:
        """Return the far end of each pair less its near end."""
        return self._combine(torch.sub, flat, out)

    def add(self, flat: Tensor, *, out: Tensor) -> Tensor:
        """Return the sum over both ends of each pair."""
        return self._combine(torch.add, flat, out)

    def add_to_ends(self, ends: Tensor, signs: Tensor) -> None:
        """Add the first buffers to `ends` at the near ends of pairs, `signs` times at the far."""
        n, (per_buffer, per_tap, _) = len(ends), self.worked.stride()
        ends[:, self.start : self.start + self.length] += self.worked[:n].sum(1)
        for first, n_rows, n_columns, shift in self.half.rectangles:
            shape = (n, n_columns, self.length + n_columns - 1)
            for row in range(n_rows):  # a sum over rows, too, takes many times as long
                by_far_end = self.worked[:n, first + row * n_columns :].as_strided(
                    shape, (per_buffer, per_tap - 1, 1)
                )
                far = self.start + shift + row * self.half.width
                ends[:, far : far + shape[2]].addcmul_(by_far_end.sum(1), signs)

    def _combine(self, operation: Callable, flat: Tensor, out: Tensor) -> Tensor:
        near = flat[self.start : self.start + self.length]
        for first, n_rows, n_columns, shift in self.half.rectangles:
            shape = (n_rows, n_columns, self.length)
            far = flat[self.start + shift :].as_strided(shape, (self.half.width, 1, 1))
            taps_of_it = out[first : first + n_rows * n_columns]
            operation(far, near, out=taps_of_it.unflatten(0, shape[:2]))
        return out


class _HalfWindow:
    """The taps behind the centre, which with their mirror images are the window.

    `logs` (K, 1) are their spatial weights, `margin` is how far the ends of a row are apart.
    """

    def __init__(self, padded: Tensor, window: int, sigma: float) -> None:
        radius, self.width, self.margin = window // 2, padded.shape[-1], window - 1
        self.rectangles = [
            _Taps(0, 1, radius, shift=1),
            _Taps(radius, radius, window, shift=self.width - radius),
        ]
        behind = [(dy, dx) for dy in range(radius + 1) for dx in range(-radius, radius + 1)]
        logs = [log_spatial_weight(*tap, sigma) for tap in behind[radius + 1 :]]
        self.logs = padded.new_tensor(logs)[:, None]
        # Pixels beyond are padding, and so are their neighbours: no pair of theirs counts.
        self.n_pixels = padded.numel() - radius * self.width - radius


def _stretches(
    padded: Tensor, window: int, sigma: float, n_buffers: int, size: int
) -> Iterator[_Stretch]:
    """Cut flat images into stretches whose taps fill `size` numbers, a workspace."""
    half = _HalfWindow(padded, window, sigma)
    if window == 1 or half.n_pixels <= 0:
        return
    if padded.device.type != "cpu":
        size = _WORKSPACE_ELSEWHERE
    n_stretches = -(-half.n_pixels // max(size // n_buffers // len(half.logs), 1))
    length = -(-half.n_pixels // n_stretches)
    buffers = padded.new_empty(n_buffers, len(half.logs), length + 2 * half.margin)
    buffers[:2, :, : half.margin] = buffers[:2, :, -half.margin :] = 0
    for start in range(0, half.n_pixels, length):
        if start + length > half.n_pixels:  # shorter, with old numbers behind it
            length = half.n_pixels - start
            buffers[:2, :, half.margin + length :] = 0
        yield _Stretch(start, length, half, buffers)

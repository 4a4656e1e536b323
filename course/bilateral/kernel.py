"""The sums behind Eq. 9: every pair of neighbours is weighted once, in memory that stays small.

For each pixel i this module computes S_i, the sum over its window of w_ij (v_j - v_i), and D_i, the
sum of w_ij: the filter is v + S / D. As w_ij = w_ji, half of the window gives both ends of every
pair. All planes lie below each other in one tall image, so that a tap of the window is one shift of
it; what crosses from plane to plane only reaches the padding, which is cut off at the end.

The tall image is worked off in blocks of rows that fit a CPU's caches, in place, so memory is a few
copies of the image. Autograd would keep the weights of all taps, a window's worth of images; the
backward pass here computes them again instead. Weights are powers of 2, which torch computes on a
CPU faster than powers of e.

`torch.compile` turns a loop over taps into one pass over the image by itself. So it is given that
loop, and everything else here is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from course.bilateral.taps import SLOPE, pull_back_plainly, shifted, sum_plainly, taps

# Numbers in a buffer, measured: an operation must last longer than it takes to start it, and on a
# CPU the buffers should fit the caches.
_BUFFER_ON_CPU, _BUFFER_ELSEWHERE = 1 << 18, 1 << 24

_Window = tuple[slice, slice]


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
        rows, spread = _tall(values), _tall(values if guide is None else guide)
        sums, totals = torch.zeros_like(rows), torch.ones_like(rows)  # 1 is the centre's weight
        for near, far, log, (weight, apart) in _pairs(values, window, sigma, 2):
            _weigh(spread[far], spread[near], log, weight, apart)
            if guide is not None:
                torch.sub(rows[far], rows[near], out=apart)
            apart.mul_(weight)
            sums[near].add_(apart)
            sums[far].sub_(apart)
            totals[near].add_(weight)
            totals[far].add_(weight)
        sums, totals = (shifted(tall.view(values.shape), 0, 0, window) for tall in (sums, totals))
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
    p, q = (_tall(pad(u, (window // 2,) * 4)) for u in (p, q))
    rows, spread = _tall(values), _tall(values if guide is None else guide)
    ends = rows.new_zeros(1 if guide is None else 2, *rows.shape)
    n_buffers = 4 if guide is None else 5
    for near, far, log, buffers in _pairs(values, window, sigma, n_buffers):
        weight, distance, p_difference, to_weight, apart = *buffers[:4], buffers[-1]
        _weigh(spread[far], spread[near], log, weight, distance)
        apart = distance if guide is None else torch.sub(rows[far], rows[near], out=apart)
        torch.sub(p[near], p[far], out=p_difference)
        torch.add(q[near], q[far], out=to_weight).addcmul_(p_difference, apart)
        distance.mul_(weight)  # first: a huge distance has the weight 0
        weight.mul_(p_difference)
        if guide is None:
            weight.addcmul_(distance, to_weight, value=SLOPE)
        else:
            distance.mul_(to_weight.mul_(SLOPE))
        for end, pull in zip(ends, (weight, distance)):
            end[far].add_(pull)
            end[near].sub_(pull)
    gradients = ends.view(len(ends), *values.shape)
    return gradients[0], None if guide is None else gradients[1]


def _weigh(far: Tensor, near: Tensor, log: Tensor, weight: Tensor, distance: Tensor) -> None:
    """Write the differences in guide into `distance` and the weights of Eq. 9 into `weight`."""
    torch.sub(far, near, out=distance)
    torch.addcmul(log, distance, distance, value=-1, out=weight).exp2_()


def _tall(images: Tensor) -> Tensor:
    """Return the planes of (N, C, H, W) below each other, (N C H, W)."""
    return images.reshape(-1, images.shape[-1])


def _pairs(
    padded: Tensor, window: int, sigma: float, n_buffers: int
) -> Iterator[tuple[_Window, _Window, Tensor, Tensor]]:
    """Yield both ends of all pairs, block by block and tap by tap: near and far windows.

    With them come the logarithm of the tap's spatial weight and buffers of the windows' size.
    """
    radius, width, n_rows = window // 2, padded.shape[-1], len(_tall(padded))
    behind = [tap for tap in taps(window, sigma) if tap[:2] > (0, 0)]
    logs = padded.new_tensor([log for _, _, log in behind]).unbind()
    size = _BUFFER_ON_CPU if padded.device.type == "cpu" else _BUFFER_ELSEWHERE
    block = min(max(1, size // max(1, width)), n_rows)
    workspace = padded.new_empty(n_buffers, block * width)
    for start in range(0, n_rows, max(1, block)):
        for (dy, dx, _), log in zip(behind, logs):
            stop = min(start + block, n_rows - dy)
            # Columns further out are padding at both ends.
            left, right = radius - max(dx, 0), width - radius - min(dx, 0)
            shape = (n_buffers, max(0, stop - start), right - left)
            near = slice(start, stop), slice(left, right)
            far = slice(start + dy, stop + dy), slice(left + dx, right + dx)
            if shape[1]:
                yield near, far, log, workspace[:, : shape[1] * shape[2]].view(shape)

"""The motion of a clip on a grid of latents: where a cell goes, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, pad

from course.clips import Clip
from course.metrics import warp


@dataclass(frozen=True)
class Motion:
    """Flow in both directions between T frames on one grid, in cells, x before y.

    `forward` (T-1, 2, h, w) leads from frame t to t+1, `backward` from t+1 to t. `lost` and `new`
    (T-1, 1, h, w) in [0, 1] are the shares of a cell of frame t that t+1 does not show, and of a
    cell of t+1 that t did not show.
    """

    forward: Tensor
    backward: Tensor
    new: Tensor
    lost: Tensor

    @classmethod
    def of(cls, clip: Clip, size: tuple[int, int]) -> Motion:
        """Return the motion of a clip, averaged from pixels down to a grid of `size` (h, w).

        Raises ValueError for a clip that does not know its flow.
        """
        if clip.flow is None:
            raise ValueError(
                "the method follows the clip's optical flow and this clip has none; give "
                "Clip(..., flow=...) of shape (T-1, 2, H, W) in pixels, take a rendered scene, or "
                "choose a method that needs no flow"
            )
        lost = torch.zeros_like(clip.flow[:, :1]) if clip.occlusion is None else clip.occlusion
        return cls(clip.flow, *reverse_flow(clip.flow, lost), lost=lost).at(size)

    def at(self, size: tuple[int, int]) -> Motion:
        """Return the same motion on a coarser grid (h, w)."""
        height, width = self.forward.shape[-2:]
        if (height, width) == tuple(size):
            return self
        scale = self.forward.new_tensor([size[1] / width, size[0] / height])[:, None, None]
        parts = (adaptive_avg_pool2d(part, size) for part in vars(self).values())
        forward, backward, new, lost = parts
        return Motion(forward * scale, backward * scale, new, lost)

    def on_grid_of(self, n_tokens: int) -> Motion:
        """Return the same motion on the grid of a layer with this number of tokens.

        Raises ValueError where halving the grid, as strides of 2 do, never gives that number.
        """
        height, width = self.forward.shape[-2:]
        stride, size = 1, (height, width)
        while size[0] * size[1] > n_tokens:
            stride *= 2
            size = -(-height // stride), -(-width // stride)  # such a convolution rounds up
        if size[0] * size[1] != n_tokens:
            raise ValueError(
                f"{n_tokens} tokens are no coarser grid of {height} x {width} cells, whose sides "
                "must be halved some times; take a method that asks no layer, such as pixel_flow"
            )
        # An odd side's last cell lies half outside: with its border repeated, all are of one size.
        beyond = (0, stride * size[1] - width, 0, stride * size[0] - height)
        padded = (pad(part, beyond, mode="replicate") for part in vars(self).values())
        return Motion(*padded).at(size)

    def of_object(self, mask: Tensor) -> Motion:
        """Return the motion of the object in a mask (T, 1, h, w) in [0, 1], visible there only.

        It is one flow for each pair of frames: the mean over the mask, in which a cell counts the
        more, the further its flow departs from the mean outside. So an object that an edit makes
        larger than it was moves as a whole. Source: parametric motion of a layer, Wang and Adelson
        1994, "Representing moving images with layers", with the simplest of models.
        """
        mask = mask.to(self.forward)
        return Motion(
            _flow_of_object(self.forward, mask[:-1]), _flow_of_object(self.backward, mask[1:]),
            new=1 - mask[1:], lost=1 - mask[:-1],
        )  # fmt: skip

    @staticmethod
    def carry(cells: Tensor, flow: Tensor) -> Tensor:
        """Return cells (..., N, C, h, w) read where flow (N, 2, h, w) points, bilinearly."""
        groups = cells.shape[:-4].numel()
        moved = warp(cells.reshape(-1, *cells.shape[-3:]), flow.to(cells).repeat(groups, 1, 1, 1))
        return moved.reshape(cells.shape)

    def displacements(self, frame: int) -> Tensor:
        """Return how far every cell of a frame has moved in each frame, and if it is gone there.

        (T, 3, h, w): x and y in cells, then the share, from 0 to 1, that is hidden there or was
        on the way. Steps are followed one by one; between cells the flow is interpolated.
        """
        here = torch.zeros_like(torch.cat([self.forward[:1], self.lost[:1]], 1))
        ahead, behind = [here], []
        for t in range(frame, len(self.forward)):
            ahead.append(self._further(ahead[-1], self.forward[t], self.lost[t]))
        last = here
        for t in reversed(range(frame)):
            last = self._further(last, self.backward[t], self.new[t])
            behind.append(last)
        return torch.cat(behind[::-1] + ahead)

    def _further(self, places: Tensor, flow: Tensor, hidden: Tensor) -> Tensor:
        step = self.carry(torch.cat([flow, hidden])[None], places[:, :2])
        moved, gone = (places + step).split([2, 1], 1)
        return torch.cat([moved, gone.clamp(0, 1)], 1)


def _flow_of_object(flow: Tensor, mask: Tensor) -> Tensor:
    """Return flow (N, 2, h, w) that is everywhere that of what moves in a mask (N, 1, h, w)."""
    own, outside = flow.float(), 1 - mask.float()  # squares of half precision would overflow
    rest = _mean(own, outside)
    departs = mask.float() * (own - rest).square().sum(1, keepdim=True)
    return (rest + _mean(own - rest, departs)).to(flow).expand_as(flow)


def _mean(flow: Tensor, weight: Tensor) -> Tensor:
    """Return the mean (N, 2, 1, 1) of a flow; 0 where nothing has a weight."""
    total = weight.mean((2, 3), keepdim=True)
    return (weight * flow).mean((2, 3), keepdim=True) / total.clamp_min(1e-9)


def reverse_flow(flow: Tensor, occlusion: Tensor) -> tuple[Tensor, Tensor]:
    """Return the flow (N, 2, h, w) back from t+1 to t, and where t+1 shows what t did not.

    Every point of frame t that stays visible carries minus its flow to where it lands and shares
    it out among the four cells there (forward splatting); occluded points carry nothing. Cells
    that little arrives at are new, (N, 1, h, w), to the degree that they are empty; their flow is
    that of whatever arrives, or 0.
    """
    height, width = flow.shape[-2:]
    columns = torch.arange(width, device=flow.device, dtype=flow.dtype)
    rows = torch.arange(height, device=flow.device, dtype=flow.dtype)
    x, y = columns + flow[:, 0], rows[:, None] + flow[:, 1]
    left, top = x.floor(), y.floor()
    carried = torch.cat([-flow, torch.ones_like(flow[:, :1])], 1) * (1 - occlusion)
    landed = torch.zeros_like(carried).flatten(2)
    for right, below in ((0, 0), (1, 0), (0, 1), (1, 1)):
        column, row = left + right, top + below
        weight = (1 - (x - column).abs()) * (1 - (y - row).abs())
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        index = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
        index = index.long().flatten(1)[:, None].expand(-1, 3, -1)
        landed.scatter_add_(2, index, (carried * (weight * inside)[:, None]).flatten(2))
    total = landed[:, 2:].unflatten(2, (height, width))
    backward = landed[:, :2].unflatten(2, (height, width)) / total.clamp_min(1e-6)
    return backward, 1 - total.clamp(0, 1)

"""How steady a clip is: similarity of neighbours (Eqs. 3 and 19), error and flicker along the flow.

Consistency alone proves nothing: a frozen clip has similarity 1 and temporal loss 0 whatever it
shows. Show one beside every edit.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from course.temporal import adjacent_similarities, temporal_loss

_INSIDE = 1 - 1e-4  # coverage that is full but for rounding


def warp(frames: Tensor, flow: Tensor) -> Tensor:
    """Return frames (N, C, H, W) read where ``flow`` (N, 2, H, W) in pixels points, bilinearly.

    Positions outside repeat the border. Source: backward warping, as in every flow benchmark.
    """
    height, width = frames.shape[-2:]
    columns = torch.arange(width, device=flow.device, dtype=flow.dtype)
    rows = torch.arange(height, device=flow.device, dtype=flow.dtype)
    x = (columns + flow[:, 0] + 0.5) * (2 / width) - 1
    y = (rows[:, None] + flow[:, 1] + 0.5) * (2 / height) - 1
    return functional.grid_sample(
        frames, torch.stack([x, y], -1), padding_mode="border", align_corners=False
    )


def warping_error(frames: Tensor, flow: Tensor, occlusion: Tensor | None = None) -> Tensor:
    """Return the mean squared difference of each frame and its flow-warped successor, ().

    Frames (T, 3, H, W), ``flow`` (T-1, 2, H, W) from frame t to t+1 in pixels, ``occlusion``
    (T-1, 1, H, W) with 1 where a point cannot be seen in t+1: it does not count. The usual warping
    error of video editing, here with exact flow. Moving shadows count as errors: flow is of
    surfaces. Raises ValueError where the flow does not fit the frames.
    """
    _check_flow(frames, flow)
    squared = (warp(frames[1:], flow) - frames[:-1]).square().mean(1, keepdim=True)
    if occlusion is None:
        return squared.mean()
    visible = 1 - occlusion
    return (squared * visible).sum() / visible.sum()


def flicker(frames: Tensor, flow: Tensor, mask: Tensor) -> Tensor:
    """Return by how many of 255 levels a point of the object changes from frame to frame, ().

    Frames (T, 3, H, W), ``flow`` (T-1, 2, H, W) from frame t to t+1 in pixels, ``mask``
    (T, 1, H, W) the object's coverage. The root mean square over colours and over the points that
    lie wholly inside the object in both frames: nothing is mixed with the background. An object
    without such points gives nan. Raises ValueError where flow or mask do not fit the frames.
    """
    _check_flow(frames, flow)
    if mask.shape != frames[:, :1].shape:
        raise ValueError(
            f"mask {tuple(mask.shape)} does not fit frames {tuple(frames.shape)}: wanted "
            f"{tuple(frames[:, :1].shape)}"
        )
    inside = ((mask[:-1] > _INSIDE) & (warp(mask[1:], flow) > _INSIDE)).to(frames.dtype)
    squared = (warp(frames[1:], flow) - frames[:-1]).square().mean(1, keepdim=True)
    return 255 * ((squared * inside).sum() / inside.sum()).sqrt()


def similarity_summary(features: Tensor) -> dict[str, Tensor]:
    """Return mean, minimum and deviation of adjacent similarities (Eq. 3), and the loss (Eq. 19).

    Features (T, ...) with T >= 3. The loss is 0 for any constant similarity, be it 0 or 1.
    """
    similarities = adjacent_similarities(features)
    return {
        "similarity_mean": similarities.mean(),
        "similarity_min": similarities.min(),
        "similarity_std": similarities.std(),
        "temporal_loss": temporal_loss(features),
    }


def _check_flow(frames: Tensor, flow: Tensor) -> None:
    wanted = (len(frames) - 1, 2, *frames.shape[-2:])
    if tuple(flow.shape) != wanted:
        raise ValueError(
            f"flow {tuple(flow.shape)} does not fit frames {tuple(frames.shape)}: wanted {wanted}, "
            "one flow field less than frames, of the same height and width"
        )

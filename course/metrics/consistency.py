"""What the course measures on a clip, each with its definition and the trap that goes with it.

Consistency alone proves nothing: a frozen clip has similarity 1 and temporal loss 0 whatever it
shows. Show one beside every edit.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from course.temporal import adjacent_similarities, temporal_loss


def psnr(images: Tensor, reference: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the peak signal-to-noise ratio in dB of images in [0, 1] against a reference, ().

    Images (..., C, H, W) of one shape; ``weight`` broadcasts over them and says how much a pixel
    counts. 10 log10(1 / mean squared error); equal images give infinity, no weight at all nan.
    """
    if images.shape != reference.shape:
        raise ValueError(
            f"images {tuple(images.shape)} and reference {tuple(reference.shape)} differ in shape"
        )
    squared = (images - reference).square()
    if weight is None:
        return -10 * squared.mean().log10()
    weight = weight.expand_as(squared)
    return -10 * ((squared * weight).sum() / weight.sum()).log10()


def background_psnr(images: Tensor, reference: Tensor, mask: Tensor) -> Tensor:
    """Return the PSNR in dB over the pixels that no part of the object touches, ().

    Frames (T, 3, H, W), ``mask`` (T, 1, H, W) the object's coverage. Give the union of the masks
    where an edit changes the object's outline.
    """
    return psnr(images, reference, (mask <= 0).to(images.dtype))


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
    if len(flow) != len(frames) - 1 or flow.shape[-2:] != frames.shape[-2:]:
        raise ValueError(
            f"flow {tuple(flow.shape)} does not fit frames {tuple(frames.shape)}: wanted one flow "
            "field less than frames, of the same height and width"
        )
    squared = (warp(frames[1:], flow) - frames[:-1]).square().mean(1, keepdim=True)
    if occlusion is None:
        return squared.mean()
    visible = 1 - occlusion
    return (squared * visible).sum() / visible.sum()


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

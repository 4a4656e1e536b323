"""How near pictures are to a reference: PSNR and SSIM, over everything or over a part."""

from __future__ import annotations

import torch
from torch import Tensor


def psnr(images: Tensor, reference: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the peak signal-to-noise ratio in dB of images in [0, 1] against a reference, ().

    Images (..., C, H, W) of one shape; ``weight`` broadcasts over them and says how much a pixel
    counts. 10 log10(1 / mean squared error); equal images give infinity, no weight at all nan.
    """
    _check_same_shape(images, reference)
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


def ssim(images: Tensor, reference: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the structural similarity of images (N, C, H, W) in [0, 1] to a reference, ().

    In [-1, 1], 1 for equal images: the mean over images, colours and pixels. ``weight``
    (N, 1, H, W) says how much a pixel counts (default: all alike, but for a margin of 5 pixels).
    scikit-image computes it, on the host: this is a reporting boundary. Raises ValueError for
    shapes that differ or sides below 11 pixels.
    Source: Wang and others 2004, with their Gaussian window of 11 pixels and deviation 1.5.
    """
    from skimage.metrics import structural_similarity  # imports scipy, which takes its time

    _check_same_shape(images, reference)
    if min(images.shape[-2:]) < 11:
        raise ValueError(
            f"images are {tuple(images.shape[-2:])} pixels; SSIM wants 11 x 11 or more"
        )
    options = {
        "channel_axis": 0, "data_range": 1.0, "gaussian_weights": True,
        "use_sample_covariance": False, "full": True,
    }  # fmt: skip
    pairs = zip(images.detach().cpu().double().numpy(), reference.detach().cpu().double().numpy())
    means, maps = zip(*(structural_similarity(*pair, **options) for pair in pairs))
    if weight is None:
        return torch.tensor(means, dtype=images.dtype, device=images.device).mean()
    similarity = torch.stack([torch.from_numpy(each) for each in maps]).to(images)
    weight = weight.expand_as(similarity)
    return (similarity * weight).sum() / weight.sum()


def _check_same_shape(images: Tensor, reference: Tensor) -> None:
    if images.shape != reference.shape:
        raise ValueError(
            f"images {tuple(images.shape)} and reference {tuple(reference.shape)} differ in shape"
        )

"""Outside the mask the clip's own pixels: what may not change does not pass the autoencoder either.

The mask keeps latents; decoding them still costs the background its detail (36 dB here, less on
footage). Source: Blended Latent Diffusion, arXiv 2206.02779, Section 4.2, which blends in pixels as
the simplest cure; here with an edge that is as soft as one cell of the mask.
"""

from __future__ import annotations

import torch
from torch import Tensor

from course.clips import Clip

from .masking import in_pixels
from .task import Task


def link(task: Task) -> Task:
    """Return the task whose edit keeps the source's pixels where its mask says that they stay."""

    def keep(frames: Tensor, source: Clip, mask: Tensor | None) -> Tensor:
        return frames if mask is None else blended(source.frames.to(frames), frames, mask)

    return task.then(keep)


def blended(source: Tensor, frames: Tensor, mask: Tensor) -> Tensor:
    """Return frames (T, 3, H, W) inside the mask and its border, the source's pixels outside.

    `mask` (T, 1, h, w) is 1 where the edit may change a cell of latents.
    """
    return torch.lerp(source, frames, in_pixels(mask, frames))

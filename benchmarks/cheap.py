"""Figures of consistency that need no true target: what papers print, and what they are worth.

``benchmarks.edit`` measures how well each ranks clips as the true target does.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from course.adapters import FeatureTap
from course.clips import Clip, with_estimated_motion
from course.metrics import warping_error
from course.models import encode_frames, encode_prompt, noise_predictor

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

CHEAP = {
    "warping_error": ("warping error", -1),
    "estimated_warping_error": ("warping error (estimated flow)", -1),
    "similarity_mean": ("mean similarity", 1),
    "similarity_min": ("lowest similarity", 1),
    "temporal_loss": ("temporal loss", -1),
    "frame_consistency": ("frame consistency (UNet features)", 1),
    "background_psnr": ("background PSNR [dB]", 1),
}
"""Each figure's title, and 1 where more is taken for better, -1 where less is."""

_TIMESTEP = 1  # nearly clean: the features are those of the picture, not of noise


def cheap_figures(pipe: StableDiffusionPipeline, clip: Clip, source: Clip) -> dict[str, float]:
    """Return the figures of ``CHEAP`` that ``course.editing`` does not print for a known scene.

    The flow is estimated on the source, as one has to where no scene is known.
    """
    motion = _estimated(source)
    error = warping_error(clip.frames, motion.flow, motion.occlusion)
    return {
        "estimated_warping_error": float(error),
        "frame_consistency": float(frame_consistency(pipe, clip.frames)),
    }


def frame_consistency(pipe: StableDiffusionPipeline, frames: Tensor) -> Tensor:
    """Return the mean cosine of all pairs of frames, (), between pooled features of the UNet.

    Stands for the usual CLIP frame consistency: one vector a frame, blind to where things are. It
    is the mean over positions of what the UNet's middle block says of the nearly clean latents,
    without words.
    """
    with torch.no_grad(), FeatureTap(pipe.unet, "mid_block") as features:
        latents = encode_frames(pipe, frames.to(pipe.device))
        noise_predictor(pipe, encode_prompt(pipe, ""))(latents, _TIMESTEP)
    vectors = torch.nn.functional.normalize(features["mid_block"].mean(1), dim=-1)
    n_frames = len(vectors)
    return ((vectors @ vectors.T).sum() - n_frames) / (n_frames * (n_frames - 1))


@lru_cache(maxsize=1)  # all clips of one scene are measured one after the other
def _estimated(source: Clip) -> Clip:
    return with_estimated_motion(source)

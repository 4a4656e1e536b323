"""An edit held against what it should have been: the render of the scene with one word swapped.

No real footage has a true edited clip. A rendered scene has one: each pixel, its flow, its mask.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .consistency import flicker, warping_error
from .fidelity import background_psnr, psnr, ssim

if TYPE_CHECKING:
    from course.clips import Clip

TRUTH_COLUMNS = {
    "target_psnr": "PSNR to the true target [dB]",
    "target_ssim": "SSIM to the true target",
    "object_psnr": "PSNR inside the object [dB]",
    "object_ssim": "SSIM inside the object",
    "outside_psnr": "PSNR outside the object [dB]",
    "warping_ratio": "warping error / the truth's",
    "flicker": "flicker of the object [of 255]",
}
"""The figures of `against_target` and how a table calls them."""


def against_target(
    frames: Tensor, target: Clip, round_trip: Tensor | None = None
) -> dict[str, float | None]:
    """Return how far frames (T, 3, H, W) in [0, 1] are from the true edited clip.

    ``target`` is that clip with its exact mask, flow and occlusion (`render` gives them);
    ``round_trip`` (T, 3, H, W) are its frames through the autoencoder, the best that a model behind
    it could do. Keys are those of `TRUTH_COLUMNS`: PSNR and SSIM over the frame, inside the
    object's true outline and outside of it; the warping error along the true flow as a multiple of
    the round trip's own (None without one, or where nothing moves); `flicker` along the true flow.
    None where a figure is not finite. Floats: this is a reporting boundary.

    Raises ValueError for a target without mask and flow, of another shape, or whose flow does not
    fit its frames: following it makes its own neighbours differ more than staying in place.
    """
    target = _checked(frames, target)
    whole, inside = target.frames, target.mask
    values = {
        "target_psnr": psnr(frames, whole),
        "target_ssim": ssim(frames, whole),
        "object_psnr": psnr(frames, whole, inside),
        "object_ssim": ssim(frames, whole, inside),
        "outside_psnr": background_psnr(frames, whole, inside),
        "warping_ratio": torch.tensor(torch.nan),
        "flicker": flicker(frames, target.flow, inside),
    }
    if round_trip is not None:
        motion = target.flow, target.occlusion
        own = warping_error(round_trip.to(frames), *motion)
        values["warping_ratio"] = warping_error(frames, *motion) / own
    numbers = {name: float(value) for name, value in values.items()}
    return {name: number if math.isfinite(number) else None for name, number in numbers.items()}


def _checked(frames: Tensor, target: Clip) -> Clip:
    """Return the target where the frames are, once it is one."""
    if target.frames.shape != frames.shape:
        raise ValueError(
            f"the target's frames {tuple(target.frames.shape)} and the edit's "
            f"{tuple(frames.shape)} differ in shape; render as many frames of the same size"
        )
    missing = [name for name in ("mask", "flow", "occlusion") if getattr(target, name) is None]
    if missing:
        raise ValueError(
            f"the target has no {', '.join(missing)}; a true target is the render of a known scene"
        )
    target = target.to(frames.device, frames.dtype)
    still = torch.zeros_like(target.flow)
    followed, stayed = (
        float(warping_error(target.frames, flow, target.occlusion)) for flow in (target.flow, still)
    )
    if followed > stayed:
        raise ValueError(
            f"the target's flow does not fit its frames: along it neighbours differ by "
            f"{followed:.3g}, in place by {stayed:.3g}. Wanted pixels from frame t to t+1, x first"
        )
    return target

"""The figures of one clip of an edit, all measured in the same way."""

from __future__ import annotations

import math

from torch import Tensor

from course.clips import Clip
from course.metrics import background_psnr, psnr, similarity_summary, warping_error

from .result import COLUMNS


def figures(clip: Clip, source: Clip, latents: Tensor) -> dict[str, float | None]:
    """Return the metrics of one clip against its source; None where something is not known.

    Similarities are those of the latents. Flow, occlusion and mask are the source's: after a swap
    of shapes they are exact on the background and where the two shapes overlap. Floats: this is
    the reporting boundary, where values are read back to the host.
    """
    frames, reference = clip.frames, source.frames.to(clip.frames)
    values: dict[str, Tensor | None] = dict.fromkeys(COLUMNS)
    if clip.n_frames >= 3:
        values |= similarity_summary(latents)
    if source.flow is not None:
        occlusion = None if source.occlusion is None else source.occlusion.to(frames)
        values["warping_error"] = warping_error(frames, source.flow.to(frames), occlusion)
    if source.mask is not None:
        values["background_psnr"] = background_psnr(frames, reference, source.mask.to(frames))
    values["source_psnr"] = psnr(frames, reference) if clip is not source else None
    return {name: _number(values[name]) for name in COLUMNS}


def _number(value: Tensor | None) -> float | None:
    number = None if value is None else float(value)
    # JSON knows no infinity: equal clips have no finite ratio.
    return number if number is not None and math.isfinite(number) else None

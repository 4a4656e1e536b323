"""The figures of one clip of an edit, all measured in the same way."""

from __future__ import annotations

import math
from functools import lru_cache

from torch import Tensor

from course.clips import Clip, with_estimated_motion
from course.metrics import background_psnr, psnr, similarity_summary, warping_error

_SUMMARY = ("similarity_mean", "similarity_min", "temporal_loss")


def figures(clip: Clip, source: Clip, latents: Tensor) -> dict[str, float | None]:
    """Return the metrics of one clip against its source, in the order of `COLUMNS`.

    What cannot be known of the source is left out; None stands for a ratio that is not finite,
    such as that of a clip to itself. Similarities are those of the latents (3 frames or more).
    Flow, occlusion and mask are the source's: after a swap of shapes they are exact on the
    background and where the two shapes overlap. Of footage the flow is estimated, and the key then
    says so. Floats: this is the reporting boundary, where values are read back to the host.
    """
    frames, reference = clip.frames, source.frames.to(clip.frames)
    values: dict[str, Tensor | float] = {}
    if clip.n_frames >= 3:
        summary = similarity_summary(latents)
        values = {name: summary[name] for name in _SUMMARY}
    moving = known_motion(source)
    if moving.flow is not None:
        name = "estimated_warping_error" if moving.estimated else "warping_error"
        occlusion = None if moving.occlusion is None else moving.occlusion.to(frames)
        values[name] = warping_error(frames, moving.flow.to(frames), occlusion)
    if source.mask is not None:
        values["background_psnr"] = background_psnr(frames, reference, source.mask.to(frames))
    values["source_psnr"] = psnr(frames, reference) if clip is not source else math.inf
    return {name: _number(value) for name, value in values.items()}


def known_motion(source: Clip) -> Clip:
    """Return the clip with its flow, or else with an estimate; as it is if too small for one."""
    return source if source.flow is not None else _estimated(source)


@lru_cache(maxsize=1)  # one edit follows it once and measures several clips along it
def _estimated(source: Clip) -> Clip:
    try:
        return with_estimated_motion(source)
    except ValueError:  # too small to look for motion: the column is left out
        return source


def _number(value: Tensor | float) -> float | None:
    # JSON knows no infinity: equal clips have no finite ratio.
    return float(value) if math.isfinite(value) else None

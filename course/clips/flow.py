"""Motion of a clip that comes from a file: an estimate, and called one wherever it is shown.

OpenCV's dense inverse search finds the flow (Kroeger and others, arXiv 1603.03590). It looks at
brightness alone: where nothing has texture it guesses, and ``benchmarks.flow`` says how well.
"""

from __future__ import annotations

from dataclasses import replace

import numpy
import torch
from torch import Tensor

from .clip import Clip

_LEAST_SIDE = 16  # two of the patches that are matched


def with_estimated_motion(clip: Clip) -> Clip:
    """Return the clip with estimated flow and occlusion, and ``estimated`` set to True.

    Raises ValueError for fewer than 2 frames or sides below 16 pixels.
    """
    flow, occlusion = estimate_flow(clip.frames)
    return replace(clip, flow=flow, occlusion=occlusion, estimated=True)


def estimate_flow(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Return flow (T-1, 2, H, W) in pixels from frame t to t+1, and occlusion (T-1, 1, H, W).

    Frames (T, 3, H, W) in [0, 1]. A point counts as hidden (1) where the flow there and back again
    ends elsewhere (Sundaram, Brox and Keutzer 2010, Eq. 5), or outside of the frame. Works on the
    host. Raises ValueError for fewer than 2 frames or sides below 16 pixels.
    """
    if frames.ndim != 4 or len(frames) < 2 or min(frames.shape[-2:]) < _LEAST_SIDE:
        raise ValueError(
            f"frames have shape {tuple(frames.shape)}; flow wants 2 frames or more, (T, 3, H, W), "
            f"of {_LEAST_SIDE} x {_LEAST_SIDE} pixels or more"
        )
    import cv2  # only here: nothing else of the package needs OpenCV

    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)  # these pictures are small: the preset stops at half their size
    pictures = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in Clip(frames, 1).to_uint8()]
    flows, hidden = [], []
    for first, second in zip(pictures, pictures[1:]):
        there, back = search.calc(first, second, None), search.calc(second, first, None)
        flows.append(there)
        hidden.append(_hidden(there, back))
    flow = torch.from_numpy(numpy.stack(flows)).permute(0, 3, 1, 2).contiguous()
    occlusion = torch.from_numpy(numpy.stack(hidden))[:, None]
    return flow.to(frames), occlusion.to(frames)


def _hidden(there: numpy.ndarray, back: numpy.ndarray) -> numpy.ndarray:
    """Where the flow there (H, W, 2), followed by the flow back, does not return: (H, W)."""
    import cv2

    height, width = there.shape[:2]
    place = there + numpy.stack(numpy.meshgrid(*map(numpy.arange, (width, height))), -1)
    place = place.astype(numpy.float32)
    returned = cv2.remap(back, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    missed = numpy.square(there + returned).sum(-1)
    length = numpy.square(there).sum(-1) + numpy.square(returned).sum(-1)
    outside = (place < -0.5) | (place > numpy.array([width, height]) - 0.5)
    return (missed > 0.01 * length + 0.5) | outside.any(-1)

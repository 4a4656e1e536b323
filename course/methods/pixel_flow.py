"""The decoded frames averaged along the flow: each pixel with itself in the frames beside it.

The decoder draws every frame by itself, so its own unrest is left however steady the latents are.
A neighbour counts as in the bilateral filter (Eq. 8): the less, the more its colour differs, so
that a flow which is wrong there does no harm. The flow is the source's. Where the edit made the
object larger it is the background's, so inside the mask the object's own flow counts too.
Source: motion-compensated temporal filtering (Dubois and Sabri 1984); for edited videos Bonneel
and others 2015, "Blind video temporal consistency"; the object's flow is ours.
"""

from __future__ import annotations

from torch import Tensor

from course.clips import Clip

from .latent_flow import along_flow
from .masking import in_pixels
from .motion import Motion
from .task import Task


def link(
    task: Task, *, tolerance: float = 0.2, rounds: int = 2, follow_object: bool | None = None
) -> Task:
    """Return the task whose decoded frames are averaged `rounds` times along the clip's flow.

    `follow_object`: inside the mask along the object's flow as well, if there is a mask. Default:
    where the clip knows its flow; an estimate spreads beyond the outline by itself, and is not
    exact enough to be followed twice.
    Raises ValueError for a tolerance or a number of rounds that is not positive.
    """
    if tolerance <= 0 or rounds < 1:
        raise ValueError(
            f"tolerance and rounds must be positive, got {tolerance} and {rounds}; leave "
            "pixel_flow out to average nothing"
        )

    def average(frames: Tensor, source: Clip, mask: Tensor | None) -> Tensor:
        motions = [Motion.of(source.to(frames.device, frames.dtype), tuple(frames.shape[-2:]))]
        follow = not source.estimated if follow_object is None else follow_object
        if follow and mask is not None:
            motions.append(motions[0].of_object(in_pixels(mask, frames)))
        for _ in range(rounds):
            frames = along_flow(frames, *motions, tolerance=tolerance)
        return frames

    return task.then(average)

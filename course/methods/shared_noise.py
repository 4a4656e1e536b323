"""One noise for all frames: the cheapest link between them.

With a deterministic sampler, frames that differ little in noise and prompt differ little in the
result; the background is drawn once. Source: Text2Video-Zero, arXiv 2303.13439, Section 3.3, which
starts all frames from one latent and moves it; here it is not moved (that is `latent_flow`'s work).
"""

from __future__ import annotations

from .frame_by_frame import evaluations as evaluations  # the same as frame by frame
from .frame_by_frame import from_noise
from .outcome import Outcome
from .task import Task


def run(task: Task) -> Outcome:
    """Return the target prompt's frames, all from the same noise."""
    return from_noise(task, task.noise(shared=True), "shared noise")

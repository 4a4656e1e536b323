"""The field's ways to keep the frames of an edit together, each in a few lines over any UNet.

`edit(..., method="flow_edit")` takes a name of `names()`, or a sampler and links joined by +. By
hand: put a `FrameAttention` into a UNet with `attending` and sample as ever, or hand a `Task` to a
module's `run`.
"""

from __future__ import annotations

from . import frame_by_frame, paper
from .frame_attention import FrameAttention, attending
from .motion import Motion
from .outcome import Inversion, Outcome, Passes, Texts
from .registry import DEFAULT_METHOD, METHODS, Method, Recipe, names, recipe
from .task import Task

__all__ = [
    "DEFAULT_METHOD",
    "METHODS",
    "FrameAttention",
    "Inversion",
    "Method",
    "Motion",
    "Outcome",
    "Passes",
    "Recipe",
    "Task",
    "Texts",
    "attending",
    "frame_by_frame",
    "names",
    "paper",
    "recipe",
]

"""The two ends of an edit: the clip becomes latents with their motion, results become clips.

What a method does to decoded frames (`Task.finish`) is done here, on the method's own results.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from course.clips import Clip
from course.methods import Motion, Recipe, Task
from course.methods.finite import VAE_CURE, finite
from course.models import execution_device

from .measure import known_motion
from .processes import decoded, encoded

_EDITED = ("edit", "no adapter", "frame by frame")
"""Results that show what the target prompt asks for; the others show the source."""


_BY_METHOD = ("edit", "no adapter", "reconstruction")
"""Results of the method itself; the mask is that of the edit."""


def with_latents(task: Task, clip: Clip, way: Recipe) -> Task:
    """Return the task on the clip's latents, with its motion where the method follows it.

    The flow of a rendered clip is known; that of any other is estimated.
    """
    with task.stage("encode", 1) as bar:
        latents = encoded(task, clip.frames.to(execution_device(task.pipe)))
        finite("the latents of the clip", latents, VAE_CURE)
        bar.update()  # a notebook's bar that does not reach its end stays, in red
    motion = None
    if way.needs_flow:
        moving = known_motion(clip).to(latents.device)
        motion = Motion.of(moving, tuple(latents.shape[-2:]))
    return replace(task, latents=latents, motion=motion)


def decoded_clips(
    task: Task, results: dict[str, Tensor], clip: Clip, prompts: tuple[str, str],
    mask: Tensor | None,
) -> dict[str, Clip]:  # fmt: skip
    """Return results (T, C, h, w) by name as clips, those of the method after its last steps.

    `prompts` are those of source and target, `mask` (T, 1, h, w) is the edit's.
    """
    clips, moving = {}, known_motion(clip)
    with task.stage("decode", len(results)) as bar:
        for name, latents in results.items():
            finite(f"the latents of {name!r}", latents, "take float32 in place of half precision")
            frames = decoded(task, latents, clip.frames)
            finite(f"the frames of {name!r}", frames, VAE_CURE)
            if task.finish is not None and name in _BY_METHOD:
                frames = task.finish(frames, moving, None if name == "reconstruction" else mask)
            clips[name] = Clip(frames.to(clip.frames.device), clip.fps, prompts[name in _EDITED])
            bar.update()
    return clips

"""The open task of lesson "Frames that look at each other": a step of one's own, and its score.

A step is called like `course.diffusion.ddim_step`, with the latents of all frames at once, and
returns the latents of the next level. One with a parameter `motion` is told the source's flow too.
It is tried on three scenes that move, from the inverted latents of the source, and held against the
true target.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from tqdm import tqdm

from course import models
from course.clips import Clip, Scene, render
from course.diffusion import NoiseSchedule, invert, sample
from course.methods import Motion
from course.metrics import against_target

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

N_STEPS, SKIP, GUIDANCE = 16, 4, 3.0
COLUMNS = ("target_psnr", "warping_ratio", "flicker")
_SCENES = (
    ({"shape": "circle", "colour": "red"}, {"colour": "green"}),
    ({"shape": "square", "colour": "yellow"}, {"shape": "circle"}),
    ({"shape": "ring", "colour": "orange"}, {"colour": "pink"}),
)
"""What each scene shows, and what the edit changes; all of them move to the right."""


@dataclass(frozen=True)
class Score:
    """The figures of `against_target` for a step and for plain DDIM, means over the scenes."""

    step: dict[str, float]
    plain: dict[str, float]

    def __repr__(self) -> str:
        lines = [f"{'':24}{'PSNR to the truth':>18}{'jitter / truth':>16}{'flicker':>9}"]
        for name, row in {"plain DDIM step": self.plain, "your step": self.step}.items():
            lines.append(
                f"{name:24}{row['target_psnr']:15.2f} dB{row['warping_ratio']:16.2f}"
                f"{row['flicker']:9.2f}"
            )
        return "\n".join([*lines, *_bar(self.step["target_psnr"])])


def score(step: Callable[..., Tensor], *, pipe: StableDiffusionPipeline | None = None) -> Score:
    """Edit three scenes with a step of one's own and with DDIM's; return both figures.

    Raises ValueError for a step that changes the shape of the latents or returns no finite numbers.
    """
    pipe = models.load() if pipe is None else pipe
    plain, own = [], []
    for number in tqdm(range(len(_SCENES)), desc="scenes", leave=False, file=sys.stdout):
        start, target, ceiling, reference = _prepared(pipe, number)
        told = _checked(_with_motion(step, clips(number)[0], start))
        frames = _edited(pipe, target.caption, start, {"step": told})
        own.append(against_target(frames, target, ceiling))
        plain.append(reference)
    return Score(_mean(own), _mean(plain))


def clips(number: int = 0) -> tuple[Clip, Clip]:
    """Return source and true target of one of the three scenes."""
    shows, changes = _SCENES[number]
    return render(Scene(**shows)), render(Scene(**(shows | changes)))


@lru_cache(maxsize=len(_SCENES))  # the same for every step that is tried
def _prepared(pipe: StableDiffusionPipeline, number: int) -> tuple[Tensor, Clip, Tensor, dict]:
    """Return a scene's inverted latents, its target, that through the VAE, plain DDIM's figures."""
    schedule = NoiseSchedule.from_scheduler(pipe.scheduler)
    source, target = (clip.to(pipe.device) for clip in clips(number))
    predict = models.noise_predictor(pipe, models.encode_prompt(pipe, source.caption))
    with torch.no_grad():
        latents = models.encode_frames(pipe, source.frames)
        *_, last = invert(predict, latents, schedule, N_STEPS, skip=SKIP)
    ceiling = models.decode_latents(pipe, models.encode_frames(pipe, target.frames))
    plain = _edited(pipe, target.caption, last.latents, {})
    return last.latents, target, ceiling, against_target(plain, target, ceiling)


def _edited(
    pipe: StableDiffusionPipeline, prompt: str, start: Tensor, chosen: dict[str, Callable]
) -> Tensor:
    text, empty = (models.encode_prompt(pipe, words) for words in (prompt, ""))
    predict = models.noise_predictor(pipe, text, guidance=GUIDANCE, negative_text=empty)
    schedule = NoiseSchedule.from_scheduler(pipe.scheduler)
    with torch.no_grad():
        *_, last = sample(predict, start, schedule, N_STEPS, skip=SKIP, **chosen)
    return models.decode_latents(pipe, last.latents)


def _with_motion(step: Callable[..., Tensor], source: Clip, start: Tensor) -> Callable[..., Tensor]:
    """Return the step, given the source's flow in cells of its latents if it has a `motion`."""
    if "motion" not in inspect.signature(step).parameters:
        return step
    return partial(step, motion=Motion.of(source.to(start.device), start.shape[-2:]))


def _checked(step: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def checked(latents: Tensor, *arguments: object, **options: object) -> Tensor:
        stepped = step(latents, *arguments, **options)
        if not isinstance(stepped, Tensor) or stepped.shape != latents.shape:
            came = tuple(stepped.shape) if isinstance(stepped, Tensor) else type(stepped).__name__
            raise ValueError(
                f"your step returned {came}; wanted a tensor {tuple(latents.shape)}, the "
                "latents of all frames at the next level"
            )
        if not stepped.isfinite().all():
            raise ValueError("your step returned NaN or infinity; look for a division by zero")
        return stepped

    return checked


def _mean(rows: list[dict[str, float | None]]) -> dict[str, float]:
    known = {key: [row[key] for row in rows if row[key] is not None] for key in COLUMNS}
    return {key: sum(values) / len(values) for key, values in known.items()}


def big_table() -> dict[str, dict[str, float | None]]:
    """Return each row of what ``python -m benchmarks.methods`` measured, as it ships."""
    text = files("lessons.frames_together").joinpath("methods.json").read_text(encoding="utf-8")
    return json.loads(text)


def _bar(psnr: float) -> list[str]:
    """Say how many methods of the big table lie below this PSNR (other scenes, so a rough bar)."""
    rows = big_table().values()
    below = sum(row["target_psnr"] < psnr for row in rows if row["target_psnr"] is not None)
    return [f"In the big table (other scenes, 25 steps) {below} of {len(rows)} rows lie below."]

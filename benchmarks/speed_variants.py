"""One edit written four ways: by this package, whole and bare, and by plain diffusers.

Stands for the chain of Fig. 1 without fine-tuning: invert with the source prompt, sample with the
target prompt. All variants get the same frames, prompts, weights and steps, and return frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from course.clips.scenes import Scene, render
from course.diffusion import NoiseSchedule, invert, noise_to_velocity, sample, velocity_to_noise

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

VARIANTS = {
    "default": "edit() with its default method",
    "edit": "edit() with the paper's method and the work of plain diffusers: every step, no mask",
    "frames": "(a) diffusers, frame by frame: encode, invert, edit, decode",
    "batch": "(b) diffusers, all frames in one batch: encode, invert, edit, decode",
}

_SCENE = Scene()
_SOURCE = _SCENE.caption
_TARGET = _SOURCE.replace("red circle", "green square")


def whole_edit(
    pipe: StableDiffusionPipeline, n_frames: int, n_steps: int, guidance: float, **options: object
) -> Tensor:
    """Return the frames of `course.editing.edit`, by default without training and baselines."""
    from course.editing import edit

    lean = {"finetune_steps": 0, "reconstruct": False, "baselines": False, "progress": False}
    return edit(
        render(_SCENE, n_frames=n_frames), _SOURCE, _TARGET, pipe=pipe, n_steps=n_steps,
        guidance=guidance, **(lean | options),
    ).clip.frames  # fmt: skip


def same_work(pipe: StableDiffusionPipeline, *given: float) -> Tensor:
    """Return the frames of `edit` when it does what `diffusers_edit` does and no less."""
    return whole_edit(pipe, *given, method="paper", skip=0, mask_threshold=None)


def bare_edit(
    pipe: StableDiffusionPipeline, n_frames: int, n_steps: int, guidance: float,
    *, velocity_level: str = "destination",
) -> Tensor:  # fmt: skip
    """Return the edit's frames by the functions that `edit` calls, velocities read as asked."""
    from course.models import decode_latents, encode_frames, encode_prompt
    from course.models import noise_predictor as predictor
    from course.models.text_cache import cached_text

    schedule = NoiseSchedule.from_scheduler(pipe.scheduler)
    frames = render(_SCENE, n_frames=n_frames).frames
    source, target, empty = (encode_prompt(pipe, text) for text in (_SOURCE, _TARGET, ""))
    results = []
    with torch.inference_mode(), cached_text(pipe.unet):
        for latents in encode_frames(pipe, frames).split(8):
            plain = predictor(pipe, source)
            for step in _inversion(plain, latents, schedule, n_steps, velocity_level):
                latents = step.latents
            guided = predictor(pipe, target, guidance=guidance, negative_text=empty)
            for step in sample(guided, latents, schedule, n_steps):
                latents = step.latents
            results.append(latents)
        return decode_latents(pipe, torch.cat(results))


def _inversion(
    predict: Callable, latents: Tensor, schedule: NoiseSchedule, n_steps: int, velocity_level: str
) -> Iterator:
    if velocity_level == "destination":
        return invert(predict, latents, schedule, n_steps)

    def velocity(latents: Tensor, timestep: int) -> Tensor:
        return noise_to_velocity(predict(latents, timestep), latents, timestep, schedule)

    return invert(
        velocity, latents, schedule, n_steps,
        prediction_type="v_prediction", velocity_level=velocity_level,
    )  # fmt: skip


def diffusers_edit(
    pipe: StableDiffusionPipeline, n_frames: int, n_steps: int, guidance: float,
    *, batch_size: int, **scheduler_options: object,
) -> Tensor:  # fmt: skip
    """Return the edit's frames as plain diffusers makes them, ``batch_size`` of them at a time.

    Exchanges the scheduler of ``pipe`` while it works.
    """
    from diffusers import DDIMInverseScheduler, DDIMScheduler

    own, vae = pipe.scheduler, pipe.vae
    results = []
    for frames in render(_SCENE, n_frames=n_frames).frames.split(batch_size):
        with torch.no_grad():
            latents = vae.encode(frames * 2 - 1).latent_dist.mode() * vae.config.scaling_factor
        pipe.scheduler = DDIMInverseScheduler.from_config(own.config, **scheduler_options)
        inverted = pipe(
            [_SOURCE] * len(frames), latents=latents, guidance_scale=1.0,
            num_inference_steps=n_steps, output_type="latent",
        ).images  # fmt: skip
        pipe.scheduler = DDIMScheduler.from_config(own.config, **scheduler_options)
        results.append(
            pipe(
                [_TARGET] * len(frames), latents=inverted, guidance_scale=guidance,
                num_inference_steps=n_steps, output_type="pt",
            ).images
        )  # fmt: skip
    pipe.scheduler = own
    return torch.cat(results)


def twin(pipe: StableDiffusionPipeline) -> StableDiffusionPipeline:
    """Return a second pipeline of the same weights, whose scheduler may be exchanged."""
    from diffusers import StableDiffusionPipeline

    other = StableDiffusionPipeline(**pipe.components, requires_safety_checker=False)
    other.set_progress_bar_config(disable=True)
    return other


@contextmanager
def noise_reading(pipe: StableDiffusionPipeline) -> Iterator[dict[str, str]]:
    """Let the UNet answer with noise, read at its own timestep; give the scheduler's option.

    DDIMInverseScheduler reads a velocity at the level it comes from, not at the level for which
    the UNet predicted it. With noise there is nothing to read, and it makes the better inversion.
    """
    schedule = NoiseSchedule.from_scheduler(pipe.scheduler)

    def convert(unet: torch.nn.Module, args: tuple, output: tuple) -> tuple[Tensor]:
        latents, timestep = args[:2]
        return (velocity_to_noise(output[0], latents, timestep, schedule),)

    if schedule.prediction_type == "epsilon":
        yield {}
        return
    handle = pipe.unet.register_forward_hook(convert)
    try:
        yield {"prediction_type": "epsilon"}
    finally:
        handle.remove()


def variant(
    pipe: StableDiffusionPipeline, name: str, n_frames: int, guidance: float
) -> Callable[[int], Tensor]:
    """Return one of ``VARIANTS`` as a function of the number of steps."""
    if name in ("default", "edit"):
        ours = whole_edit if name == "default" else same_work
        return lambda n_steps: ours(pipe, n_frames, n_steps, guidance)
    theirs, size = twin(pipe), 1 if name == "frames" else n_frames
    return lambda n_steps: diffusers_edit(theirs, n_frames, n_steps, guidance, batch_size=size)

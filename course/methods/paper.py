"""The paper's way: DDIM inversion, DDIM sampling with the target, and nothing between frames.

Fig. 1 with Eqs. 5, 6, 9 and 12; adapter and prompt tokens come in with the model. What may not
change is known, not reconstructed: a mask from the two prompts (DiffEdit) keeps the clip's own
latents of every level. Sampling from an inversion is also what the attention-based methods do.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from course.diffusion import NoiseSchedule, ddim_step, invert, sample

from .masking import difference_mask, probed
from .outcome import Inversion, Outcome, Passes
from .task import Task


def run(task: Task) -> Outcome:
    """Return the edit that starts from the inverted clip."""
    inversion = invert_clip(task)
    latents = sample_clip(
        task, inversion.latents, step=masked_step(inversion), source_at=inversion.path.__getitem__
    )
    return Outcome(latents, inversion.mask, inversion)


def evaluations(passes: Passes) -> int:
    """Return how often a frame goes through the UNet: inversion, mask, sampling."""
    inversion = passes.n_steps * (1 + passes.refine)
    mask = 2 * len(probed(passes.n_steps)) if passes.has_mask else 0
    return inversion + mask + passes.n_steps * (passes.sides + passes.looks)


def invert_clip(task: Task) -> Inversion:
    """Carry the task's latents to noise with the source prompt, and find the mask."""
    predict, other = task.predictor("source"), task.predictor("target")
    threshold = task.mask_threshold
    probes = probed(task.n_steps - task.skip)
    path, differences = {}, []
    with task.stage("invert") as bar:
        for step in invert(
            predict, task.latents, task.schedule, task.n_steps,
            skip=task.skip, refine=task.refine, latent_filter=task.chunk_filter(),
            prediction_type="epsilon",
        ):  # fmt: skip
            path.setdefault(step.previous_timestep, task.latents)  # the clean end
            path[step.timestep] = step.latents
            if threshold is not None and step.index in probes:
                at = step.latents, step.timestep
                differences.append((predict(*at) - other(*at)).abs())
            bar.update()
    if threshold is None:
        return Inversion(path, None)
    return Inversion(path, difference_mask(torch.stack(differences).mean(0), threshold))


def sample_clip(
    task: Task, start: Tensor, *, step: Callable[..., Tensor] = ddim_step, name: str = "edit",
    source_at: Callable[[int], Tensor] | None = None,
) -> Tensor:  # fmt: skip
    """Carry latents from the task's noisiest level to the clean end with the target prompt."""
    predict = task.predictor("target", guidance=task.guidance, source_at=source_at)
    latents = start
    with task.stage(name) as bar:
        for state in sample(
            predict, start, task.schedule, task.n_steps, step=task.smoothed(step), skip=task.skip,
            latent_filter=task.chunk_filter(), prediction_type="epsilon",
        ):  # fmt: skip
            latents = state.latents
            bar.update()
    return latents


def masked_step(inversion: Inversion) -> Callable[..., Tensor]:
    """Return a DDIM step that keeps the inverted clip's own latents outside the mask.

    What lies outside is not reconstructed but known: every level of the inversion is kept.
    """
    if inversion.mask is None:
        return ddim_step

    def step(
        latents: Tensor, noise: Tensor, timestep: int, schedule: NoiseSchedule,
        *, previous_timestep: int, **options: object,
    ) -> Tensor:  # fmt: skip
        stepped = ddim_step(
            latents, noise, timestep, schedule, previous_timestep=previous_timestep, **options
        )
        return torch.lerp(inversion.path[previous_timestep], stepped, inversion.mask)

    return step


def reconstruct(task: Task, inversion: Inversion) -> Tensor:
    """Sample from the inverted latents with the source prompt at guidance 1.

    From the latents alone: the mask would hide what the inversion lost.
    """
    return sample_clip(
        task.towards_source(), inversion.latents, name="reconstruct",
        source_at=inversion.path.__getitem__,
    )  # fmt: skip

"""Edit-friendly inversion: the source's own noise maps, taken off at every level and put back.

Every level of the source is noised anew (not step by step), so what joins two levels is a large
noise map that holds the layout: z_t = (x_t-1 - mu_t(x_t)) / sigma_t. Sampling with the target adds
the same maps; with the source prompt at guidance 1 it gives the source back (with more guidance it
does not: the maps are those of a prediction at guidance 1). Source: edit-friendly DDPM inversion,
arXiv 2304.06140, Section 3.2 and Algorithm 1. Noise shared by all frames is ours: it links them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from course.diffusion import add_noise, ddim_step

from .masking import noised_evaluations, noised_mask
from .outcome import Outcome, Passes
from .task import Task


def run(task: Task, *, shared: bool = True) -> Outcome:
    """Return the edit that adds the source's noise maps to the target's chain.

    `shared`: one noise for all frames at each level, fresh for every level. Only at guidance 1 does
    the source prompt give the source back.
    """
    schedule, predict, mask = task.schedule, task.pair(source_guidance=1.0), noised_mask(task)
    clip = edited = add_noise(task.latents, task.noise(shared=shared), task.pairs()[0][0], schedule)
    mean = task.smoothed(posterior_mean)
    with task.stage("edit") as bar:
        for timestep, previous in task.pairs():
            source_noise, target_noise = predict(clip, edited, timestep)
            at = {"timestep": timestep, "schedule": schedule, "previous_timestep": previous}
            below = task.latents
            if previous >= 0:
                below = add_noise(task.latents, task.noise(shared=shared), previous, schedule)
            # The residual is sigma_t z_t: dividing and multiplying again would change nothing.
            residual = below - posterior_mean(clip, source_noise, **at)
            edited = mean(edited, target_noise, **at) + residual
            edited = edited if mask is None else torch.lerp(below, edited, mask)
            clip = below
            bar.update()
    return Outcome(edited, mask)


def evaluations(passes: Passes) -> int:
    """Return how often a frame goes through the UNet: the source at guidance 1, and the edit."""
    return noised_evaluations(passes) + passes.n_steps * (1 + passes.sides)


def posterior_mean(latents: Tensor, noise: Tensor, timestep: int, schedule, **options) -> Tensor:
    """Return mu_t(x_t), the step of DDPM (eta = 1) without its noise."""
    nothing = torch.zeros_like(latents)
    return ddim_step(latents, noise, timestep, schedule, eta=1.0, noise=nothing, **options)

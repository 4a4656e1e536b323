"""FlowEdit: no inversion; the clip moves along the difference of what the two prompts predict.

Source and edit are put under the same noise; where the prompts' predictions differ, the edit moves,
and what both see the same way cancels. Averaged over `draws` of noise, which all frames share, so
neighbouring frames move alike. Source: FlowEdit, arXiv 2412.08629, Section 4 and Algorithm 1, made
for straight flows; here with DDIM's: with z = x_t / sqrt(abar) and sigma = sqrt(1 / abar - 1) the
chain is dz = eps dsigma.
"""

from __future__ import annotations

import torch

from course.diffusion import NoiseSchedule, add_noise

from .masking import noised_evaluations, noised_mask
from .outcome import Outcome, Passes
from .task import Task


def run(
    task: Task, *, draws: int = 1, shared: bool = True, source_guidance: float | None = None
) -> Outcome:
    """Return the source moved along the mean difference of target and source prediction.

    `source_guidance` (default: the target's) is that of the source prompt; with another one, equal
    prompts no longer leave the clip alone. Raises ValueError for fewer than one draw.
    """
    if draws < 1:
        raise ValueError(f"draws must be 1 or more, got {draws}")
    schedule, mask = task.schedule, noised_mask(task)
    predict = task.pair(task.guidance if source_guidance is None else source_guidance)
    edited = task.latents
    with task.stage("edit", draws * (task.n_steps - task.skip)) as bar:
        for timestep, previous in task.pairs():
            change = torch.zeros_like(edited)
            for _ in range(draws):
                noise = task.noise(shared=shared)
                noisy = (add_noise(x, noise, timestep, schedule) for x in (task.latents, edited))
                source_noise, target_noise = predict(*noisy, timestep)
                change += (target_noise - source_noise) / draws
                bar.update()
            if task.smooth is not None:
                change = task.smooth(change, timestep)
            step = sigma(schedule, previous, edited) - sigma(schedule, timestep, edited)
            edited = edited + step * change
            edited = edited if mask is None else torch.lerp(task.latents, edited, mask)
    return Outcome(edited, mask)


def evaluations(passes: Passes) -> int:
    """Return how often a frame goes through the UNet: source and edit, both guided."""
    return noised_evaluations(passes) + passes.draws * passes.n_steps * 2 * passes.sides


def sigma(schedule: NoiseSchedule, timestep: int, latents: torch.Tensor) -> float:
    """Return the noise in units of the signal at a timestep; -1: at the clean end."""
    return (1 / schedule.level(timestep, latents, clean=schedule.final_alpha_cumprod) - 1) ** 0.5

"""The model is asked whether the edit shows the prompt; where it does not, guidance doubles.

Some words need more guidance than others: a ring that becomes a cross changes what is a hole. More
for all would coarsen the edits that need none. Noise is put on the edit, and each prompt predicts
it: the prompt that comes nearer says better what is there. Source: the diffusion classifier,
arXiv 2303.16203, Section 3 and Algorithm 1; to edit again where it says no is ours.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from course.diffusion import add_noise
from course.models.settings import SETTINGS, kind_of

from .finite import has_values
from .outcome import Outcome, Passes
from .task import Task

LEVEL = 0.6
"""How far on the way to noise the prompts are compared: there shapes show, details do not."""
DRAWS = 4
ENOUGH = 0.5
"""The share of a prompt from which it counts as shown: halfway between neither and the target."""


def link(task: Task, *, tries: int | None = None) -> Task:
    """Return the task that is done again with twice the guidance, at most `tries` times in all.

    The best of the tries is kept. Default: as many as `course.models.settings` has for the kind of
    model; 0: nothing is asked. Raises ValueError for a negative number.
    """
    if tries is None:
        tries = SETTINGS[kind_of(task.pipe)]["tries"].value
    if tries < 0:
        raise ValueError(f"tries must be 0 or more, got {tries}")

    def until_shown(given: Task, run: Callable[[Task], Outcome]) -> Outcome:
        best, most = None, -math.inf
        for count in range(tries):
            tried = _stronger(given, 2**count) if count else given
            outcome = run(tried)
            if not has_values(outcome.latents):
                return outcome
            share = float(prompt_share(tried, outcome.latents))
            if share > most:
                best, most = outcome, share
            if most >= ENOUGH:
                return best
        _warn(most)
        return best

    return replace(task, until=until_shown) if tries else task


def _stronger(task: Task, factor: int) -> Task:
    guidance = task.guidance * factor
    return replace(task, guidance=guidance, label=f"{task.label}, guidance {guidance:g}")


def prompt_share(task: Task, latents: Tensor) -> Tensor:
    """Return how far latents (T, C, h, w) are on the way from source to target prompt, a scalar.

    With the noise n that was added, (|eps_source - n|^2 - |eps_target - n|^2) over |eps_source -
    eps_target|^2: about 1 for a clip of the target, -1 for one of the source; 1 for equal prompts.
    """
    plain = replace(task, attention=None, wrap=None)
    source, target = plain.predictor("source"), plain.predictor("target")
    timestep = round(LEVEL * (len(task.schedule) - 1))
    gain = apart = torch.zeros((), device=latents.device)
    with task.stage("check", DRAWS) as bar:
        for _ in range(DRAWS):
            noise = task.noise(shared=True)
            noisy = add_noise(latents, noise, timestep, task.schedule)
            # In float32: the two errors are nearly alike, and half precision would lose the rest.
            one, other = (predict(noisy, timestep).float() for predict in (source, target))
            gain = gain + ((one - noise).square() - (other - noise).square()).sum()
            apart = apart + (one - other).square().sum()
            bar.update()
    return torch.where(apart > 0, gain / apart, 1.0)


def evaluations(passes: Passes) -> int:
    """Return how often a frame goes through the UNet for one check."""
    return 2 * DRAWS


def _warn(share: float) -> None:
    warnings.warn(
        f"the model itself does not find the target prompt in the edit (share {share:.2f}, wanted "
        f"{ENOUGH:g} or more), with more guidance neither; look at the edit, and try another seed, "
        "fewer skipped steps or a prompt that is nearer to the source",
        stacklevel=4,
    )

"""Diffusion chains: Section 3.3 of the paper (Eqs. 5, 8, 9, 12, 33).

`sample` walks from noise to data and `invert` from data to noise, one step at a time; the steps
themselves stand in `course.diffusion.steps`, the levels of noise in `course.diffusion.schedule`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from course.checks import check_choice, check_whole
from course.diffusion.schedule import (
    PREDICTION_TYPES,
    Level,
    NoiseSchedule,
    check_latents,
    mix,
    noise_at,
    original_at,
)
from course.diffusion.steps import ddim_step, same_shape, transport

FILTER_TARGETS = ("latents", "original")
VELOCITY_LEVELS = ("destination", "source")


@dataclass(frozen=True)
class DiffusionStep:
    """One step of a chain, with the noise prediction that made it.

    `latents` lie at `previous_timestep` after a sampling step, and at `timestep` after an
    inversion step. `predicted_original` is the x_0 that the step saw. `index` counts from 0.
    """

    index: int
    timestep: int
    previous_timestep: int
    latents: Tensor
    predicted_original: Tensor
    predicted_noise: Tensor


def sample(
    noise_predictor: Callable[[Tensor, int], Tensor],
    latents: Tensor,
    schedule: NoiseSchedule,
    n_steps: int,
    *,
    step: Callable[..., Tensor] = ddim_step,
    latent_filter: Callable[[Tensor], Tensor] | None = None,
    filter_target: str = "latents",
    skip: int = 0,
    prediction_type: str | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[DiffusionStep]:
    """Walk from noise to data, yielding each of the n_steps - skip steps.

    `latents` (N, ...) lie at the first timestep used: `skip` leaves out the noisiest ones.
    `noise_predictor(latents, timestep)` gets an int and returns what `prediction_type` says:
    the noise ("epsilon") or the velocity ("v_prediction"). None asks the predictor, which may have
    a `prediction_type` of its own (`course.models.noise_predictor` returns noise whatever its
    model predicts), and then the schedule. `latent_filter` acts on x_t before the prediction
    (Eqs. 9, 33) or, with `filter_target="original"`, on the predicted x_0 while the predicted
    noise stays. `step` is called like `ddim_step`, with `previous_timestep` and `generator`.
    Arguments are checked at once, before the first step. Gradients are recorded unless the caller
    turns them off. Raises ValueError or TypeError for bad arguments.
    """
    chain = _chain(noise_predictor, latent_filter, filter_target, prediction_type, schedule)
    pairs = _pairs(latents, schedule, n_steps, skip)

    def steps(latents: Tensor) -> Iterator[DiffusionStep]:
        for index, (timestep, previous) in enumerate(pairs):
            level = schedule.level(timestep, latents)
            latents = chain.filtered(latents)
            noise = chain.noise(latents, timestep, level)
            latents, original = chain.split(latents, noise, level)
            latents = step(
                latents, noise, timestep, schedule, previous_timestep=previous, generator=generator
            )
            yield DiffusionStep(index, timestep, previous, latents, original, noise)

    return steps(latents)


def invert(
    noise_predictor: Callable[[Tensor, int], Tensor],
    latents: Tensor,
    schedule: NoiseSchedule,
    n_steps: int,
    *,
    refine: int = 0,
    latent_filter: Callable[[Tensor], Tensor] | None = None,
    filter_target: str = "latents",
    skip: int = 0,
    prediction_type: str | None = None,
    velocity_level: str = "destination",
) -> Iterator[DiffusionStep]:
    """Walk from data to noise by inverted DDIM, yielding each of the n_steps - skip steps.

    The noise is predicted at the destination timestep from the latents of the source, as in
    diffusers; each of `refine` fixed-point rounds predicts it anew from the destination's own
    latents. A first velocity becomes noise at the destination's level, as the model means it, or
    with `velocity_level="source"` at the source's, as in diffusers' DDIMInverseScheduler: a far
    worse round trip. `skip` stops where `sample` with it starts. Errors are those of `sample`.
    """
    check_choice("velocity_level", velocity_level, VELOCITY_LEVELS)
    chain = _chain(noise_predictor, latent_filter, filter_target, prediction_type, schedule)
    pairs = _pairs(latents, schedule, n_steps, skip)[::-1]
    check_whole("refine", refine, 0)

    def steps(latents: Tensor) -> Iterator[DiffusionStep]:
        for index, (timestep, previous) in enumerate(pairs):
            level = schedule.level(timestep, latents)
            lower = schedule.level(previous, latents, clean=schedule.final_alpha_cumprod)
            filtered = chain.filtered(latents)
            noise = chain.noise(filtered, timestep, lower if velocity_level == "source" else level)
            for _ in range(refine):
                source, _original = chain.split(filtered, noise, lower)
                noise = chain.noise(transport(source, noise, lower, level), timestep, level)
            source, original = chain.split(filtered, noise, lower)
            latents = transport(source, noise, lower, level)
            yield DiffusionStep(index, timestep, previous, latents, original, noise)

    return steps(latents)


@dataclass(frozen=True)
class _Chain:
    """What `sample` and `invert` share: the model, the filter and their conventions."""

    predictor: Callable[[Tensor, int], Tensor]
    latent_filter: Callable[[Tensor], Tensor] | None
    filter_target: str
    prediction_type: str

    def __post_init__(self) -> None:
        check_choice("filter_target", self.filter_target, FILTER_TARGETS)
        check_choice("prediction_type", self.prediction_type, PREDICTION_TYPES)

    def noise(self, latents: Tensor, timestep: int, level: Level) -> Tensor:
        """Return the predicted noise; `level` is where a velocity is read."""
        output = same_shape("noise_predictor", self.predictor(latents, timestep), latents)
        if self.prediction_type == "v_prediction":
            return noise_at(output, latents, level)
        return output

    def filtered(self, latents: Tensor) -> Tensor:
        """Return x'_t = filter(x_t) (Eq. 9), or x_t if the filter acts elsewhere."""
        if self.latent_filter is None or self.filter_target != "latents":
            return latents
        return same_shape("latent_filter", self.latent_filter(latents), latents)

    def split(self, latents: Tensor, noise: Tensor, level: Level) -> tuple[Tensor, Tensor]:
        """Return the latents to step from and their x_0, which is filtered if so asked."""
        original = original_at(latents, noise, level)
        if self.latent_filter is None or self.filter_target != "original":
            return latents, original
        original = same_shape("latent_filter", self.latent_filter(original), latents)
        return mix(level**0.5, original, (1 - level) ** 0.5, noise), original


def _chain(
    predictor: Callable[[Tensor, int], Tensor],
    latent_filter: Callable[[Tensor], Tensor] | None,
    filter_target: str,
    prediction_type: str | None,
    schedule: NoiseSchedule,
) -> _Chain:
    if prediction_type is None:
        prediction_type = getattr(predictor, "prediction_type", schedule.prediction_type)
    return _Chain(predictor, latent_filter, filter_target, prediction_type)


def _pairs(
    latents: Tensor, schedule: NoiseSchedule, n_steps: int, skip: int
) -> list[tuple[int, int]]:
    """Return (timestep, previous timestep) from noise to data, without the `skip` noisiest."""
    check_latents(latents, latents)
    timesteps = schedule.timesteps(n_steps).tolist()
    check_whole("skip", skip, 0, n_steps - 1, "it leaves out the noisiest of n_steps")
    return [(t, schedule.previous_timestep(t, n_steps)) for t in timesteps[skip:]]

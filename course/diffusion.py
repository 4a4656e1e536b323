"""Diffusion steps and chains: Section 3.3 of the paper (Eqs. 5, 8, 9, 12, 33).

Eq. 8 is kept as printed in `ancestral_step`. Real DDIM (Song et al., arXiv 2010.02502) and its
inversion stand beside it. A timestep is a Python int or an integer tensor, () or (N,); a negative
previous timestep is the clean end of the chain. With ints every coefficient is a Python float,
computed in float64; `NoiseSchedule.level` says how tensors are treated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from course.schedule import (
    PREDICTION_TYPES,
    Level,
    NoiseSchedule,
    Timestep,
    add_noise,
    check_choice,
    check_index,
    check_tensors,
    mix,
    noise_at,
    noise_to_velocity,
    original_at,
    predicted_original,
    velocity_to_noise,
)

__all__ = [
    "DiffusionStep",
    "NoiseSchedule",
    "add_noise",
    "ancestral_step",
    "ddim_inverse_step",
    "ddim_step",
    "invert",
    "noise_to_velocity",
    "predicted_original",
    "sample",
    "velocity_to_noise",
]
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


def ancestral_step(
    latents: Tensor,
    predicted_noise: Tensor,
    timestep: Timestep,
    schedule: NoiseSchedule,
    *,
    previous_timestep: Timestep | None = None,
    noise: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return x_{t-1} by Eq. 8 exactly as printed; with filtered latents it is Eq. 12.

    The variance is the printed 1 - alpha_{t-1}, which is neither DDPM's nor DDIM's; it is 0 for
    the step to the clean end. `previous_timestep` defaults to t - 1; for a larger stride k the
    factor alpha_t becomes that of the stride, abar_t / abar_{t-k}. The noise z is `noise`, or is
    drawn from `generator` (None: torch's own). Raises as `ddim_step` does.
    """
    check_tensors(latents, predicted_noise)
    previous = timestep - 1 if previous_timestep is None else previous_timestep
    _check_descending(timestep, previous)
    before = previous - (timestep - previous)
    level = schedule.level(timestep, latents)
    # The product of alphas starts from 1 here, whatever DDIM takes for its clean end.
    lower, lowest = (schedule.level(t, latents, clean=1.0) for t in (previous, before))
    alpha = level / lower
    # 1e-30 only matters where alpha = alpha-bar = 1: it makes 0 / 0 the limit, 0.
    weight = (1 - alpha) / (1 - level + 1e-30) ** 0.5
    mean = mix(alpha**-0.5, latents, -weight * alpha**-0.5, predicted_noise)
    return mix(1.0, mean, (1 - lower / lowest) ** 0.5, _noise(latents, noise, generator))


def ddim_step(
    latents: Tensor,
    predicted_noise: Tensor,
    timestep: Timestep,
    schedule: NoiseSchedule,
    *,
    previous_timestep: Timestep,
    eta: float = 0.0,
    noise: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return the latents at `previous_timestep`, one DDIM step below `timestep`; like `latents`.

    `eta` 0 is deterministic, 1 has DDPM's posterior variance; z is `noise`, or is drawn from
    `generator` (None: torch's own). Raises TypeError for latents that are not floating point,
    ValueError for timesteps outside the schedule or not descending, shapes that differ, and eta
    outside [0, 1]. Source: arXiv 2010.02502, Eqs. 12 and 16.
    """
    check_tensors(latents, predicted_noise)
    _check_descending(timestep, previous_timestep)
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must lie between 0 (DDIM) and 1 (DDPM), got {eta}")
    level = schedule.level(timestep, latents)
    lower = schedule.level(previous_timestep, latents, clean=schedule.final_alpha_cumprod)
    if eta == 0:
        return _transport(latents, predicted_noise, level, lower)
    variance = eta**2 * (1 - lower) / (1 - level + 1e-30) * (1 - level / lower)
    mean = _transport(latents, predicted_noise, level, lower, variance)
    return mix(1.0, mean, variance**0.5, _noise(latents, noise, generator))


def ddim_inverse_step(
    latents: Tensor,
    predicted_noise: Tensor,
    timestep: Timestep,
    schedule: NoiseSchedule,
    *,
    previous_timestep: Timestep,
) -> Tensor:
    """Return the latents at `timestep`, one step above those given at `previous_timestep`.

    With the same `predicted_noise` it undoes `ddim_step` exactly: both are one formula with the
    levels swapped. Raises as `ddim_step` does. Source: arXiv 2010.02502, Section 4.3.
    """
    check_tensors(latents, predicted_noise)
    _check_descending(timestep, previous_timestep)
    lower = schedule.level(previous_timestep, latents, clean=schedule.final_alpha_cumprod)
    return _transport(latents, predicted_noise, lower, schedule.level(timestep, latents))


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
    prediction_type: str = "epsilon",
    generator: torch.Generator | None = None,
) -> Iterator[DiffusionStep]:
    """Walk from noise to data, yielding each of the n_steps - skip steps.

    `latents` (N, ...) lie at the first timestep used: `skip` leaves out the noisiest ones.
    `noise_predictor(latents, timestep)` gets an int and returns the noise, or the velocity under
    `prediction_type="v_prediction"`. `latent_filter` acts on x_t before the prediction
    (Eqs. 9, 33) or, with `filter_target="original"`, on the predicted x_0 while the predicted
    noise stays. `step` is called like `ddim_step`, with `previous_timestep` and `generator`.
    Arguments are checked at once, before the first step. Gradients are recorded unless the caller
    turns them off. Raises ValueError or TypeError for bad arguments.
    """
    chain = _Chain(noise_predictor, latent_filter, filter_target, prediction_type)
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
    prediction_type: str = "epsilon",
    velocity_level: str = "destination",
) -> Iterator[DiffusionStep]:
    """Walk from data to noise by inverted DDIM, yielding each of the n_steps - skip steps.

    The noise is predicted at the destination timestep from the latents of the source, as in
    diffusers; each of `refine` fixed-point rounds predicts it anew from the destination's own
    latents. A first velocity becomes noise at the destination's level, as the model means it, or
    with `velocity_level="source"` at the source's, as in diffusers' DDIMInverseScheduler: a far
    worse round trip. `skip` stops before the noisiest timesteps; `sample` with the same `skip`
    starts there. The other arguments and the errors are those of `sample`.
    """
    check_choice("velocity_level", velocity_level, VELOCITY_LEVELS)
    chain = _Chain(noise_predictor, latent_filter, filter_target, prediction_type)
    pairs = _pairs(latents, schedule, n_steps, skip)[::-1]
    if check_index("refine", refine) < 0:
        raise ValueError(f"refine must be 0 or more, got {refine}")

    def steps(latents: Tensor) -> Iterator[DiffusionStep]:
        for index, (timestep, previous) in enumerate(pairs):
            level = schedule.level(timestep, latents)
            lower = schedule.level(previous, latents, clean=schedule.final_alpha_cumprod)
            filtered = chain.filtered(latents)
            reading = lower if velocity_level == "source" else level
            noise = chain.noise(filtered, timestep, reading)
            for _ in range(refine):
                source, _original = chain.split(filtered, noise, lower)
                guess = _transport(source, noise, lower, level)
                noise = chain.noise(guess, timestep, level)
            source, original = chain.split(filtered, noise, lower)
            latents = _transport(source, noise, lower, level)
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
        output = _same_shape("noise_predictor", self.predictor(latents, timestep), latents)
        if self.prediction_type == "v_prediction":
            return noise_at(output, latents, level)
        return output

    def filtered(self, latents: Tensor) -> Tensor:
        """Return x'_t = filter(x_t) (Eq. 9), or x_t if the filter acts elsewhere."""
        if self.latent_filter is None or self.filter_target != "latents":
            return latents
        return _same_shape("latent_filter", self.latent_filter(latents), latents)

    def split(self, latents: Tensor, noise: Tensor, level: Level) -> tuple[Tensor, Tensor]:
        """Return the latents to step from and their x_0, which is filtered if so asked."""
        original = original_at(latents, noise, level)
        if self.latent_filter is None or self.filter_target != "original":
            return latents, original
        original = _same_shape("latent_filter", self.latent_filter(original), latents)
        return mix(level**0.5, original, (1 - level) ** 0.5, noise), original


def _pairs(
    latents: Tensor, schedule: NoiseSchedule, n_steps: int, skip: int
) -> list[tuple[int, int]]:
    """Return (timestep, previous timestep) from noise to data, without the `skip` noisiest."""
    check_tensors(latents, latents)
    timesteps = schedule.timesteps(n_steps).tolist()
    if not 0 <= check_index("skip", skip) < n_steps:
        raise ValueError(f"skip must be between 0 and n_steps - 1 = {n_steps - 1}, got {skip}")
    return [(t, schedule.previous_timestep(t, n_steps)) for t in timesteps[skip:]]


def _transport(
    latents: Tensor, noise: Tensor, level: Level, target: Level, variance: Level = 0.0
) -> Tensor:
    """Carry latents from one level to another along their x_0 and noise (DDIM, both ways)."""
    # One sum instead of x_0 first: dividing by sqrt(level) would magnify rounding tenfold.
    scale = (target / level) ** 0.5
    weight = (1 - target - variance) ** 0.5 - scale * (1 - level) ** 0.5
    return mix(scale, latents, weight, noise)


def _noise(latents: Tensor, noise: Tensor | None, generator: torch.Generator | None) -> Tensor:
    if noise is not None:
        return _same_shape("noise", noise, latents)
    return torch.randn(
        latents.shape, generator=generator, dtype=latents.dtype, device=latents.device
    )


def _same_shape(name: str, result: object, latents: Tensor) -> Tensor:
    if not isinstance(result, Tensor):
        hint = "; return its .sample" if hasattr(result, "sample") else ""
        raise TypeError(f"{name} must give a tensor, got {type(result).__name__}{hint}")
    if result.shape != latents.shape:
        raise ValueError(
            f"{name} must have the shape of the latents, {tuple(latents.shape)}, "
            f"got {tuple(result.shape)}"
        )
    return result


def _check_descending(timestep: Timestep, previous_timestep: Timestep) -> None:
    descends = previous_timestep < timestep
    if isinstance(descends, Tensor):
        # Only on the CPU can it be read without a synchronisation.
        descends = descends.device.type != "cpu" or descends.all()
    if not descends:
        raise ValueError(
            f"previous_timestep must be below timestep, got {previous_timestep} and {timestep}"
        )

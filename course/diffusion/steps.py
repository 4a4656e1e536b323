"""Single diffusion steps: Eq. 8 as printed, and real DDIM in both directions (Eqs. 8, 12, 33).

Eq. 8 is kept as printed in `ancestral_step`. Real DDIM (Song et al., arXiv 2010.02502) and its
inversion stand beside it. A timestep is a Python int or an integer tensor, () or (N,); a negative
previous timestep is the clean end of the chain. With ints every coefficient is a Python float,
computed in float64; `NoiseSchedule.level` says how tensors are treated.
"""

from __future__ import annotations

import torch
from torch import Tensor

from course.checks import check_number, check_same_shape, complaint
from course.diffusion.schedule import Level, NoiseSchedule, Timestep, check_latents, mix


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
    check_latents(latents, predicted_noise)
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
    check_latents(latents, predicted_noise)
    _check_descending(timestep, previous_timestep)
    check_number("eta", eta, 0, 1, plain=False, hint="0 is DDIM, 1 has DDPM's variance")
    level = schedule.level(timestep, latents)
    lower = schedule.level(previous_timestep, latents, clean=schedule.final_alpha_cumprod)
    if eta == 0:
        return transport(latents, predicted_noise, level, lower)
    variance = eta**2 * (1 - lower) / (1 - level + 1e-30) * (1 - level / lower)
    mean = transport(latents, predicted_noise, level, lower, variance)
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
    check_latents(latents, predicted_noise)
    _check_descending(timestep, previous_timestep)
    lower = schedule.level(previous_timestep, latents, clean=schedule.final_alpha_cumprod)
    return transport(latents, predicted_noise, lower, schedule.level(timestep, latents))


def transport(
    latents: Tensor, noise: Tensor, level: Level, target: Level, variance: Level = 0.0
) -> Tensor:
    """Carry latents from one level to another along their x_0 and noise (DDIM, both ways)."""
    # One sum instead of x_0 first: dividing by sqrt(level) would magnify rounding tenfold.
    scale = (target / level) ** 0.5
    weight = (1 - target - variance) ** 0.5 - scale * (1 - level) ** 0.5
    return mix(scale, latents, weight, noise)


def _noise(latents: Tensor, noise: Tensor | None, generator: torch.Generator | None) -> Tensor:
    if noise is not None:
        return same_shape("noise", noise, latents)
    return torch.randn(
        latents.shape, generator=generator, dtype=latents.dtype, device=latents.device
    )


def same_shape(name: str, result: object, latents: Tensor) -> Tensor:
    """Return what a function gave, once it is known for a tensor of the latents' shape."""
    if not isinstance(result, Tensor):
        hint = "return its .sample" if hasattr(result, "sample") else ""
        raise TypeError(complaint(name, type(result).__name__, "a tensor", hint))
    check_same_shape(latents=latents, **{name: result})
    return result


def _check_descending(timestep: Timestep, previous_timestep: Timestep) -> None:
    descends = previous_timestep < timestep
    if isinstance(descends, Tensor):
        # Only on the CPU can it be read without a synchronisation.
        descends = descends.device.type != "cpu" or descends.all()
    if not descends:
        hint = "the noisier end is `timestep` on the way up, too"
        wanted = f"one below timestep {timestep}"
        raise ValueError(complaint("previous_timestep", previous_timestep, wanted, hint))

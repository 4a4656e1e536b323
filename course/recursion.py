"""How errors travel through the sampling chain: Lemmas 4.8 and 4.9 of the paper.

A step of Eq. 12 multiplies an error by at most C_t and adds fresh noise of variance 1 - alpha_t-1;
the filter moves each x_t by at most b. The error is that against the same chain without filter
and without noise, in the Euclidean norm over all numbers of a latent. C_t is never below
alpha_t^(-1/2), hence never below 1: these are bounds on growth, not on decay.

A chain of n steps is that of `NoiseSchedule.timesteps(n)`, from noise to data; for a stride k the
factor alpha_t is that of the stride, as in `course.diffusion.ancestral_step`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from course.checks import check_number, check_shape, check_whole
from course.diffusion import ancestral_step
from course.diffusion.schedule import NoiseSchedule, check_latents
from course.diffusion.steps import same_shape


def step_constants(schedule: NoiseSchedule, n_steps: int, noise_lipschitz: float) -> Tensor:
    """Return C_t = alpha_t^(-1/2) (1 + (1 - alpha_t) / sqrt(1 - abar_t) L) of every step.

    Returns (n_steps,) in float64 on the CPU, from the noisiest step to the last. `noise_lipschitz`
    L >= 0 is the Lipschitz constant of the noise predictor. No smaller factor serves every such
    predictor. Raises ValueError or TypeError for other numbers. Source: Lemma 4.8, Eq. 39.
    """
    _check_length(noise_lipschitz=noise_lipschitz)
    constants = []
    for level, lower, _ in _levels(schedule, n_steps):
        alpha = level / lower
        slope = (1 - alpha) / math.sqrt(1 - level) if alpha < 1 else 0.0
        constants.append((1 + slope * noise_lipschitz) / math.sqrt(alpha))
    return torch.tensor(constants, dtype=torch.float64)


def noise_variances(schedule: NoiseSchedule, n_steps: int) -> Tensor:
    """Return 1 - alpha_{t-1} of every step, (n_steps,) like `step_constants`; the last is 0.

    It is the variance that Eq. 8 adds in each number of a latent. Source: Eq. 8.
    """
    variances = [1 - lower / lowest for _, lower, lowest in _levels(schedule, n_steps)]
    return torch.tensor(variances, dtype=torch.float64)


def expected_noise_norm(n_elements: int) -> float:
    """Return E||z|| of standard normal z in d dimensions, sqrt(2) Gamma((d+1)/2) / Gamma(d/2).

    It lies below sqrt(d), which Lemma 4.9 takes it for; the mean of ||z||^2 is d.
    """
    d = _check_count(n_elements)
    return math.sqrt(2) * math.exp(math.lgamma((d + 1) / 2) - math.lgamma(d / 2))


def printed_bound(
    schedule: NoiseSchedule,
    n_steps: int,
    noise_lipschitz: float,
    *,
    n_elements: int,
    initial_error: float = 0.0,
) -> float:
    """Return the right side of Eq. 41, with the largest C_t as its constant C.

    `n_elements` d counts the numbers of one latent, `initial_error` is delta. The paper claims it
    with the filter; it is true without. Infinite where it overflows. Raises as `step_constants`.
    """
    _check_length(initial_error=initial_error)
    largest = float(step_constants(schedule, n_steps, noise_lipschitz).max())
    root, error = math.sqrt(_check_count(n_elements)), float(initial_error)
    for variance in noise_variances(schedule, n_steps).tolist():
        error = largest * error + root * math.sqrt(variance)
    return error


def product_bound(
    schedule: NoiseSchedule,
    n_steps: int,
    noise_lipschitz: float,
    *,
    n_elements: int,
    initial_error: float = 0.0,
    displacement: float = 0.0,
) -> float:
    """Return the bound on E||x_0 - xbar_0|| by the triangle inequality, with each step's own C_t.

    `displacement` b bounds how far the filter moves a latent, in the Euclidean norm:
    sqrt(n_elements) times `course.bilateral.displacement_bound`. As the number of steps grows
    this sum of noise norms diverges; `rms_bound` does not. Source: Lemma 4.9, repaired.
    """
    return _unroll(
        schedule,
        n_steps,
        noise_lipschitz,
        initial_error,
        displacement,
        lambda error, variance: error + math.sqrt(variance) * expected_noise_norm(n_elements),
    )


def rms_bound(
    schedule: NoiseSchedule,
    n_steps: int,
    noise_lipschitz: float,
    *,
    n_elements: int,
    initial_error: float = 0.0,
    displacement: float = 0.0,
) -> float:
    """Return the bound on the root mean square of ||x_0 - xbar_0||, and so on its mean.

    R_{t-1}^2 = C_t^2 (R_t + b)^2 + (1 - alpha_{t-1}) d: the noise of a step is independent of
    the error so far, so that squares add. Without a filter the predictor -L x reaches it.
    Arguments as `product_bound`; `initial_error` is the root mean square. Source: Lemma 4.9,
    repaired.
    """
    d = _check_count(n_elements)
    return _unroll(
        schedule,
        n_steps,
        noise_lipschitz,
        initial_error,
        displacement,
        lambda error, variance: math.hypot(error, math.sqrt(variance * d)),
    )


def product_limit(schedule: NoiseSchedule, n_steps: int, noise_lipschitz: float) -> float:
    """Return a bound on the product of all C_t that forgets the number of steps.

    abar^(-1/2) exp(2 L asinh(s)) with s = sqrt(1 / abar - 1), abar that of the noisiest step.
    Infinite where it overflows. Raises as `step_constants`. Source: Lemma 4.8, repaired.
    """
    _check_length(noise_lipschitz=noise_lipschitz)
    level = _levels(schedule, n_steps)[0][0]
    growth = 2 * noise_lipschitz * math.asinh(math.sqrt(1 / level - 1))
    # Above 700 math.exp raises an error near the end of what a float can hold.
    return math.exp(growth) / math.sqrt(level) if growth < 700 else math.inf


def simulate(
    schedule: NoiseSchedule,
    n_steps: int,
    noise_lipschitz: float,
    latents: Tensor,
    *,
    perturbation: Tensor | None = None,
    latent_filter: Callable[[Tensor], Tensor] | None = None,
    add_noise: bool = True,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Run Eq. 12 beside its ideal and return the errors made, (n_steps + 1, N).

    Row 0 is at x_T, the last row at x_0; each entry is the Euclidean norm over one latent. The
    predictor is -L x, of Lipschitz constant exactly L = `noise_lipschitz`, which makes errors
    grow fastest. The ideal starts from `latents` (N, ...) and knows neither noise nor filter; the
    other chain starts from `latents + perturbation`, filters every x_t with `latent_filter`, and
    with `add_noise` draws noise from `generator`. Raises ValueError or TypeError for bad input.
    """
    _check_length(noise_lipschitz=noise_lipschitz)
    offset = torch.zeros_like(latents) if perturbation is None else perturbation
    check_latents(latents, offset)
    check_shape("latents", latents, "N", "C", "...", hint="one latent is a batch as latents[None]")
    ideal, actual, silent = latents, latents + offset, torch.zeros_like(latents)
    errors = [_norms(actual - ideal)]
    for timestep in schedule.timesteps(n_steps).tolist():
        step = partial(
            ancestral_step, timestep=timestep, schedule=schedule, generator=generator,
            previous_timestep=schedule.previous_timestep(timestep, n_steps),
        )  # fmt: skip
        if latent_filter is not None:
            actual = same_shape("latent_filter", latent_filter(actual), actual)
        slope = -noise_lipschitz
        actual = step(actual, slope * actual, noise=None if add_noise else silent)
        ideal = step(ideal, slope * ideal, noise=silent)
        errors.append(_norms(actual - ideal))
    return torch.stack(errors)


def _unroll(
    schedule: NoiseSchedule,
    n_steps: int,
    noise_lipschitz: float,
    initial_error: float,
    displacement: float,
    add_noise: Callable[[float, float], float],
) -> float:
    _check_length(initial_error=initial_error, displacement=displacement)
    constants = step_constants(schedule, n_steps, noise_lipschitz).tolist()
    error = float(initial_error)
    for constant, variance in zip(constants, noise_variances(schedule, n_steps).tolist()):
        error = add_noise(constant * (error + displacement), variance)
    return error


def _levels(schedule: NoiseSchedule, n_steps: int) -> list[tuple[float, float, float]]:
    """Return alpha-bar at t, at the step's end, and one stride further, for every step."""
    levels = []
    clean = schedule.alphas_cumprod.new_empty(0)
    for timestep in schedule.timesteps(n_steps).tolist():
        previous = schedule.previous_timestep(timestep, n_steps)
        before = previous - (timestep - previous)
        levels.append(
            tuple(schedule.level(t, clean, clean=1.0) for t in (timestep, previous, before))
        )
    return levels


def _norms(difference: Tensor) -> Tensor:
    return torch.linalg.vector_norm(difference.flatten(1), dim=1)


def _check_length(**lengths: float) -> None:
    for name, value in lengths.items():
        check_number(name, value, 0, hint="it is a length or a Lipschitz constant: 0 for none")


def _check_count(n_elements: int) -> int:
    return check_whole("n_elements", n_elements, 1, hint="pass latents[0].numel()")

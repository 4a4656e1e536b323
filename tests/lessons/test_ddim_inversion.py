"""Lesson 05: other right answers, more wrong ones, and the mixture that the lesson stands on."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, Normal

from classroom.exercises import reference
from course.diffusion import (
    NoiseSchedule,
    add_noise,
    ancestral_step,
    ddim_inverse_step,
    ddim_step,
    invert,
)
from lessons.ddim_inversion.figures import reconstruction_figure, variance_figure
from lessons.ddim_inversion.mixture import (
    GaussianMixture,
    exact_end,
    gaussian_variances,
    round_trip,
)

SCHEDULE = NoiseSchedule.stable_diffusion()
CLEAN_AT_ONE = NoiseSchedule(SCHEDULE.alphas, SCHEDULE.alphas_cumprod)
MIXTURE = GaussianMixture()
POINTS = torch.tensor([-1.8, -1.45, -1.15, 0.45, 0.75, 1.05, 1.5], dtype=torch.float64)
LEVELS = pytest.mark.parametrize("level", [0.999, 0.6, 0.01])


# Right answers, written otherwise


def noised_step_by_step(original: Tensor, noise: Tensor, alphas: Tensor, timestep: int) -> Tensor:
    level = 1.0
    for t in range(timestep + 1):
        level *= float(alphas[t])
    return original * math.sqrt(level) + noise * math.sqrt(1 - level)


def noised_by_the_course(original: Tensor, noise: Tensor, alphas: Tensor, timestep: int) -> Tensor:
    return add_noise(original, noise, timestep, NoiseSchedule(alphas))


def ratio_by_loop(alphas: Tensor) -> Tensor:
    level, ratios = 1.0, []
    for alpha in alphas.tolist():
        level *= alpha
        ratios.append(level / (1 - level))
    return torch.tensor(ratios, dtype=alphas.dtype)


def ratio_from_logarithms(alphas: Tensor) -> Tensor:
    return 1 / torch.expm1(-alphas.double().log().cumsum(0)).to(alphas.dtype)


def mixture_noise_by_autograd(
    x: Tensor, weights: Tensor, means: Tensor, deviations: Tensor, level: float
) -> Tensor:
    widths = (level * deviations**2 + 1 - level).sqrt()
    density = MixtureSameFamily(Categorical(weights), Normal(level**0.5 * means, widths))
    x = x.clone().requires_grad_()
    return -((1 - level) ** 0.5) * torch.autograd.grad(density.log_prob(x).sum(), x)[0]


def mixture_noise_of_densities(
    x: Tensor, weights: Tensor, means: Tensor, deviations: Tensor, level: float
) -> Tensor:
    total = slope = 0
    for w, mean, s in zip(weights.numpy(), means.numpy(), deviations.numpy()):
        variance = level * s**2 + 1 - level
        away = x.numpy() - np.sqrt(level) * mean
        density = w * np.exp(-(away**2) / (2 * variance)) / np.sqrt(variance)
        total, slope = total + density, slope - density * away / variance
    return torch.from_numpy(-np.sqrt(1 - level) * slope / total).to(x.dtype)


def mixture_noise_from_the_mean(
    x: Tensor, weights: Tensor, means: Tensor, deviations: Tensor, level: float
) -> Tensor:
    """E[noise | x] from E[x_0 | x], part by part."""
    variances = level * deviations**2 + 1 - level
    away = x[:, None] - level**0.5 * means
    shares = (weights.log() + Normal(0.0, variances.sqrt()).log_prob(away)).softmax(1)
    original = means + level**0.5 * deviations**2 / variances * away
    return (x - level**0.5 * (shares * original).sum(1)) / (1 - level) ** 0.5


def variance_in_closed_form(alphas: Tensor, fresh: Tensor) -> Tensor:
    shrink = torch.cat([torch.ones(1, dtype=alphas.dtype), alphas.cumprod(0)])
    return shrink[-1] + (shrink[:-1] * fresh).sum()


def variance_with_floats(alphas: Tensor, fresh: Tensor) -> float:
    variance = 1.0
    for alpha, added in zip(reversed(alphas.tolist()), reversed(fresh.tolist())):
        variance = alpha * variance + added
    return variance


def update_in_one_sum(latents: Tensor, noise: Tensor, level: float, target: float) -> Tensor:
    scale = math.sqrt(target / level)
    return scale * latents + (math.sqrt(1 - target) - scale * math.sqrt(1 - level)) * noise


def update_with_numpy(latents: Tensor, noise: Tensor, level: float, target: float) -> Tensor:
    x, eps = latents.double().numpy(), noise.double().numpy()
    original = (x - np.sqrt(1 - level) * eps) / np.sqrt(level)
    moved = np.sqrt(target) * original + np.sqrt(1 - target) * eps
    return torch.from_numpy(moved).to(latents.dtype)


def refined_by_recursion(
    predict, latents: Tensor, level: float, target: float, refine: int
) -> Tensor:
    before = latents
    if refine:
        before = refined_by_recursion(predict, latents, level, target, refine - 1)
    return update_in_one_sum(latents, predict(before, target), level, target)


def refined_by_the_course(
    predict, latents: Tensor, level: float, target: float, refine: int
) -> Tensor:
    schedule = NoiseSchedule(torch.tensor([level, target / level], dtype=torch.float64))
    noise = predict(latents, target)
    for _ in range(refine + 1):
        places = {"previous_timestep": 0}
        guess = ddim_inverse_step(latents, noise, 1, schedule, **places)
        noise = predict(guess, target)
    return guess


ALTERNATIVES = {
    "forward_noise": [noised_step_by_step, noised_by_the_course],
    "signal_to_noise": [ratio_by_loop, ratio_from_logarithms],
    "mixture_noise": [
        mixture_noise_by_autograd,
        mixture_noise_from_the_mean,
    ],
    "chain_variance": [
        variance_in_closed_form,
        variance_with_floats,
        lambda alphas, fresh: torch.tensor(variance_with_floats(alphas, fresh)),
    ],
    "ddim_update": [update_in_one_sum, update_with_numpy],
    "refined_inversion": [refined_by_recursion, refined_by_the_course],
}


# Wrong answers beyond the named ones

WRONG = {
    "forward_noise": [
        lambda x, z, alphas, t: x,
        lambda x, z, alphas, t: alphas.prod().sqrt() * x + (1 - alphas.prod()).sqrt() * z,
    ],
    "signal_to_noise": [lambda alphas: 1 - alphas.cumprod(0), lambda alphas: alphas.cumsum(0)],
    "mixture_noise": [
        lambda x, weights, means, deviations, level: x,
        lambda x, weights, means, deviations, level: torch.zeros_like(x),
        mixture_noise_of_densities,  # right, but 0 / 0 far out
    ],
    "chain_variance": [
        lambda alphas, fresh: fresh.sum(),
        lambda alphas, fresh: variance_in_closed_form(alphas, fresh.sqrt()),
    ],
    "ddim_update": [
        lambda latents, noise, level, target: latents,
        lambda latents, noise, level, target: target**0.5 * latents + (1 - target) ** 0.5 * noise,
    ],
    "refined_inversion": [
        lambda predict, latents, level, target, refine: latents,
        lambda predict, latents, level, target, refine: refined_by_recursion(
            predict, latents, level, target, refine + 1
        ),
    ],
}


# The mixture


@LEVELS
def test_the_density_is_that_of_torch_distributions(level):
    x = torch.linspace(-4, 4, 81, dtype=torch.float64)
    widths = (level * x.new_tensor(MIXTURE.deviations) ** 2 + 1 - level).sqrt()
    parts = Normal(level**0.5 * x.new_tensor(MIXTURE.means), widths)
    theirs = MixtureSameFamily(Categorical(x.new_tensor(MIXTURE.weights)), parts)
    torch.testing.assert_close(MIXTURE.density(x, level), theirs.log_prob(x).exp())
    torch.testing.assert_close(MIXTURE.below(x, level), theirs.cdf(x))


@LEVELS
def test_the_score_is_the_slope_of_the_logarithm(level):
    x = torch.linspace(-4, 4, 81, dtype=torch.float64, requires_grad=True)
    slope = torch.autograd.grad(MIXTURE.density(x, level).log().sum(), x)[0]
    torch.testing.assert_close(MIXTURE.score(x, level), slope)
    parts = [torch.tensor(v, dtype=torch.float64) for v in (*vars(MIXTURE).values(),)]
    expected = reference("mixture_noise")(x.detach(), *parts, level)
    torch.testing.assert_close(MIXTURE.noise(x.detach(), level), expected)


def test_no_other_prediction_of_the_noise_has_a_smaller_loss():
    generator, level = torch.Generator().manual_seed(0), 0.6
    original = MIXTURE.draw(50_000, generator)
    noise = torch.randn(50_000, generator=generator, dtype=torch.float64)
    x = level**0.5 * original + (1 - level) ** 0.5 * noise
    best = MIXTURE.noise(x, level)
    for other in (torch.ones_like(x), x, x**2, torch.sin(3 * x)):  # the gradient of the loss is 0
        assert ((best - noise) * other).mean().abs() < 0.02


def test_the_exact_flow_keeps_ranks_and_ends_near_a_gaussian():
    ends = exact_end(POINTS, SCHEDULE, 999)
    assert (ends.diff() > 0).all()
    shares = MIXTURE.below(POINTS, SCHEDULE.final_alpha_cumprod)
    torch.testing.assert_close(torch.special.ndtr(ends), shares, atol=0.03, rtol=0)


def test_inversion_nears_the_exact_flow_in_first_order():
    errors = []
    for n_steps in (100, 200, 400):
        up, _, timesteps = round_trip(POINTS, n_steps, 0, SCHEDULE)
        errors.append((up[-1] - exact_end(POINTS, SCHEDULE, int(timesteps[-1]))).abs().max())
    assert all(1.6 < a / b < 2.5 for a, b in zip(errors, errors[1:])), errors


@pytest.mark.parametrize("refine", [0, 1, 2])
def test_each_refinement_adds_an_order_to_the_round_trip(refine):
    errors = []
    for n_steps in (50, 100):
        up, down, _ = round_trip(POINTS, n_steps, refine, SCHEDULE)
        errors.append(float((up[0] - down[0]).abs().max()))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(refine + 1, abs=0.4)


def test_a_round_trip_is_invert_and_sample():
    up, down, timesteps = round_trip(POINTS, 7, 1, SCHEDULE)
    steps = list(invert(MIXTURE.predictor(SCHEDULE), POINTS, SCHEDULE, 7, refine=1))
    assert torch.equal(up[-1], steps[-1].latents) and torch.equal(up[-1], down[-1])
    assert timesteps.tolist() == [0, *(step.timestep for step in steps)]


# Variances of chains on unit Gaussian data


def posterior(*arguments, **options) -> Tensor:
    return ddim_step(*arguments, eta=1.0, **options)


def test_the_printed_chain_keeps_alpha_and_adds_its_variance():
    before = torch.cat([torch.ones(1, dtype=torch.float64), SCHEDULE.alphas[:-1]])
    expected = reference("chain_variance")(SCHEDULE.alphas, 1 - before)
    assert gaussian_variances(ancestral_step, SCHEDULE)[-1] == pytest.approx(float(expected))


def test_no_chain_but_one_keeps_the_variance():
    beta = reference("chain_variance")(SCHEDULE.alphas, 1 - SCHEDULE.alphas)
    assert float(beta) == pytest.approx(1, abs=1e-12)
    for step in (ancestral_step, posterior, ddim_step):
        assert 0.99 < gaussian_variances(step, CLEAN_AT_ONE)[-1] < 0.9975


def test_figures_need_curves():
    for figure in (variance_figure, lambda curves: reconstruction_figure(curves, 30.0)):
        with pytest.raises(ValueError, match="one label or more"):
            figure({})

"""Lesson 06: other right answers, more wrong ones, and the references against course.recursion."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from classroom.exercises import get, reference
from course import recursion
from course.diffusion import NoiseSchedule
from lessons.error_recursion.figures import bound_curves, filtered_chain, real_chain_figure

# Right answers, written otherwise


def constant_with_numpy(alphas: Tensor, lipschitz: float) -> Tensor:
    a = alphas.numpy()
    slope = (1 - a) / np.sqrt(a * (1 - np.cumprod(a)))
    return torch.from_numpy((1 / np.sqrt(a) + slope * lipschitz).astype(a.dtype))


def constant_by_loop(alphas: Tensor, lipschitz: float) -> Tensor:
    level, constants = 1.0, []
    for alpha in alphas:
        level = level * alpha
        constants.append(alpha**-0.5 * (1 + (1 - alpha) * (1 - level) ** -0.5 * lipschitz))
    return torch.stack(constants)


def unrolled_sum(constants: Tensor, noise: Tensor, displacement: Tensor, start: Tensor) -> Tensor:
    through = constants.flip(0).cumprod(0).flip(0)  # of this step and all later ones
    return through[0] * start + displacement * through.sum() + (noise * through / constants).sum()


def accumulated_by_recursion(constants, noise, displacement, start) -> Tensor:
    if not len(constants):
        return start
    before = accumulated_by_recursion(constants[:-1], noise[:-1], displacement, start)
    return constants[-1] * before + constants[-1] * displacement + noise[-1]


def norm_by_neighbours(d: int) -> float:
    """The mean lengths of two neighbouring dimensions d and d + 1 multiply to d."""
    mean = math.sqrt(2 / math.pi)
    for k in range(1, d):
        mean = k / mean
    return mean


def norm_by_integral(d: int) -> float:
    r = np.linspace(1e-9, math.sqrt(d) + 12, 400_001)
    log_density = (d - 1) * np.log(r) - r**2 / 2
    density = np.exp(log_density - log_density.max())
    return float((r * density).sum() / density.sum()) if d > 1 else math.sqrt(2 / math.pi)


def norm_with_torch(d: int) -> Tensor:
    half = torch.tensor([d + 1, d], dtype=torch.float64) / 2
    return 2**0.5 * torch.lgamma(half).diff().neg().exp()[0]


def rms_by_hypot(constant, error, displacement, noise) -> Tensor:
    return torch.hypot(constant * (error + displacement), noise)


def rms_of_a_stack(constant, error, displacement, noise) -> Tensor:
    return torch.stack([constant * error + constant * displacement, noise]).norm(dim=0)


def stretch_by_svd(function, x, direction, n_rounds) -> float:
    jacobian = torch.autograd.functional.jacobian(function, x)
    return torch.linalg.svdvals(jacobian.reshape(x.numel(), -1))[0]


def stretch_with_autograd(function, x, direction, n_rounds) -> Tensor:
    v = direction
    for _ in range(n_rounds):
        v = v / v.norm()
        pushed = torch.autograd.functional.jvp(function, x, v)[1]
        v = torch.autograd.functional.vjp(function, x, pushed)[1]
    return torch.autograd.functional.jvp(function, x, v / v.norm())[1].norm()


def stretch_from_the_matrix(function, x, direction, n_rounds) -> Tensor:
    jacobian = torch.autograd.functional.jacobian(function, x).reshape(x.numel(), -1)
    v = torch.linalg.matrix_power(jacobian.T @ jacobian, n_rounds) @ direction.flatten()
    return (jacobian @ v).norm() / v.norm()


def checkerboard(limit: float) -> tuple[Tensor, float]:
    signs = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(2, 2)
    return 8 * limit * signs[None, None], 20.0 * limit


def bright_pixel(limit: float) -> tuple[Tensor, float]:
    image = torch.zeros(1, 1, 5, 5, dtype=torch.float64)
    image[0, 0, 2, 2] = 20 * limit
    return image, 20 * limit


ALTERNATIVES = {
    "step_constant": [constant_with_numpy, constant_by_loop],
    "accumulate": [unrolled_sum, accumulated_by_recursion],
    "expected_noise_norm": [norm_by_neighbours, norm_by_integral, norm_with_torch],
    "rms_combine": [rms_by_hypot, rms_of_a_stack],
    "power_iteration": [stretch_from_the_matrix, stretch_with_autograd],
    "counterexample_perfect_start": [checkerboard, bright_pixel],
}


# Wrong answers beyond the named ones


def constant_of_the_inverse(alphas: Tensor, lipschitz: float) -> Tensor:
    return 1 / constant_by_loop(alphas, lipschitz)


def constant_with_level_before(alphas: Tensor, lipschitz: float) -> Tensor:
    level = alphas.cumprod(0) / alphas
    return (1 + (1 - alphas) * (1 - 0.9 * level).rsqrt() * lipschitz) / alphas.sqrt()


def accumulated_without_noise(constants, noise, displacement, start) -> Tensor:
    return unrolled_sum(constants, torch.zeros_like(noise), displacement, start)


def accumulated_by_mean(constants, noise, displacement, start) -> Tensor:
    return unrolled_sum(constants.mean().expand_as(constants), noise, displacement, start)


def rms_with_minus(constant, error, displacement, noise) -> Tensor:
    return torch.hypot(constant * (error - displacement), noise)


def stretch_of_a_large_move(function, x, direction, n_rounds) -> Tensor:
    return (function(x + direction) - function(x)).norm() / direction.norm()


WRONG = {
    "step_constant": [constant_of_the_inverse, constant_with_level_before],
    "accumulate": [accumulated_without_noise, accumulated_by_mean],
    "expected_noise_norm": [lambda d: math.sqrt(d + 1), lambda d: math.sqrt(2 / math.pi * d)],
    "rms_combine": [rms_with_minus],
    "power_iteration": [stretch_of_a_large_move, stretch_by_svd],
    "counterexample_perfect_start": [
        lambda limit: (torch.rand(1, 1, 4, 4), -1.0),
        lambda limit: torch.rand(1, 1, 4, 4),
    ],
}


# The references against the course's own functions


@pytest.mark.parametrize("lipschitz", [0.0, 0.1, 1.0])
def test_the_step_constant_is_the_course_s_from_the_other_end(lipschitz):
    schedule = NoiseSchedule(torch.linspace(0.99, 0.7, 7, dtype=torch.float64))
    expected = recursion.step_constants(schedule, 7, lipschitz)
    found = reference("step_constant")(schedule.alphas, lipschitz).flip(0)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def chain(lipschitz: float, n_steps: int = 10) -> tuple[Tensor, Tensor]:
    schedule = NoiseSchedule.stable_diffusion()
    constants = recursion.step_constants(schedule, n_steps, lipschitz)
    return constants, recursion.noise_variances(schedule, n_steps).sqrt()


def test_accumulate_is_the_product_bound():
    constants, deviations = chain(0.3)
    noise = deviations * reference("expected_noise_norm")(12)
    found = reference("accumulate")(constants, noise, torch.tensor(0.2), torch.tensor(0.5))
    expected = recursion.product_bound(
        NoiseSchedule.stable_diffusion(),
        10,
        0.3,
        n_elements=12,
        initial_error=0.5,
        displacement=0.2,
    )
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_rms_combine_step_by_step_is_the_rms_bound():
    constants, deviations = chain(0.3)
    error = torch.tensor(0.5, dtype=torch.float64)
    for constant, deviation in zip(constants, deviations):
        error = reference("rms_combine")(constant, error, 0.2, deviation * 12**0.5)
    expected = recursion.rms_bound(
        NoiseSchedule.stable_diffusion(),
        10,
        0.3,
        n_elements=12,
        initial_error=0.5,
        displacement=0.2,
    )
    assert error.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("d", [1, 2, 1024])
def test_the_mean_noise_norm_is_the_course_s(d):
    expected = recursion.expected_noise_norm(d)
    assert reference("expected_noise_norm")(d) == pytest.approx(expected, rel=1e-12)


def test_power_iteration_finds_the_largest_singular_value():
    for case in get("power_iteration").draws()[0]:
        expected = float(stretch_by_svd(*case.arguments))
        *given, _ = case.arguments
        found = reference("power_iteration")(*given, 400).item()  # many rounds
        assert found == pytest.approx(expected, rel=1e-5)


# What the figures draw


def test_the_curves_end_where_the_course_s_bounds_end():
    schedule = NoiseSchedule.stable_diffusion()
    curves = bound_curves(schedule, 20, 0.4, n_elements=36, initial_error=0.5)
    options = {"n_elements": 36, "initial_error": 0.5 * 6}
    bounds = (recursion.printed_bound, recursion.product_bound, recursion.rms_bound)
    for curve, bound in zip(curves.values(), bounds):
        assert curve[-1].item() == pytest.approx(bound(schedule, 20, 0.4, **options) / 6, rel=1e-9)


@pytest.mark.parametrize("target", ["latents", "original"])
def test_a_filter_only_harms_a_clean_start_of_the_small_chain(target):
    plain, filtered = (filtered_chain(0.0, which)[1] for which in (None, target))
    assert plain.max() < 1e-3 and filtered.min() > 10 * plain.max()


@pytest.mark.parametrize("noise", [0.1, 0.2, 0.4])
def test_a_filter_near_the_noise_helps_a_noisy_start_of_the_small_chain(noise):
    plain, filtered = (filtered_chain(noise, which)[1] for which in (None, "latents"))
    assert 0.8 * noise < plain[0] < noise  # nearly as it went in
    assert filtered.min() < 0.7 * plain[0] and filtered[-1] > filtered.min() + 0.1


def test_a_chain_without_measurement_is_not_drawn():
    with pytest.raises(ValueError, match="measured"):
        real_chain_figure({"bound": torch.ones(3)}, {})

"""Counterexamples and searches for Section 4.2: the filter, one step, and the chain."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from course.bilateral import bilateral_filter, displacement_bound
from course.claims.claim import Tightness, Violation
from course.claims.search import ascend, random_starts
from course.recursion import expected_noise_norm, rms_bound, simulate, step_constants
from course.schedule import NoiseSchedule

_SIZE, _WINDOW, _SPATIAL = 4, 3, 100.0  # of the images that the searches move
_TWO_STEPS = NoiseSchedule(torch.tensor([0.99, 0.99], dtype=torch.float64))


def edge(contrast: float) -> Tensor:
    """Return the image (1, 1, 2, 2) of a vertical edge, from 0 to `contrast`."""
    return torch.tensor([0.0, contrast], dtype=torch.float64).expand(1, 1, 2, 2)


def filter_moves_a_perfect_start() -> Violation:
    contrast = 100.0
    image = edge(contrast)
    errors = simulate(
        _TWO_STEPS,
        2,
        0.0,
        image,
        latent_filter=lambda x: bilateral_filter(x, 3, 1.0, contrast),
        add_noise=False,
    )
    noise = math.sqrt(1 - 0.99) * expected_noise_norm(image.numel())
    # The noise has mean zero, so the expected norm is at least the norm without it (Jensen).
    return Violation(
        float(errors[1]),
        noise,
        "both chains start at an edge of height 100, so the first term is 0; the left side is the "
        "least that the mean error can be, the right side what is left of Eq. 35 for any C",
    )


def filter_leaves_the_ideal() -> Violation:
    image = edge(1.0)
    moved = torch.linalg.vector_norm(bilateral_filter(image, 3, 1.0, 1.0) - image)
    return Violation(
        float(moved), 0.0, "x and the ideal are the same edge of height 1, and sigma is 1"
    )


def filtered_step_without_an_error_makes_one() -> Violation:
    image = edge(1.0)
    errors = simulate(
        _TWO_STEPS,
        2,
        0.5,
        image,
        latent_filter=lambda x: bilateral_filter(x, 3, 1.0, 1.0),
        add_noise=False,
    )
    return Violation(
        float(errors[1]), 0.0, "one step from x equal to the ideal, an edge of height 1, with z = 0"
    )


def chain_without_noise_makes_an_error() -> Violation:
    schedule = NoiseSchedule(torch.tensor([0.9], dtype=torch.float64))
    errors = simulate(
        schedule, 1, 0.0, edge(1.0), latent_filter=lambda x: bilateral_filter(x, 3, 1.0, 1.0)
    )
    return Violation(
        float(errors[-1]),
        0.0,
        "one step from delta = 0 to the clean end, where Eq. 41 has no noise term either",
    )


def early_noise_is_multiplied() -> Violation:
    quarter, d = 0.25, 4096
    # C = 2 in both steps: noise of variance 3/4 enters on the way to x_1 and is then doubled.
    left = 2 * math.sqrt(1 - quarter) * expected_noise_norm(d)
    right = math.sqrt(d) * math.sqrt(1 - quarter)
    return Violation(
        left, right, "two steps with alpha = 1/4, hence C = 2, d = 4096, no filter, L = delta = 0"
    )


def step_bound(constant: float, error: float, displacement: float) -> float:
    """Return C_t (|x_t - xbar_t| + b), what a step without noise can leave of an error."""
    return constant * (error + displacement)


def step_bound_in_mean_square(
    constant: float, error: float, displacement: float, variance: float, n_elements: int
) -> float:
    """Return the bound on the root mean square of |x_{t-1} - xbar_{t-1}| after one step."""
    return math.hypot(step_bound(constant, error, displacement), math.sqrt(variance * n_elements))


def chain_bound(schedule: NoiseSchedule, n_steps: int, noise_lipschitz: float, **options) -> float:
    """Return R_0; arguments as `course.recursion.rms_bound`."""
    return rms_bound(schedule, n_steps, noise_lipschitz, **options)


def printed_sum(constant: float, alphas: list[float], n_elements: int, delta: float) -> float:
    """Return the right side of Eq. 41 for one C and alpha_0, ..., alpha_{T-1}, with alpha_0 = 1."""
    noise = sum(constant**k * math.sqrt(1 - alpha) for k, alpha in enumerate(alphas))
    return constant ** len(alphas) * delta + math.sqrt(n_elements) * noise


def _images(points: Tensor) -> Tensor:
    return points.unflatten(-1, (1, _SIZE, _SIZE))


def _moved(points: Tensor) -> Tensor:
    """Return B(x) - x of many images at once, flat, for sigma_intensity 1."""
    images = _images(points)
    return (bilateral_filter(images, _WINDOW, _SPATIAL, 1.0) - images).flatten(1)


def search_lemma_4_7(seed: int = 0, budget: int = 16) -> Tightness:
    starts = 2 * random_starts(seed, budget, _SIZE**2)
    best, _ = ascend(lambda x: _moved(x).abs().amax(-1), starts, n_steps=80, rate=0.2)
    bound = displacement_bound(_WINDOW, _SPATIAL, 1.0)
    return Tightness(
        float(best) / bound,
        "x equal to the ideal, maximum norm: one pixel against a window of equal others",
    )


@cache
def _worst_step(seed: int, budget: int) -> tuple[float, float, float]:
    """Return C_t and, in Euclidean norm, the filter's largest share found and its bound b."""
    constant = float(step_constants(_TWO_STEPS, 2, 0.5)[0])
    starts = 2 * random_starts(seed, budget, _SIZE**2)
    best, _ = ascend(lambda x: _moved(x).norm(dim=-1), starts, n_steps=80, rate=0.2)
    return constant, float(best), _SIZE * displacement_bound(_WINDOW, _SPATIAL, 1.0)


def search_lemma_4_8(seed: int = 0, budget: int = 16) -> Tightness:
    constant, found, b = _worst_step(seed, budget)
    # The predictor -L x turns a displaced start into C_t times the displacement.
    ratio = constant * found / step_bound(constant, 0.0, b)
    return Tightness(ratio, "no error before the step, images of 4 x 4 pixels, Euclidean norm")


def search_theorem_4_6(seed: int = 0, budget: int = 16) -> Tightness:
    constant, found, b = _worst_step(seed, budget)
    variance = 1 - float(_TWO_STEPS.alphas[0])
    left = math.hypot(constant * found, math.sqrt(variance * _SIZE**2))
    right = step_bound_in_mean_square(constant, 0.0, b, variance, _SIZE**2)
    return Tightness(left / right, "no error before the step, alpha = 0.99, 4 x 4 pixels")


def search_lemma_4_9(seed: int = 0, budget: int = 16) -> Tightness:
    """Compare the exact root mean square of the linear chain with R_0, on random schedules."""
    best = Tightness(0.0, "")
    for draws in random_starts(seed, budget, 8):
        n_steps, lipschitz = len(draws) - 1, float(draws[-1].abs())
        schedule = NoiseSchedule(0.05 + 0.94 * draws[:-1].sigmoid())
        left = _exact_rms(schedule, n_steps, lipschitz)
        right = chain_bound(schedule, n_steps, lipschitz, n_elements=1)
        if left / right > best.ratio:
            best = Tightness(left / right, f"7 steps, predictor -L x with L = {lipschitz:.2f}")
    return best


def _exact_rms(schedule: NoiseSchedule, n_steps: int, lipschitz: float) -> float:
    """Return the root mean square error at x_0 of the linear chain, one noise input at a time.

    The errors that single perturbations leave at x_0 are measured on real chains; as the inputs
    are independent, their squares add.
    """
    one, square = torch.ones(1, 1, dtype=torch.float64), 0.0
    still = torch.zeros_like(one)
    reached = simulate(schedule, n_steps, lipschitz, still, perturbation=one, add_noise=False)
    for index in range(1, n_steps + 1):
        gain = float(reached[-1] / reached[index])
        alpha = float(schedule.alphas[n_steps - index - 1]) if index < n_steps else 1.0
        square += gain**2 * (1 - alpha)
    return math.sqrt(square)


def search_equation_41(seed: int = 0, budget: int = 16) -> Tightness:
    """Walk the recursion of Eq. 40 with equality and compare its end with the printed sum."""
    best = Tightness(0.0, "")
    for draws in random_starts(seed, budget, 8):
        alphas = [1.0, *(0.05 + 0.94 * draws[2:].sigmoid()).tolist()]
        constant, delta, d = 1 + float(draws[0].abs()), float(draws[1].abs()), 16
        error = delta
        for alpha in reversed(alphas):
            error = constant * error + math.sqrt(1 - alpha) * math.sqrt(d)
        ratio = error / printed_sum(constant, alphas, d, delta)
        if ratio > best.ratio:
            best = Tightness(ratio, f"7 steps with the one factor C = {constant:.2f}")
    return best

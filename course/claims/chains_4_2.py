"""Counterexamples, bounds and searches for Section 4.2: errors along the whole chain."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from course.bilateral import bilateral_filter
from course.claims.claim import Tightness, Violation
from course.claims.filter_4_2 import edge
from course.claims.search import random_starts
from course.diffusion import ancestral_step, sample
from course.diffusion.schedule import NoiseSchedule
from course.recursion import expected_noise_norm, rms_bound, simulate, step_constants


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


def contraction_factor(alpha: float, level: float, slope: float, lipschitz: float) -> float:
    """Return what a step multiplies an error by at most, for a predictor that follows the error.

    That is, <eps(x) - eps(y), x - y> >= slope |x - y|^2, beside the Lipschitz constant. It is
    below 1 if and only if 2 slope - a lipschitz^2 > sqrt(1 - level), a = (1 - alpha) over that
    root; `alpha` is that of the step, `level` alpha-bar at its start, both in (0, 1).
    """
    a = (1 - alpha) / math.sqrt(1 - level)
    return math.sqrt((1 - 2 * a * slope + (a * lipschitz) ** 2) / alpha)


def chain_bound(schedule: NoiseSchedule, n_steps: int, noise_lipschitz: float, **options) -> float:
    """Return R_0; arguments as `course.recursion.rms_bound`."""
    return rms_bound(schedule, n_steps, noise_lipschitz, **options)


def printed_sum(constant: float, alphas: list[float], n_elements: int, delta: float) -> float:
    """Return the right side of Eq. 41 for one C and alpha_0, ..., alpha_{T-1}, with alpha_0 = 1."""
    noise = sum(constant**k * math.sqrt(1 - alpha) for k, alpha in enumerate(alphas))
    return constant ** len(alphas) * delta + math.sqrt(n_elements) * noise


def bias_sum(schedule: NoiseSchedule, n_steps: int, noise_lipschitz: float, b: float) -> float:
    """Return b times the sum of P_t, what the filter alone can add to an error over a chain."""
    return b * float(step_constants(schedule, n_steps, noise_lipschitz).flip(0).cumprod(0).sum())


def worst_filtered_chain(
    schedule: NoiseSchedule, n_steps: int, noise_lipschitz: float
) -> tuple[float, float]:
    """Run a chain without noise whose filter does its worst in every step; return |e_0| and b.

    Two pixels that are each other's only neighbour, at the gap u, move by c(1) each, if sigma is 1.
    The predictor -L x + k_t leads the filtered chain back to this gap in every step.
    """
    squared = 1.0
    for _ in range(60):  # of u^2 = 1 + exp(-u^2 / 2), where a pixel moves most
        squared = 1 + math.exp(-squared / 2)
    worst = torch.tensor([[0.0, math.sqrt(squared)]], dtype=torch.float64)
    filtered, still = _two_pixels(worst), torch.zeros_like(worst)

    def predictor(latents: Tensor, timestep: int) -> Tensor:
        level = schedule.level(timestep, worst)
        previous = schedule.previous_timestep(timestep, n_steps)
        alpha = level / schedule.level(previous, worst, clean=1.0)
        kept = (filtered - math.sqrt(alpha) * worst) * math.sqrt(1 - level) / (1 - alpha)
        return kept - noise_lipschitz * (latents - filtered)

    step = partial(ancestral_step, noise=still)
    ideal, actual = (
        list(sample(predictor, worst, schedule, n_steps, step=step, latent_filter=each))[-1].latents
        for each in (None, _two_pixels)
    )
    b = torch.linalg.vector_norm(filtered - worst)
    return float(torch.linalg.vector_norm(actual - ideal)), float(b)


def _two_pixels(x: Tensor) -> Tensor:
    """Return the filtered images (N, 2) of two pixels of spatial weight 1, for sigma 1 (Eq. 9)."""
    gap = x.flip(1) - x
    weight = torch.exp(-gap.square() / 2)
    return x + gap * weight / (1 + weight)


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

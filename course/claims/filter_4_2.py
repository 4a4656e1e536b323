"""Counterexamples and searches for Section 4.2: the filter and one step with it."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from course.bilateral import bilateral_filter, displacement_bound
from course.claims.claim import Tightness, Violation
from course.claims.search import ascend, random_starts
from course.diffusion.schedule import NoiseSchedule
from course.recursion import expected_noise_norm, simulate, step_constants

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


def step_bound(constant: float, error: float, displacement: float) -> float:
    """Return C_t (|x_t - xbar_t| + b), what a step without noise can leave of an error."""
    return constant * (error + displacement)


def step_bound_in_mean_square(
    constant: float, error: float, displacement: float, variance: float, n_elements: int
) -> float:
    """Return the bound on the root mean square of |x_{t-1} - xbar_{t-1}| after one step."""
    return math.hypot(step_bound(constant, error, displacement), math.sqrt(variance * n_elements))


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

"""The weights of a window (Eq. 10)."""

from __future__ import annotations

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception
from lessons.bilateral_filter.exercises.shared import LESSON

# The spatial weights


def _window_cases(generator: torch.Generator) -> list[Case]:
    pairs = ((1, 1.0), (3, 1.0), (3, 0.5), (5, 1.5), (7, 2.0), (9, 100.0), (5, 0.2), (25, 6.0))
    return [Case(f"window {size}, sigma {sigma}", (size, sigma)) for size, sigma in pairs]


def offsets(kernel_size: int) -> Tensor:
    return torch.arange(kernel_size, dtype=torch.float64) - kernel_size // 2


def _squared_distances(kernel_size: int) -> Tensor:
    squares = offsets(kernel_size).square()
    return squares[:, None] + squares


def _spatial_weights(kernel_size: int, sigma: float) -> Tensor:
    return torch.exp(-_squared_distances(kernel_size) / (2 * sigma**2))


def _normalised_window(kernel_size: int, sigma: float) -> Tensor:
    weights = _spatial_weights(kernel_size, sigma)
    return weights / weights.sum()


def _window_without_two(kernel_size: int, sigma: float) -> Tensor:
    return torch.exp(-_squared_distances(kernel_size) / sigma**2)


def _window_of_plain_sigma(kernel_size: int, sigma: float) -> Tensor:
    return torch.exp(-_squared_distances(kernel_size) / (2 * sigma))


def _window_of_plain_distance(kernel_size: int, sigma: float) -> Tensor:
    return torch.exp(-_squared_distances(kernel_size).sqrt() / (2 * sigma**2))


def _window_from_the_corner(kernel_size: int, sigma: float) -> Tensor:
    squares = torch.arange(kernel_size, dtype=torch.float64).square()
    return torch.exp(-(squares[:, None] + squares) / (2 * sigma**2))


def _window_along_one_axis(kernel_size: int, sigma: float) -> Tensor:
    row = torch.exp(-offsets(kernel_size).square() / (2 * sigma**2))
    return row.expand(kernel_size, kernel_size).clone()


def _sum_of_two_bells(kernel_size: int, sigma: float) -> Tensor:
    row = torch.exp(-offsets(kernel_size).square() / (2 * sigma**2))
    return row[:, None] + row


def _window_of_steps(kernel_size: int, sigma: float) -> Tensor:
    steps = offsets(kernel_size).abs()
    return torch.exp(-(steps[:, None] + steps).square() / (2 * sigma**2))


def _window_between_pixels(kernel_size: int, sigma: float) -> Tensor:
    squares = (torch.arange(kernel_size, dtype=torch.float64) - kernel_size / 2).square()
    return torch.exp(-(squares[:, None] + squares) / (2 * sigma**2))


SPATIAL_WEIGHTS = Exercise(
    name="spatial_weights",
    lesson=LESSON,
    title="The weights of distance",
    reference=_spatial_weights,
    cases=_window_cases,
    misconceptions=(
        Misconception(
            "normalised_too_early",
            "Your weights sum to one. Eq. 10 does not divide, and its centre is 1: Eq. 9 divides "
            "later, by the sum of the products with the weights of Eq. 11.",
            _normalised_window,
        ),
        Misconception(
            "forgot_the_two",
            "You divide by the square of sigma. Eq. 10 divides by twice the square.",
            _window_without_two,
        ),
        Misconception(
            "sigma_not_squared",
            "You divide by 2 sigma. Eq. 10 squares sigma, so that pixels stand over pixels and "
            "the exponent has no unit.",
            _window_of_plain_sigma,
        ),
        Misconception(
            "distance_not_squared",
            "The distance itself is in your exponent. Eq. 10 has its square, and then no root is "
            "needed.",
            _window_of_plain_distance,
        ),
        Misconception(
            "centre_in_the_corner",
            "Your largest weight is in the corner. Distances are counted from the middle of the "
            "window, so the offsets run from -r to r.",
            _window_from_the_corner,
        ),
        Misconception(
            "along_one_axis",
            "All rows of your window are equal: only the distance along one axis counts. Add the "
            "squares of both offsets.",
            _window_along_one_axis,
        ),
        Misconception(
            "density_of_a_gaussian",
            "You divide by 2 pi sigma^2, as the density of a normal distribution does. Eq. 10 "
            "has the exponential alone: the centre weighs 1.",
            lambda kernel_size, sigma: (
                _spatial_weights(kernel_size, sigma) / (2 * torch.pi * sigma**2)
            ),
        ),
        Misconception(
            "added_the_two_axes",
            "You added a bell along each axis. Distances add inside the exponent, so the two "
            "bells are multiplied.",
            _sum_of_two_bells,
        ),
        Misconception(
            "steps_along_the_axes",
            "Your distance is the sum of the steps along both axes. Eq. 10 means the straight "
            "one: squares are added, and the sum is not squared again.",
            _window_of_steps,
        ),
        Misconception(
            "middle_between_pixels",
            "Your middle lies between two pixels. kernel_size is odd, so the middle is a pixel: "
            "take the whole half, kernel_size // 2.",
            _window_between_pixels,
        ),
    ),
)

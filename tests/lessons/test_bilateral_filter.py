"""Lesson 04: other right answers, more wrong ones, and the references against course.bilateral."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from classroom.exercises import get, reference
from course import bilateral
from lessons.bilateral_filter.figures import filter_row, two_pixel_stretch

# Right answers, written otherwise


def weights_by_loop(kernel_size: int, sigma: float) -> Tensor:
    reach = kernel_size // 2
    rows = [
        [math.exp(-(dy * dy + dx * dx) / (2 * sigma * sigma)) for dx in range(-reach, reach + 1)]
        for dy in range(-reach, reach + 1)
    ]
    return torch.tensor(rows)


def weights_by_outer_product(kernel_size: int, sigma: float) -> Tensor:
    line = torch.linspace(-(kernel_size // 2), kernel_size // 2, kernel_size) / sigma
    row = (-line.square() / 2).exp()
    return torch.outer(row, row)


def weights_with_numpy(kernel_size: int, sigma: float) -> Tensor:
    y, x = np.mgrid[:kernel_size, :kernel_size] - kernel_size // 2
    return torch.from_numpy(np.exp(-(x**2 + y**2) / (2 * sigma**2)))


def row_by_loop(signal: Tensor, kernel_size: int, spatial: float, intensity: float) -> Tensor:
    out, last, reach = [], len(signal) - 1, kernel_size // 2
    for i in range(len(signal)):
        above = below = 0.0
        for step in range(-reach, reach + 1):
            value = signal[last - abs(last - abs(i + step))]
            weight = math.exp(-(step**2) / (2 * spatial**2))
            weight = weight * torch.exp(-((value - signal[i]) ** 2) / (2 * intensity**2))
            above, below = above + weight * value, below + weight
        out.append(above / below)
    return torch.stack(out)


def row_with_numpy(signal: Tensor, kernel_size: int, spatial: float, intensity: float) -> Tensor:
    values, reach = signal.numpy(), kernel_size // 2
    padded = np.pad(values, reach, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel_size)
    exponent = ((windows - values[:, None]) / intensity) ** 2
    exponent = exponent + (np.arange(-reach, reach + 1) / spatial) ** 2
    weights = np.exp(-exponent / 2)
    return torch.from_numpy((weights * windows).sum(1) / weights.sum(1)).to(signal.dtype)


def row_of_an_image(signal: Tensor, kernel_size: int, spatial: float, intensity: float) -> Tensor:
    return filter_row(signal, kernel_size, spatial, intensity)


def exact_dark_pixel() -> float:
    return 1 / (1 + math.e)


def dark_pixel_to_three_digits() -> float:
    return 0.269


def pair_from_zero(sigma: float) -> tuple[Tensor, Tensor]:
    return torch.tensor([0.0, 2.0 * sigma]), torch.tensor([0.0, 2.1 * sigma])


def pair_upside_down(sigma: float) -> tuple[Tensor, Tensor]:
    x = torch.tensor([5.0 * sigma, 2.9 * sigma], dtype=torch.float64)
    return x, x + sigma * torch.tensor([0.2, -0.2], dtype=torch.float64)


def balanced_in_turns(kernel: Tensor) -> Tensor:
    for _ in range(100):
        kernel = kernel / kernel.sum(0, keepdim=True)
        kernel = kernel / kernel.sum(1, keepdim=True)
    return kernel


def balanced_with_numpy(kernel: Tensor) -> Tensor:
    matrix = kernel.double().numpy()
    left = right = np.ones(len(matrix))
    for _ in range(100):
        left = 1 / (matrix @ right)
        right = 1 / (matrix.T @ left)
    return torch.from_numpy(np.diag(left) @ matrix @ np.diag(right)).to(kernel.dtype)


def sigma_by_the_two_equations(limit: float, kernel_size: int, sigma_spatial: float) -> float:
    total = float(weights_by_loop(kernel_size, sigma_spatial).double().sum()) - 1
    low, high = 1.0, 10.0
    for _ in range(80):  # bisection for (u^2 - 1) exp(u^2 / 2) = G
        u = (low + high) / 2
        low, high = (u, high) if (u * u - 1) * math.exp(u * u / 2) < total else (low, u)
    return limit / (low - 1 / low)


def sigma_by_halving(limit: float, kernel_size: int, sigma_spatial: float) -> float:
    low, high = 0.0, 1e6
    for _ in range(100):
        sigma = (low + high) / 2
        moved = bilateral.displacement_bound(kernel_size, sigma_spatial, sigma)
        low, high = (sigma, high) if moved < limit else (low, sigma)
    return low


ALTERNATIVES = {
    "spatial_weights": [weights_by_loop, weights_by_outer_product, weights_with_numpy],
    "bilateral_filter_1d": [row_by_loop, row_with_numpy, row_of_an_image],
    "dark_pixel": [exact_dark_pixel, dark_pixel_to_three_digits],
    "expanding_pair": [pair_from_zero, pair_upside_down],
    "doubly_stochastic": [balanced_in_turns, balanced_with_numpy],
    "sigma_for_displacement": [sigma_by_the_two_equations, sigma_by_halving],
}


# Wrong answers beyond the named ones


def weights_of_a_diamond(kernel_size: int, sigma: float) -> Tensor:
    steps = (torch.arange(kernel_size) - kernel_size // 2).abs()
    return torch.exp(-((steps[:, None] + steps) ** 2) / (2 * sigma**2))


def weights_without_a_sign(kernel_size: int, sigma: float) -> Tensor:
    return 1 / weights_by_loop(kernel_size, sigma)


def row_without_its_centre(
    signal: Tensor, kernel_size: int, spatial: float, intensity: float
) -> Tensor:
    return 2 * row_by_loop(signal, kernel_size, spatial, intensity) - signal


def row_with_wide_reach(
    signal: Tensor, kernel_size: int, spatial: float, intensity: float
) -> Tensor:
    return row_by_loop(signal, 2 * kernel_size - 1, spatial, intensity)


def bright_pixel_by_the_mean() -> float:
    return 0.6


def pair_of_three_sigmas(sigma: float) -> tuple[Tensor, Tensor]:
    return torch.tensor([0.0, 3.0 * sigma]), torch.tensor([0.0, 3.1 * sigma])


def pair_of_single_pixels(sigma: float) -> tuple[Tensor, Tensor]:
    return torch.tensor([0.0]), torch.tensor([2.0 * sigma])


def balanced_by_a_softmax(kernel: Tensor) -> Tensor:
    return kernel.softmax(1)


def identity_matrix(kernel: Tensor) -> Tensor:
    return torch.eye(len(kernel), dtype=kernel.dtype)


def sigma_of_the_stretch(limit: float, kernel_size: int, sigma_spatial: float) -> float:
    return limit / bilateral.lipschitz_bound(kernel_size, sigma_spatial)


WRONG = {
    "spatial_weights": [weights_of_a_diamond, weights_without_a_sign],
    "bilateral_filter_1d": [row_without_its_centre, row_with_wide_reach],
    "dark_pixel": [bright_pixel_by_the_mean],
    "expanding_pair": [pair_of_three_sigmas, pair_of_single_pixels],
    "doubly_stochastic": [balanced_by_a_softmax, identity_matrix],
    "sigma_for_displacement": [sigma_of_the_stretch],
}


# The references against the course's own functions


def test_the_filter_of_a_row_is_the_course_filter_of_a_striped_image():
    for case in itertools.chain(*get("bilateral_filter_1d").draws()):
        signal, size, spatial, intensity = case.arguments
        image = signal.expand(1, 1, max(2, size // 2 + 1), len(signal))
        expected = bilateral.bilateral_filter(image, size, spatial, intensity)[0, 0, 0]
        came = reference("bilateral_filter_1d")(*case.arguments)
        torch.testing.assert_close(came, expected, rtol=2e-5, atol=2e-6)


def test_the_balanced_kernel_is_the_course_matrix_without_borders():
    kernel = get("doubly_stochastic").draws()[0][4].arguments[0]
    matrix = reference("doubly_stochastic")(kernel)
    ones = torch.ones(len(kernel), dtype=kernel.dtype)
    torch.testing.assert_close(matrix @ ones, ones, rtol=0, atol=1e-12)
    torch.testing.assert_close(matrix, matrix.T, rtol=0, atol=1e-15)
    assert torch.linalg.matrix_norm(matrix, 2) == pytest.approx(1, abs=1e-12)


def test_no_pixel_moves_further_than_the_chosen_sigma_allows():
    sigma = reference("sigma_for_displacement")(0.25, 5, 1.5)
    image = torch.randn(1, 1, 12, 12, generator=torch.Generator().manual_seed(0)).double()
    moved = (bilateral.bilateral_filter(image, 5, 1.5, sigma) - image).abs().max()
    assert 0.05 < moved <= 0.25


# What the figures draw


def test_the_stretch_of_two_pixels_is_the_slope_of_the_filtered_gap():
    gap = torch.linspace(0.1, 5, 50, dtype=torch.float64, requires_grad=True)
    weight = 0.7 * torch.exp(-gap.square() / 2)
    filtered = gap * (1 - 2 * weight / (1 + weight))
    (slope,) = torch.autograd.grad(filtered.sum(), gap)
    torch.testing.assert_close(two_pixel_stretch(gap.detach(), 0.7), slope, rtol=1e-12, atol=1e-12)


def test_two_pixels_are_driven_apart_by_at_most_sixteen_tenths():
    gaps = torch.linspace(0, 6, 60001, dtype=torch.float64)
    stretch = two_pixel_stretch(gaps, 1.0)
    assert stretch.max().item() == pytest.approx(1.601639, abs=1e-6)
    assert gaps[stretch.argmax()].item() == pytest.approx(1.9902, abs=2e-4)

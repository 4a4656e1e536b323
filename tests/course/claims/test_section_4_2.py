"""What the ledger says of Section 4.2, checked against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.bilateral import bilateral_filter, bilateral_weights, displacement_bound
from course.claims.chains_4_2 import (
    bias_sum,
    contraction_factor,
    printed_sum,
    worst_filtered_chain,
)
from course.claims.filter_4_2 import edge, filter_moves_a_perfect_start
from course.claims.section_4_2 import CLAIMS
from course.diffusion import NoiseSchedule, ancestral_step
from course.recursion import noise_variances, rms_bound, step_constants

BY_ID = {one.id: one for one in CLAIMS}
SD = NoiseSchedule.stable_diffusion()


def test_every_statement_of_the_section_has_a_verdict():
    expected = ["theorem_4_6", "lemma_4_7", "lemma_4_8", "lemma_4_9", "equation_41", "equation_87"]
    assert list(BY_ID) == expected


def test_the_edge_moves_by_the_hand_calculation():
    near, far = 1 + 2 * math.exp(-0.5), 2 * math.exp(-1) + 4 * math.exp(-1.5)
    share = far / (near + far)
    filtered = bilateral_filter(edge(1.0), 3, 1.0, 1.0)[0, 0, 0]
    torch.testing.assert_close(filtered, torch.tensor([share, 1 - share], dtype=torch.float64))


def test_no_constant_saves_theorem_4_6_as_contrast_grows():
    violation = filter_moves_a_perfect_start()
    assert violation.left > 100 * violation.right


def test_a_row_stochastic_matrix_can_lengthen_a_vector():
    image = torch.tensor([1.0, 1.3, 1.0], dtype=torch.float64).expand(1, 1, 2, 3)
    weights = bilateral_weights(image, 3, 1e6, 10.0)[0, 0]
    assert torch.linalg.matrix_norm(weights, ord=2) > 1.01


def test_equation_87_is_violated_by_the_factor_two():
    violation = BY_ID["equation_87"].counterexample()
    assert violation.left / violation.right == pytest.approx(2, rel=1e-3)


def test_the_printed_sum_is_the_recursion_with_one_factor():
    assert printed_sum(2.0, [1.0, 0.25], 4, 3.0) == pytest.approx(12 + 4 * math.sqrt(0.75))


def test_the_chain_without_filter_reaches_its_bound():
    assert BY_ID["lemma_4_9"].search(0, 4).ratio == pytest.approx(1, abs=1e-9)
    assert BY_ID["equation_41"].search(0, 4).ratio == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("n_steps", [1, 50, 1000])
@pytest.mark.parametrize("lipschitz", [0.0, 0.1, 1.0])
def test_the_sum_of_displacements_is_reached_and_so_cannot_be_improved(n_steps, lipschitz):
    left, b = worst_filtered_chain(SD, n_steps, lipschitz)
    assert left == pytest.approx(bias_sum(SD, n_steps, lipschitz, b), rel=1e-9)


def test_the_two_pixels_of_the_worst_chain_move_by_the_displacement_bound():
    _, b = worst_filtered_chain(SD, 1, 0.0)
    s = 0.2390  # s exp(s) = 1 / (2 sqrt(e)): the Lambert function for one neighbour, G = 1
    assert s * math.exp(s) == pytest.approx(0.5 * math.exp(-0.5), rel=1e-3)
    assert b / math.sqrt(2) == pytest.approx(2 * s / math.sqrt(1 + 2 * s), rel=1e-3)


@pytest.mark.parametrize("b", [0.0, 3.0])
def test_the_recursion_is_never_above_its_unrolled_form_and_equal_without_a_filter(b):
    constants = step_constants(SD, 50, 0.3).flip(0)  # C_1, ..., C_T
    products = torch.cat([torch.ones(1), constants]).double().cumprod(0)
    variances = noise_variances(SD, 50).flip(0)
    noise = 64 * (products[:-1].square() * variances).sum()
    unrolled = b * products[1:].sum() + torch.hypot(2.0 * products[-1], noise.sqrt())
    given_ = {"n_elements": 64, "initial_error": 2.0, "displacement": b}
    recursion = rms_bound(SD, 50, 0.3, **given_)
    assert recursion <= unrolled * (1 + 1e-12)
    assert b or recursion == pytest.approx(float(unrolled), rel=1e-9)


@settings(max_examples=80, deadline=None)
@given(
    t=st.integers(0, 999),
    angle=st.floats(0, math.pi),
    lipschitz=st.floats(0, 3),
    seed=st.integers(0),
)
def test_a_predictor_that_follows_the_error_has_its_exact_factor(t, angle, lipschitz, seed):
    generator = torch.Generator().manual_seed(seed % 2**32)
    x = torch.randn(1, 2, generator=generator, dtype=torch.float64)
    slope, aside = lipschitz * math.cos(angle), lipschitz * math.sin(angle)
    turned = slope * x + aside * torch.stack([-x[:, 1], x[:, 0]], dim=1)
    moved = ancestral_step(x, turned, t, SD, noise=torch.zeros_like(x))
    alpha, level = float(SD.alphas[t]), float(SD.alphas_cumprod[t])
    factor = contraction_factor(alpha, level, slope, lipschitz)
    assert float(moved.norm() / x.norm()) == pytest.approx(factor, rel=1e-9)
    a = (1 - alpha) / math.sqrt(1 - level)
    margin = 2 * slope - a * lipschitz**2 - math.sqrt(1 - level)
    assert abs(margin) < 1e-9 or (factor < 1) == (margin > 0)


def test_the_exact_predictor_of_gaussian_data_contracts_where_the_printed_factor_grows():
    alphas, levels = SD.alphas.tolist(), SD.alphas_cumprod.tolist()
    followed = printed = 1.0
    for alpha, level in zip(alphas, levels):
        root = math.sqrt(1 - level)  # slope and Lipschitz constant of sqrt(1 - abar) x
        followed *= contraction_factor(alpha, level, root, root)
        printed *= (1 + (1 - alpha)) / math.sqrt(alpha)
    assert followed == pytest.approx(math.sqrt(levels[-1]), rel=1e-9)
    assert followed < 0.07 and printed > 3000


def test_a_whole_image_moves_by_two_thirds_of_the_displacement_that_one_pixel_reaches():
    assert BY_ID["lemma_4_7"].search(0, 16).ratio == pytest.approx(1, abs=1e-3)
    assert BY_ID["lemma_4_8"].search(0, 16).ratio == pytest.approx(2 / 3, abs=0.02)


@pytest.mark.parametrize("n_pixels", [3, 9, 64])
@pytest.mark.parametrize("sigma_spatial", [1.0, 100.0])
def test_an_alternating_row_of_any_length_moves_by_all_of_the_displacement_bound(
    n_pixels, sigma_spatial
):
    near = math.exp(-1 / (2 * sigma_spatial**2))  # of each of the two neighbours
    gap = worst_gap(2 * near)
    row = gap * (torch.arange(n_pixels) % 2).double()
    difference = torch.nn.functional.pad(row[None], (1, 1), mode="reflect")[0].unfold(0, 3, 1)
    difference = difference - row[:, None]
    weights = torch.tensor([near, 1.0, near]) * torch.exp(-difference.square() / 2)
    moved = (weights * difference).sum(1) / weights.sum(1)
    assert float(moved.norm()) == pytest.approx(math.sqrt(n_pixels) * (gap - 1 / gap), rel=1e-6)


@pytest.mark.parametrize(
    "sigma_spatial, share", [(1.0, 0.463), (0.5, 0.858), (0.3, 0.996), (0.2, 1.0)]
)
def test_a_checkerboard_nears_the_displacement_bound_as_the_window_narrows(sigma_spatial, share):
    board = (torch.arange(4)[:, None].add(torch.arange(4)) % 2).double()[None, None]
    boards = [gap * board for gap in torch.linspace(0.5, 5, 451).tolist()]
    moved = [float((bilateral_filter(b, 3, sigma_spatial, 1.0) - b).norm()) for b in boards]
    bound = 4 * displacement_bound(3, sigma_spatial, 1.0)
    assert max(moved) / bound == pytest.approx(share, abs=2e-3)


def worst_gap(total: float) -> float:
    """Return u > 0 with u^2 = 1 + G exp(-u^2 / 2), where a pixel moves by u - 1 / u = c(G)."""
    low, high = 1.0, 1.0 + total
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if middle < 1 + total * math.exp(-middle / 2) else (low, middle)
    return math.sqrt(low)

"""The verdicts on Section 4.1, against analytic truth."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from course.claims import claim
from course.claims import descent_4_1 as descent
from course.claims import gradients_4_1 as gradients
from course.claims.search import (
    ascend,
    at_least_unit,
    random_starts,
    similarities,
    temporal_losses,
)
from course.temporal import (
    adjacent_similarities,
    descend,
    second_difference_matrix,
    smoothness_bound,
    temporal_loss,
    temporal_loss_gradient,
)

# The ascent


def test_ascent_reaches_a_known_maximum():
    best, where = ascend(lambda x: 3 - (x - 2).square().sum(-1), random_starts(0, 5, 4))
    assert best.item() == pytest.approx(3, abs=1e-4)
    torch.testing.assert_close(where, torch.full((4,), 2.0).double(), rtol=0, atol=1e-2)


def test_ascent_passes_over_points_without_a_finite_value():
    def objective(points: Tensor) -> Tensor:
        return torch.where(points[:, 0] > 0, torch.nan, points[:, 0])

    starts = torch.tensor([[-1.0], [2.0]], dtype=torch.float64)
    best, where = ascend(objective, starts)
    assert best.item() <= 0 and where.item() == best.item()


def test_a_start_climbs_alone():
    starts = random_starts(3, 4, 6, 3)
    together, _ = ascend(temporal_losses, starts)
    alone = max(ascend(temporal_losses, start[None])[0].item() for start in starts)
    assert together.item() == pytest.approx(alone, rel=1e-9)


def test_a_budget_below_one_start_is_refused():
    with pytest.raises(ValueError, match="budget must be 1"):
        claim("lemma_4_2").search(0, 0)


def test_batched_formulas_are_those_of_course_temporal():
    videos = random_starts(0, 4, 6, 3)
    expected = torch.stack([adjacent_similarities(video) for video in videos])
    torch.testing.assert_close(similarities(videos), expected)
    expected = torch.stack([temporal_loss(video) for video in videos])
    torch.testing.assert_close(temporal_losses(videos), expected)


def test_stretched_frames_have_norm_one_or_more_and_long_ones_stay():
    points = random_starts(0, 8, 5, 3)
    norms, stretched = points.norm(dim=-1), at_least_unit(points)
    assert (stretched.norm(dim=-1) >= 1 - 1e-15).all()
    assert torch.equal(stretched[norms > 1], points[norms > 1])


# Counterexamples


def test_the_jump_at_zero_is_two_at_every_scale():
    assert gradients.cosine_jumps_at_zero().left == 2


def test_padding_eq_4_costs_one_over_t_minus_one_on_quarter_turns():
    violation = claim("equation_4").counterexample()
    assert violation.left == pytest.approx(1 / 5, abs=1e-15) and violation.right == 0


def test_the_gradient_grows_as_one_over_the_norm():
    video = gradients.planar_video([0.0, 0.7, 2.2])
    for norm in (0.1, 1e-3):
        expected = temporal_loss_gradient(video) / norm
        torch.testing.assert_close(temporal_loss_gradient(norm * video), expected)


def test_lemma_4_2_fails_by_the_analytic_factor():
    assert claim("lemma_4_2").counterexample().left == pytest.approx(10, rel=1e-12)


def test_lemma_4_3_fails_by_the_curvature_of_quarter_turns_at_equal_norms():
    violation = claim("lemma_4_3").counterexample()
    # 6 / M^2 against 16 / M, at M = 0.05
    assert violation.left / violation.right == pytest.approx(2400 / 320, rel=1e-4)


def test_descent_under_the_hypothesis_of_theorem_4_4_ends_in_no_minimum():
    violation = claim("theorem_4_4").counterexample()
    assert violation.left == pytest.approx(2, abs=1e-12) and violation.right == 0


def test_the_paper_s_own_constant_permits_a_step_that_raises_the_loss():
    violation = descent.permitted_step_raises_the_loss()
    assert violation.left > 1.5 * violation.right > 0


@pytest.mark.parametrize("norm", [0.5, 0.6, 1.0])
def test_lemma_4_2_holds_for_every_neighbour_from_half_its_norm_bound_on(norm):
    worst = gradients.planar_video([0.0, math.pi / 2])
    assert gradients.cosine_similarity_gradient(norm * worst[0], worst[1]).norm() <= 2 + 1e-12


def test_the_mean_of_two_perfect_videos_is_nearly_the_worst():
    violation = descent.not_convex_in_the_features()
    assert violation.right < 1e-15 and violation.left == pytest.approx(1.9051, abs=5e-5)


# Repaired bounds


@pytest.mark.parametrize("name", ["equation_3", "equation_4", "theorem_4_1", "lemma_4_2",
                                  "lemma_4_3", "theorem_4_4", "lemma_4_5"])  # fmt: skip
def test_every_bound_of_this_section_is_sharp(name):
    assert 0.99 <= claim(name).search(seed=2, budget=4).ratio <= 1 + 1e-12


@pytest.mark.parametrize("n_frames", [3, 4, 5, 8])
def test_the_gradient_bound_is_reached_for_every_length(n_frames):
    assert 0.9999 < gradients.gradient_ratio(n_frames, seed=0, budget=8) <= 1 + 1e-12


@pytest.mark.parametrize(("n_frames", "constant"), [(3, 12.0), (4, 20.944), (6, 28.136)])
def test_short_clips_bend_less_as_the_gap_says(n_frames, constant):
    found = 32 * gradients.search_theorem_4_1(0, 12, n_frames).ratio
    assert found == pytest.approx(constant, abs=5e-3)


@pytest.mark.parametrize(("n_frames", "ratio"), [(6, 0.86), (20, 0.987)])
def test_the_guarantee_of_descent_is_met_as_the_gap_says(n_frames, ratio):
    assert descent.search_theorem_4_4(0, 12, n_frames).ratio == pytest.approx(ratio, abs=3e-3)


def test_curvature_is_that_of_the_hessian():
    video, direction = random_starts(0, 2, 4, 3)
    hessian = torch.autograd.functional.hessian(temporal_loss, video).reshape(12, 12)
    v = direction.flatten() / direction.norm()
    torch.testing.assert_close(gradients.curvature(video, direction), v @ hessian @ v)


@pytest.mark.parametrize("n_frames", [3, 4, 6, 10])
def test_the_whole_gradient_is_bounded_by_the_root_of_the_loss(n_frames):
    """Second half of the repaired Lemma 4.3; ||D_2|| < 4 for the second difference over frames."""
    second = torch.eye(n_frames, dtype=torch.float64).diff(dim=0).diff(dim=0)
    constant = 2 * torch.linalg.matrix_norm(second, ord=2) / math.sqrt(n_frames - 1)

    def ratio(points: Tensor) -> Tensor:
        features = at_least_unit(points)
        losses = temporal_losses(features)
        (slope,) = torch.autograd.grad(losses.sum(), features, create_graph=True)
        return slope.flatten(1).norm(dim=1) / (constant * losses.clamp(min=1e-12).sqrt())

    best, _ = ascend(ratio, random_starts(n_frames, 24, n_frames, 2))
    assert 0.97 < best <= 1 + 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_each_step_of_descent_lowers_the_loss_by_the_guarantee_at_least(seed):
    video = random_starts(seed, 6, 3)
    norm = video.norm(dim=1).min().item()
    rate = 1.5 / smoothness_bound(6, norm)
    path = list(descend(video, rate, 30))
    for here, there in zip(path, path[1:]):
        promised = claim("theorem_4_4").bound(here.gradient_norm.item(), rate, 6, norm)
        assert (here.loss - there.loss).item() >= promised - 1e-15


def test_a_start_below_the_least_critical_value_goes_on_to_loss_zero():
    n_frames, limit = 4, 4 / (3 * 2)
    for seed in range(3):
        video = random_starts(seed, n_frames, 2)
        video = video / video.norm(dim=-1, keepdim=True)
        path = descend(video, 1 / smoothness_bound(n_frames, 1.0), 400)
        losses = torch.stack([point.loss for point in path])
        # Once below it, no stationary point is left on the way but those of loss zero.
        assert losses[0] > losses[-1] and losses[-1] < 1e-3 * limit


@pytest.mark.parametrize("n_frames", [3, 8, 17])
def test_the_bound_of_lemma_4_5_is_the_largest_eigenvalue(n_frames):
    matrix = second_difference_matrix(n_frames, dtype=torch.float64)
    largest = torch.linalg.eigvalsh(matrix).max().item() / (n_frames - 1)
    assert claim("lemma_4_5").bound(n_frames) == pytest.approx(largest, rel=1e-12)

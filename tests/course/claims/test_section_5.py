"""What the ledger says of the paper's figures and of Section 5, checked against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from course.claims import claim
from course.claims import figures_5 as figures
from course.claims.section_5 import CLAIMS
from course.temporal import adjacent_similarities, temporal_loss, temporal_loss_gradient


def test_every_figure_with_a_claim_and_section_5_have_a_verdict():
    verdicts = {
        "figure_2": "repaired", "figure_3": "false", "figure_4": "repaired",
        "section_5": "repaired",
    }  # fmt: skip
    assert {one.id: one.verdict for one in CLAIMS} == verdicts


def test_frames_with_shared_tokens_and_opposite_queries_are_opposite():
    assert figures.shared_tokens_answer_frames_in_opposite_ways().left == pytest.approx(2)


def test_the_factor_of_shared_tokens_is_the_slope_at_zero():
    one, tokens = torch.ones(1, 1).double(), torch.tensor([[1.0], [-1.0]]).double()
    bound = figures.shared_token_bound(0 * one, 1e-3 * one, tokens, one, one, one)
    assert bound.item() == pytest.approx(math.tanh(1e-3), rel=1e-5)


def test_the_adapter_of_figure_3_adds_one_vector_to_both_frames():
    # Each frame hears one token; W_V grows by 5 in all numbers, so each output does, too.
    assert figures.adapter_makes_frames_alike_and_wrong().left == pytest.approx(10, rel=1e-5)
    where = figures.adapter_makes_frames_alike_and_wrong().where
    assert f"{(2 * 5 * 6) / (36 + 25):.4f}" in where


def test_descent_ends_at_a_constant_similarity_below_the_start():
    violation = figures.descent_lowers_the_similarity()
    start = 1 - (math.cos(0.5) + math.cos(2.8)) / 2
    assert violation.right == pytest.approx(start) and violation.left > start + 0.5


def test_shorter_features_draw_the_same_curve_with_longer_gradients():
    clip = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    short = clip / 1000
    torch.testing.assert_close(adjacent_similarities(short), adjacent_similarities(clip))
    torch.testing.assert_close(temporal_loss_gradient(short), 1000 * temporal_loss_gradient(clip))


def test_similarities_that_change_evenly_reach_the_bound_on_their_spread():
    s = torch.tensor([0.9, 0.6, 0.3, 0.0], dtype=torch.float64)
    angles = torch.cat([torch.zeros(1).double(), s.acos().cumsum(0)])
    clip = torch.stack([angles.cos(), angles.sin()], dim=1)
    bound = figures.variation_bound(temporal_loss(clip), len(clip))
    assert bound.item() == pytest.approx(0.9)


@pytest.mark.parametrize("similarity", [0.0, 0.5, 0.99])
def test_the_best_frozen_frames_reach_the_error_of_section_5(similarity):
    angle = math.acos(similarity)
    ideal = torch.tensor([[1, 0], [math.cos(angle), math.sin(angle)]], dtype=torch.float64)
    middle = ideal.sum(0) / ideal.sum(0).norm()
    frozen = (ideal @ middle)[:, None] * middle
    assert (frozen - ideal).norm().item() == pytest.approx(figures.frozen_error(ideal).item())


@pytest.mark.parametrize("name", ["figure_2", "figure_4", "section_5"])
def test_the_bounds_of_the_figures_are_reached(name):
    assert 0.99 < claim(name).search(0, 4).ratio <= 1 + 1e-9

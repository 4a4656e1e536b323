"""What the ledger says of Section 4.3, checked against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch.linalg import matrix_norm, matrix_rank

from course.attention import cross_attention, plateau_gap, softmax_jacobian
from course.claims import attention_4_3 as attention
from course.claims import tokens_4_3 as tokens
from course.claims.section_4_3 import CLAIMS

BY_ID = {one.id: one for one in CLAIMS}


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_every_statement_of_the_section_has_a_verdict():
    verdicts = {
        "theorem_4_10": "repaired", "lemma_4_11": "holds", "lemma_4_12": "repaired",
        "lemma_4_13": "repaired", "lemma_4_14": "repaired", "corollary_4_15": "false",
    }  # fmt: skip
    assert {one.id: one.verdict for one in CLAIMS} == verdicts


def test_the_printed_gamma_is_passed_by_a_factor_of_fourteen():
    violation = attention.values_ten_times_as_large()
    assert violation.left / violation.right == pytest.approx(10 * math.sqrt(2))


def test_perfect_tokens_leave_the_error_of_the_query():
    assert attention.perfect_tokens_do_not_align().left == pytest.approx(math.tanh(1))


def ideal_point_of_the_lemma() -> torch.Tensor:
    one = attention.matrix([1.0])
    return attention.fixed_point(
        20 * one, attention.matrix([1.0], [-1.0]), 0.06 * one, one, 20 * one
    )


def test_term_a_at_a_long_query_follows_its_closed_form():
    violation, x = attention.long_query_beats_term_a(), ideal_point_of_the_lemma().item()
    # Two opposite tokens +-v: the weights differ by tanh(0.06 x v), which the values 20 multiply.
    expected = 20 * (math.tanh(0.06 * x * 1.001) - math.tanh(0.06 * x))
    assert violation.left == pytest.approx(expected)
    assert violation.right == pytest.approx(0.5 * 0.06 * 20 * math.sqrt(2) * math.sqrt(2e-6))
    assert violation.left / violation.right == pytest.approx(7.455, abs=1e-3)


def test_the_counterexample_of_lemma_4_12_satisfies_eq_43():
    x, one = ideal_point_of_the_lemma(), attention.matrix([1.0])
    again = cross_attention(x, attention.matrix([1.0], [-1.0]), 0.06 * one, one, 20 * one)
    assert x.item() > 13
    torch.testing.assert_close(again, x, rtol=1e-14, atol=0)


def test_term_b_grows_as_the_root_of_positions():
    assert attention.every_position_counts().left == pytest.approx(2)
    violation = attention.sizes_of_stable_diffusion()
    assert violation.left / violation.right == pytest.approx(math.sqrt(4096 / 77))


@pytest.mark.parametrize("name", [name for name in BY_ID if name != "corollary_4_15"])
def test_the_repaired_bounds_of_attention_are_reached(name):
    assert 0.99 < BY_ID[name].search(0, 4).ratio <= 1 + 1e-9


def test_tokens_come_as_near_as_the_gap_allows_and_no_nearer():
    assert 0.99 < tokens.search_corollary_4_15(0, 2).ratio <= 1 + 1e-9


def test_the_bound_on_term_a_is_met_by_two_opposite_tokens():
    x, one = attention.matrix([1e-3]), attention.matrix([1.0])
    ideal, change = attention.matrix([1.0], [-1.0]), attention.matrix([1e-6], [-1e-6])
    arguments = (x, ideal + change, ideal, one, one, one)
    term_a = attention.decompose(x, ideal + change, x, ideal, one, one, one)[0]
    ratio = matrix_norm(term_a) / attention.term_a_bound(*arguments)
    assert ratio.item() == pytest.approx(1, abs=1e-5)
    assert softmax_jacobian(torch.zeros(2)).tolist() == [[0.25, -0.25], [-0.25, 0.25]]


def test_many_tokens_need_not_span():
    assert matrix_rank(torch.tensor([[1.0, 0.0]]).repeat(8, 1)) == 1


@pytest.mark.parametrize("seed", range(6))
def test_two_positions_in_order_are_aligned_exactly(seed):
    queries, targets = random(2, 2, 2, seed=seed) / 2
    if (targets[0] - targets[1]) @ (queries[0] - queries[1]) < 0:
        targets = targets.flip(0)
    values, counts = tokens.align_two_positions(queries, targets)
    repeated = values.repeat_interleave(torch.tensor(counts), dim=0)
    eye = torch.eye(2, dtype=torch.float64)
    # The scale of attention, 1 / sqrt(d), is taken out of the queries.
    out = cross_attention(queries * math.sqrt(2), repeated, eye, eye, eye)
    torch.testing.assert_close(out, targets, rtol=0, atol=1e-9)


def test_the_targets_of_corollary_4_15_are_an_ideal_point():
    from scipy.optimize import brentq

    v, one = brentq(lambda v: v * math.tanh(v) - 1, 1, 2), attention.matrix([1.0])
    assert f"{v:.4f}" in tokens.order_cannot_be_reversed().where
    ideal, tokens_of_it = attention.matrix([-1.0], [1.0]), attention.matrix([v], [-v])
    again = cross_attention(ideal, tokens_of_it, one, one, one)
    torch.testing.assert_close(again, ideal)
    error = cross_attention(-ideal, tokens_of_it, one, one, one) - ideal
    assert error.norm().item() == pytest.approx(2 * math.sqrt(2))


def test_two_values_reach_what_they_can_and_stay_above_the_proved_bound():
    line = torch.arange(4, dtype=torch.float64)
    steps = torch.tensor([0.0, 0.001, 0.5, 0.501], dtype=torch.float64)
    error = tokens.two_value_error(line, steps).item()
    assert plateau_gap(line, steps).item() < error == pytest.approx(0.10838, abs=1e-4)
    assert tokens.two_value_error(line[:2], steps[1:3]).item() < 1e-4


def test_two_positions_in_the_wrong_order_are_refused():
    queries = attention.matrix([1.0], [-1.0])
    with pytest.raises(ValueError, match="out of reach"):
        tokens.align_two_positions(queries, -queries)

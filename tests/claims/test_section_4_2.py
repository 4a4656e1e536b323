"""What the ledger says of Section 4.2, checked against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from course.bilateral import bilateral_filter, bilateral_weights
from course.claims.filter_4_2 import edge, filter_moves_a_perfect_start, printed_sum
from course.claims.section_4_2 import CLAIMS

BY_ID = {one.id: one for one in CLAIMS}


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

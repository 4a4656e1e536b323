"""Properties of course.reachability: no set of tokens may come closer than its bounds."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.linalg import matrix_norm

from course.attention import cross_attention, reachability_gap
from course.reachability import effective_queries, plateau_gap

LINE = torch.arange(4, dtype=torch.float64)
JUMP = torch.tensor([0.0, 0.001, 0.5, 0.501], dtype=torch.float64)


def draws(seed: int, *shapes: tuple[int, ...]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def outputs(queries: Tensor, values: Tensor) -> Tensor:
    """Return attention in terms of effective queries and values alone."""
    return (queries @ values.mT).softmax(dim=-1) @ values


def test_attention_is_determined_by_effective_queries_and_values():
    x, z, w_q, w_k, w_v = draws(0, (6, 3), (5, 3), (3, 3), (3, 3), (3, 3))
    expected = cross_attention(x, z, w_q, w_k, w_v)
    actual = outputs(effective_queries(x, w_q, w_k, w_v), z @ w_v)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-10)


@given(st.integers(0, 10**6), st.integers(1, 9), st.sampled_from([0.3, 1.0, 4.0]))
def test_no_tokens_come_closer_than_the_gap(seed, n_tokens, scale):
    q, y, values = draws(seed, (4, 2), (4, 2), (n_tokens, 2))
    error = matrix_norm(outputs(q, scale * values) - y)
    assert reachability_gap(q, y, longest_cycle=3) <= error * (1 + 1e-12)


@given(st.integers(0, 10**6), st.integers(1, 9))
def test_what_attention_gives_has_no_gap(seed, n_tokens):
    q, values = draws(seed, (4, 2), (n_tokens, 2))
    assert reachability_gap(q, outputs(q, values), longest_cycle=3) < 1e-12


def test_two_positions_in_the_wrong_order_are_the_root_of_two_away():
    q = torch.tensor([[1.0], [-1.0]])
    assert reachability_gap(q, -q).item() == pytest.approx(math.sqrt(2), rel=1e-6)
    # One token half-way is all that there is to win.
    assert matrix_norm(outputs(q, torch.zeros(1, 1)) + q).item() == pytest.approx(math.sqrt(2))


def test_a_quarter_turn_is_monotone_in_pairs_and_not_around_the_triangle():
    angles = 2 * math.pi / 3 * torch.arange(3, dtype=torch.float64)
    q = torch.stack([angles.cos(), angles.sin()], dim=-1)
    y = torch.stack([-angles.sin(), angles.cos()], dim=-1)
    assert reachability_gap(q, y).item() < 1e-15
    gap = reachability_gap(q, y, longest_cycle=3).item()
    assert gap == pytest.approx(math.sqrt(3) / 2)


def test_equal_queries_cannot_have_different_targets():
    q, y = torch.ones(2, 3), torch.tensor([[0.0, 0.0, 0.0], [3.0, 4.0, 0.0]])
    assert reachability_gap(q, y).item() == pytest.approx(5 / math.sqrt(2))


def test_weights_and_effective_queries_give_one_gap():
    x, y, w_q, w_k, w_v = draws(1, (4, 3), (4, 3), (3, 3), (3, 3), (3, 3))
    expected = reachability_gap(effective_queries(x, w_q, w_k, w_v), y)
    assert expected > 0 and reachability_gap(x, y, w_q, w_k, w_v) == expected


def test_a_batch_has_a_gap_each():
    q, y = draws(2, (5, 4, 2), (5, 4, 2))
    expected = torch.stack([reachability_gap(*pair) for pair in zip(q, y)])
    torch.testing.assert_close(reachability_gap(q, y), expected)


def test_the_gap_is_differentiable():
    q, y = (a.requires_grad_() for a in draws(2, (4, 2), (4, 2)))
    assert torch.autograd.gradcheck(reachability_gap, (q, y))


# Four positions on a line


def test_two_plateaus_and_a_jump_are_out_of_reach_though_they_rise():
    assert reachability_gap(LINE[:, None], JUMP[:, None]) == 0
    assert plateau_gap(LINE, JUMP) > 0.0045


def test_a_straight_line_has_no_plateau_gap():
    assert plateau_gap(LINE, 0.1 * LINE) == 0


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 9), st.floats(0.1, 30))
def test_no_tokens_on_the_line_come_closer_than_the_plateau_gap(seed, n_tokens, scale):
    values, weights = draws(seed, (n_tokens, 1), (n_tokens,))
    out = ((LINE[:, None] * (scale * values).mT + weights).softmax(-1) @ (scale * values))[:, 0]
    assert (out - JUMP).abs().max() >= plateau_gap(LINE, JUMP)
    assert plateau_gap(LINE, out) == 0


def test_plateau_gaps_scale_with_the_line():
    torch.testing.assert_close(plateau_gap(LINE / 10, 10 * JUMP), 10 * plateau_gap(LINE, JUMP))


# Devices, types and bad input


def test_everything_runs_on_meta_tensors():
    x, y, w = torch.empty(2, 4, 3), torch.empty(2, 4, 3), torch.empty(3, 3)
    x, y, w = (a.to("meta", torch.float16) for a in (x, y, w))
    gap = reachability_gap(x, y, w, w, w, longest_cycle=3)
    assert gap.is_meta and gap.shape == (2,) and gap.dtype == torch.float32
    assert plateau_gap(x[..., 0], y[..., 0]).is_meta


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda q: reachability_gap(q, q[:2]), "a query and a target of one size"),
        (lambda q: reachability_gap(q, q, torch.eye(2).double()), "come together"),
        (
            lambda q: reachability_gap(q, q, longest_cycle=4),
            "longest_cycle: 4 came; wanted is one of 2, 3",
        ),
        (
            lambda q: effective_queries(q, *[torch.zeros(2, 2).double()] * 3),
            "an invertible one",
        ),
        (lambda q: effective_queries(q, *[torch.ones(2, 3).double()] * 3), "it must be square"),
        (lambda q: plateau_gap(LINE[:3], JUMP[:3]), r"\(..., 4\)"),
        (lambda q: plateau_gap(LINE.flip(0), JUMP), "wanted is a rise"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(call, complaint):
    with pytest.raises(ValueError, match=complaint):
        call(torch.eye(4, 2, dtype=torch.float64))


def test_other_than_tensors_of_one_type_are_refused():
    with pytest.raises(TypeError, match="targets: list came"):
        reachability_gap(torch.eye(2), [[1.0]])
    with pytest.raises(TypeError, match="one type"):
        reachability_gap(torch.eye(2), torch.eye(2).double())

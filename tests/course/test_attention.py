"""Properties of course.attention, against torch's own attention and against analytic truth."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.linalg import matrix_norm
from torch.nn.functional import scaled_dot_product_attention

from course.attention import (
    SOFTMAX_LIPSCHITZ,
    alignment_bound,
    alignment_constants,
    attention_weights,
    cross_attention,
    decompose,
    enclosing_radius,
    printed_gamma,
    row_norm,
    softmax_jacobian,
)

HALVES = [torch.float16, torch.bfloat16]


def random_setting(
    m: int = 6, n: int = 5, d: int = 3, *, batch: tuple[int, ...] = (), seed: int = 0,
    dtype: torch.dtype = torch.float64, scale: float = 1.0,
) -> list[Tensor]:  # fmt: skip
    """Return X, Z, X*, Z*, W_Q, W_K, W_V: the arguments of `decompose`."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(*batch, rows, d) for rows in (m, n, m, n)] + [(d, d)] * 3
    draws = [torch.randn(s, generator=generator, dtype=torch.float64) * scale for s in shapes]
    return [draw.to(dtype) for draw in draws]


def attention_arguments(setting: list[Tensor]) -> list[Tensor]:
    return [*setting[:2], *setting[4:]]


def difference(setting: list[Tensor]) -> Tensor:
    x, z, ideal_x, ideal_z, *weights = setting
    return cross_attention(x, z, *weights) - cross_attention(ideal_x, ideal_z, *weights)


# Attention


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_attention_is_torchs_own(dtype, tolerance, batch):
    x, z, w_q, w_k, w_v = attention_arguments(random_setting(batch=batch, dtype=dtype, scale=0.5))
    expected = scaled_dot_product_attention(x @ w_q, z @ w_k, z @ w_v)
    actual = cross_attention(x, z, w_q, w_k, w_v)
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance)


def test_weights_need_not_be_square():
    shapes = [(4, 6), (7, 5), (6, 3), (5, 3), (5, 2)]
    x, z, w_q, w_k, w_v = (torch.randn(s, generator=torch.Generator()) for s in shapes)
    expected = scaled_dot_product_attention(x @ w_q, z @ w_k, z @ w_v)
    torch.testing.assert_close(cross_attention(x, z, w_q, w_k, w_v), expected)


def test_leading_axes_broadcast():
    x, z, *weights = attention_arguments(random_setting(batch=(4,)))
    together = cross_attention(x, z[0], *weights)
    torch.testing.assert_close(together[2], cross_attention(x[2], z[0], *weights))


def test_the_order_of_tokens_does_not_matter():
    x, z, *weights = attention_arguments(random_setting())
    torch.testing.assert_close(
        cross_attention(x, z.flip(0), *weights), cross_attention(x, z, *weights)
    )


def test_rows_of_the_weights_are_shares():
    weights = attention_weights(*random_setting(scale=3.0)[:2], *random_setting()[4:6])
    torch.testing.assert_close(weights.sum(-1), torch.ones(6).double())
    assert (weights > 0).all() and weights.shape == (6, 5)


def test_equal_tokens_give_their_value_to_every_position():
    x, z, w_q, w_k, w_v = attention_arguments(random_setting())
    same = cross_attention(x, z[:1].expand(5, -1), w_q, w_k, w_v)
    torch.testing.assert_close(same, (z[:1] @ w_v).expand(6, -1))


def test_huge_logits_stay_finite():
    assert cross_attention(*attention_arguments(random_setting(scale=1e4))).isfinite().all()


def test_attention_passes_gradcheck():
    arguments = [a.requires_grad_() for a in attention_arguments(random_setting(2, 3, 2))]
    assert torch.autograd.gradcheck(cross_attention, arguments)


@pytest.mark.parametrize("dtype", HALVES)
def test_half_precision_is_computed_in_float32_and_comes_back_in_its_type(dtype):
    arguments = attention_arguments(random_setting(dtype=dtype))
    expected = cross_attention(*(a.float() for a in arguments)).to(dtype)
    assert torch.equal(cross_attention(*arguments), expected)


# The softmax


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=8))
def test_the_jacobian_of_softmax_has_norm_a_half_at_most(logits):
    jacobian = softmax_jacobian(torch.tensor(logits, dtype=torch.float64))
    assert matrix_norm(jacobian, 2) <= SOFTMAX_LIPSCHITZ + 1e-12
    assert jacobian.sum(-1).abs().max() < 1e-12


def test_a_half_is_reached_by_two_equal_logits():
    jacobian = softmax_jacobian(torch.tensor([0.0, 0.0, -200.0], dtype=torch.float64))
    assert matrix_norm(jacobian, 2).item() == pytest.approx(0.5, abs=1e-15)


def test_the_jacobian_is_autograds():
    logits = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64)
    expected = torch.autograd.functional.jacobian(lambda x: x.softmax(-1), logits)
    torch.testing.assert_close(softmax_jacobian(logits), expected)


def test_the_norm_of_attention_weights_lies_between_roots():
    for scale in (0.0, 1.0, 30.0):
        weights = attention_weights(*random_setting(scale=scale)[:2], *random_setting()[4:6])
        assert math.sqrt(6 / 5) - 1e-12 <= matrix_norm(weights) <= math.sqrt(6) + 1e-12


# The decomposition


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-14)])
def test_the_two_terms_add_up(dtype, tolerance):
    setting = random_setting(batch=(2,), dtype=dtype)
    torch.testing.assert_close(
        sum(decompose(*setting)), difference(setting), rtol=0, atol=tolerance
    )


def test_equal_tokens_leave_term_a_and_equal_weights_leave_term_b():
    x, z, ideal_x, ideal_z, *weights = random_setting()
    assert not decompose(x, z, ideal_x, z, *weights)[1].any()
    assert not decompose(0 * x, z, 0 * x, ideal_z, *weights)[0].any()


@pytest.mark.parametrize("dtype", HALVES)
def test_terms_of_half_precision_are_float32(dtype):
    assert {term.dtype for term in decompose(*random_setting(dtype=dtype))} == {torch.float32}


# Bounds


@given(st.integers(0, 10**6), st.sampled_from([0.1, 1.0, 5.0]), st.integers(1, 5))
def test_both_bounds_hold(seed, scale, d):
    setting = random_setting(4, 3, d, seed=seed, scale=scale)
    error = difference(setting)
    assert matrix_norm(error) <= alignment_bound(*setting) * (1 + 1e-12)
    assert row_norm(error) <= alignment_bound(*setting, norm="row") * (1 + 1e-12)


def test_the_row_bound_does_not_see_how_many_positions_and_tokens_there_are():
    x, z, ideal_x, ideal_z, *weights = random_setting()
    many = [a.repeat(7, 1) for a in (x, z, ideal_x, ideal_z)]
    bounds = [alignment_bound(*a, *weights, norm="row") for a in (many, random_setting()[:4])]
    torch.testing.assert_close(*bounds, rtol=0.05, atol=0)
    assert alignment_bound(*many, *weights) > 2 * alignment_bound(x, z, ideal_x, ideal_z, *weights)


def test_the_frobenius_bound_is_met_where_all_look_at_one_token():
    x, z, one = torch.ones(4, 1).double(), torch.tensor([[50.0], [0.0]]).double(), torch.eye(1)
    ideal = torch.zeros(2, 1).double()
    setting = [x, z, x, ideal, *[one.double()] * 3]
    assert (matrix_norm(difference(setting)) / alignment_bound(*setting)).item() > 1 - 1e-9


def test_the_printed_gamma_ignores_the_scale_of_the_values():
    w_k, w_v = random_setting()[5:]
    torch.testing.assert_close(printed_gamma(w_k, 10 * w_v), printed_gamma(w_k, w_v))
    assert printed_gamma(w_k, w_v, 2.0) == 0.5 * matrix_norm(w_k, 2) * matrix_norm(w_v, 2) / 2


def iterate(x: Tensor, z: Tensor, weights: list[Tensor]) -> Tensor:
    for _ in range(300):
        x = cross_attention(x, z, *weights)
    return x


@pytest.mark.parametrize("norm", ["frobenius", "row"])
def test_fixed_points_are_as_near_as_their_tokens_say(norm):
    x, z, _, _, *weights = random_setting(seed=3, scale=0.6)
    ideal_z = z + 0.1 * random_setting(seed=4)[1]
    there, ideal = iterate(x, z, weights), iterate(x, ideal_z, weights)
    constants = alignment_constants(there, ideal_z, *weights, norm=norm)
    size = row_norm if norm == "row" else matrix_norm
    assert constants.queries < 1
    assert 0 < size(there - ideal) <= constants.fixed_point * size(z - ideal_z)


def test_a_fixed_point_need_not_be_the_only_one():
    z, one, steep = torch.tensor([[1.0], [-1.0]]), torch.eye(1), 3 * torch.eye(1)
    roots = [iterate(torch.tensor([[start]]), z, [steep, one, one]) for start in (0.1, -0.1)]
    assert roots[0].item() == pytest.approx(0.994901528, abs=1e-6) and roots[1] == -roots[0]
    assert alignment_constants(roots[0], z, steep, one, one).fixed_point == math.inf


def test_the_enclosing_ball_is_a_ball_and_not_much_larger_than_needed():
    corners = torch.eye(3, dtype=torch.float64)
    assert enclosing_radius(corners[:2]).item() == pytest.approx(math.sqrt(0.5))
    lopsided = torch.cat([corners[:1].expand(50, -1), corners[1:]])
    assert math.sqrt(2 / 3) <= enclosing_radius(lopsided).item() < 1.06 * math.sqrt(2 / 3)
    assert enclosing_radius(corners[:1]).item() == 0


# Devices, types and bad input


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_everything_runs_on_meta_tensors(dtype):
    setting = [a.to("meta") for a in random_setting(batch=(2,), dtype=dtype)]
    results = [cross_attention(*attention_arguments(setting)), *decompose(*setting)]
    results += [alignment_bound(*setting, norm=norm) for norm in ("frobenius", "row")]
    results += [printed_gamma(*setting[5:]), softmax_jacobian(setting[0])]
    results += [alignment_constants(*setting[:1], *setting[3:]).fixed_point]
    assert all(r.is_meta for r in results) and results[3].shape == (2,)


def test_bounds_have_gradients():
    setting = [a.requires_grad_() for a in random_setting()]
    (alignment_bound(*setting) + alignment_bound(*setting, norm="row")).backward()
    assert all(a.grad.isfinite().all() and a.grad.any() for a in setting)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({4: torch.zeros(2, 3).double()}, "w_q: .*; w_q takes as many rows as hidden_states"),
        ({5: torch.zeros(3, 2).double()}, "w_k: .* as many columns as w_q"),
        ({6: torch.zeros(4, 3).double()}, "w_v: .* w_v as encoder_hidden_states"),
        ({0: torch.zeros(3).double()}, r"hidden_states: .*\(..., M, d\)"),
        ({1: torch.zeros(0, 3).double()}, "with nothing empty"),
        ({3: torch.zeros(4, 3).double()}, "subtracted row by row"),
        ({2: torch.zeros(1, 3).double()}, "subtracted row by row"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(change, complaint):
    setting = random_setting()
    for place, tensor in change.items():
        setting[place] = tensor
    with pytest.raises(ValueError, match=complaint):
        decompose(*setting)


@pytest.mark.parametrize(
    ("place", "tensor", "complaint"),
    [
        (0, torch.zeros(6, 3), "one type for all tensors"),
        (1, torch.zeros(5, 3, dtype=torch.long), "convert it"),
        (5, [[1.0]], "w_k: list came"),
    ],
)
def test_types_that_do_not_fit_are_refused(place, tensor, complaint):
    setting = random_setting()
    setting[place] = tensor
    with pytest.raises(TypeError, match=complaint):
        cross_attention(*attention_arguments(setting))


def test_an_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="norm: 'max' came; wanted is one of frobenius, row"):
        alignment_bound(*random_setting(), norm="max")

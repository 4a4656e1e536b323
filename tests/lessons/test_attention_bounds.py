"""Lesson 07: other right answers, more wrong ones, and the references against course.attention."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention, softmax

from classroom.exercises import get, reference
from course import attention
from lessons.attention_bounds import figures as lesson_07

# Right answers, written otherwise


def attention_by_torch(x: Tensor, z: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    return scaled_dot_product_attention(x @ w_q, z @ w_k, z @ w_v)


def attention_by_einsum(x: Tensor, z: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    logits = torch.einsum("md,de,fe,lf->ml", x, w_q, w_k, z) * x.shape[1] ** -0.5
    return torch.einsum("ml,ld,dv->mv", logits.softmax(1), z, w_v)


def attention_by_loop(x: Tensor, z: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    rows = []
    for query in x @ w_q:
        logits = torch.stack([query @ key for key in z @ w_k]) / math.sqrt(x.shape[1])
        share = (logits - logits.max()).exp()
        rows.append(sum(p * value for p, value in zip(share / share.sum(), z @ w_v)))
    return torch.stack(rows)


def attention_with_numpy(x: Tensor, z: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    a, b, q, k, v = (tensor.numpy() for tensor in (x, z, w_q, w_k, w_v))
    logits = (a @ q) @ (b @ k).T / np.sqrt(a.shape[1], dtype=a.dtype)
    share = np.exp(logits - logits.max(1, keepdims=True))
    return torch.from_numpy(share / share.sum(1, keepdims=True) @ (b @ v))


def jacobian_by_autograd(logits: Tensor) -> Tensor:
    return torch.autograd.functional.jacobian(lambda a: softmax(a, dim=0), logits)


def jacobian_by_loop(logits: Tensor) -> Tensor:
    p = logits.softmax(0)
    matrix = torch.empty(len(p), len(p), dtype=p.dtype)
    for i, j in itertools.product(range(len(p)), repeat=2):
        matrix[i, j] = p[i] * (1 - p[j]) if i == j else -p[i] * p[j]
    return matrix


def last_two_tokens_with_infinity(n_tokens: int) -> Tensor:
    logits = torch.full((n_tokens,), -math.inf)
    logits[-2:] = 7.0
    return logits


def logarithm_of_the_shares(n_tokens: int) -> Tensor:
    return torch.tensor([0.5, *[1e-30] * (n_tokens - 2), 0.5], dtype=torch.float64).log()


def split_by_difference(p: Tensor, q: Tensor, v: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    return p @ w - q @ w, p @ v - p @ w


def split_by_einsum(p: Tensor, q: Tensor, v: Tensor, w: Tensor) -> list[Tensor]:
    return [torch.einsum("ml,ld->md", p - q, w), torch.einsum("ml,ld->md", p, v - w)]


def range_by_building(m: int, n: int) -> tuple[Tensor, Tensor]:
    even = torch.zeros(m, n, dtype=torch.float64).softmax(1)
    sharp = torch.eye(n, dtype=torch.float64)[torch.arange(m) % n]
    return even.norm(), sharp.norm()


def range_as_list(m: int, n: int) -> list[float]:
    return [(m / n) ** 0.5, m**0.5]


def one_token_and_large_values(factor: float) -> tuple[Tensor, Tensor]:
    return torch.tensor([[0.1]]), torch.tensor([[-3 * factor]])


def three_coordinates(factor: float) -> tuple[Tensor, Tensor]:
    return torch.ones(4, 3).double(), 100 * factor * torch.eye(3).double()


def small_tokens_and_large_values(factor: float) -> tuple[Tensor, Tensor]:
    return torch.full((2, 1), 1e-3).double(), torch.tensor([[5 * factor]]).double()


def row_bound_by_svd(
    x: Tensor, error: Tensor, radius: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor
) -> Tensor:
    largest = torch.linalg.svdvals(w_v)[0] + radius / x.shape[1] ** 0.5 * (
        torch.linalg.svdvals(w_q @ w_k.T)[0] * x.square().sum(1).sqrt().max()
    )
    return largest * error.square().sum(1).max().sqrt()


def row_bound_with_numpy(
    x: Tensor, error: Tensor, radius: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor
) -> float:
    rows = [np.linalg.norm(tensor.numpy(), axis=1).max() for tensor in (x, error)]
    product = np.linalg.norm((w_q @ w_k.T).numpy(), 2)
    weights = radius.item() * product * rows[0] / np.sqrt(x.shape[1])
    return float((np.linalg.norm(w_v.numpy(), 2) + weights) * rows[1])


def count_by_sign_changes(weight: float) -> int:
    x = torch.linspace(-1.2, 1.2, 4800, dtype=torch.float64)
    return int((torch.tanh(weight * x) - x).sign().diff().ne(0).sum())


def count_by_slope(weight: float) -> float:
    return 1.0 if weight <= 1 else 3.0


ALTERNATIVES = {
    "cross_attention": [
        attention.cross_attention,
        attention_by_torch,
        attention_by_einsum,
        attention_by_loop,
        attention_with_numpy,
    ],
    "softmax_jacobian": [attention.softmax_jacobian, jacobian_by_autograd, jacobian_by_loop],
    "steepest_logits": [last_two_tokens_with_infinity, logarithm_of_the_shares],
    "decompose_error": [split_by_difference, split_by_einsum],
    "softmax_norm_range": [range_by_building, range_as_list],
    "break_the_printed_bound": [
        one_token_and_large_values,
        three_coordinates,
        small_tokens_and_large_values,
    ],
    "row_bound": [row_bound_by_svd, row_bound_with_numpy],
    "count_ideal_points": [count_by_sign_changes, count_by_slope],
}


# Wrong answers beyond the named ones


def attention_without_softmax(x: Tensor, z: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor):
    return (x @ w_q) @ (z @ w_k).mT / math.sqrt(x.shape[1]) @ (z @ w_v)


def attention_as_printed(x: Tensor, z: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor):
    logits = (x @ w_q) @ (z.mT @ z @ w_k).mT / math.sqrt(x.shape[1])
    return logits.softmax(1) @ w_v


def attention_that_overflows(x: Tensor, z: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor):
    share = ((x @ w_q) @ (z @ w_k).mT / math.sqrt(x.shape[1])).exp()
    return share / share.sum(1, keepdim=True) @ (z @ w_v)


def jacobian_with_squared_diagonal(logits: Tensor) -> Tensor:
    p = logits.softmax(0)
    return p.square().diag() - p.outer(p)


def three_tokens_alike(n_tokens: int) -> Tensor:
    return torch.where(torch.arange(n_tokens) < 3, 60.0, 0.0)


def logits_for_other_tokens(n_tokens: int) -> Tensor:
    return torch.zeros(2)


def split_in_halves(p: Tensor, q: Tensor, v: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    error = p @ v - q @ w
    return error / 2, error / 2


def range_of_the_transpose(m: int, n: int) -> tuple[float, float]:
    return math.sqrt(n / m), math.sqrt(n)


def two_shapes_that_do_not_fit(factor: float) -> tuple[Tensor, Tensor]:
    return torch.ones(2, 3), torch.eye(2) * factor * 100


def row_bound_with_mean(x: Tensor, *rest: Tensor) -> Tensor:
    return reference("row_bound")(x.mean(0, keepdim=True), *rest)


def row_bound_squared(*arguments: Tensor) -> Tensor:
    return reference("row_bound")(*arguments) ** 2


def five_ideal_points(weight: float) -> int:
    return 5 if weight > 1 else 1


WRONG = {
    "cross_attention": [
        attention_without_softmax,
        attention_as_printed,
        attention_that_overflows,
    ],
    "softmax_jacobian": [jacobian_with_squared_diagonal],
    "steepest_logits": [three_tokens_alike, logits_for_other_tokens],
    "decompose_error": [split_in_halves],
    "softmax_norm_range": [range_of_the_transpose],
    "break_the_printed_bound": [two_shapes_that_do_not_fit],
    "row_bound": [row_bound_with_mean, row_bound_squared],
    "count_ideal_points": [five_ideal_points],
}


# The references against the course's own functions


def cases(name: str) -> list[tuple]:
    return [case.arguments for case in itertools.chain(*get(name).draws())]


@pytest.mark.parametrize("name", ["cross_attention", "softmax_jacobian"])
def test_the_reference_agrees_with_the_course(name):
    for arguments in cases(name):
        expected = getattr(attention, name)(*arguments)
        torch.testing.assert_close(reference(name)(*arguments), expected, rtol=1e-5, atol=1e-6)


def test_the_two_terms_are_those_of_the_course():
    generator = torch.Generator().manual_seed(0)
    x, ideal_x, z, ideal_z, *weights = torch.randn(7, 3, 3, generator=generator).double()
    shares = [
        attention.attention_weights(*pair, *weights[:2]) for pair in ((x, z), (ideal_x, ideal_z))
    ]
    terms = reference("decompose_error")(*shares, z @ weights[2], ideal_z @ weights[2])
    torch.testing.assert_close(terms, attention.decompose(x, z, ideal_x, ideal_z, *weights))


def test_the_row_bound_is_that_of_the_course():
    generator = torch.Generator().manual_seed(1)
    x, z, ideal_z, *weights = torch.randn(6, 4, 4, generator=generator).double()
    radius = attention.enclosing_radius(ideal_z @ weights[2])
    expected = attention.alignment_bound(x, z, x, ideal_z, *weights, norm="row")
    found = reference("row_bound")(x, z - ideal_z, radius, *weights)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("factor", [1.0, 1e3])
def test_a_counterexample_breaks_the_gamma_of_the_course(factor):
    tokens, w_v = reference("break_the_printed_bound")(factor)
    one = torch.ones(1, 1).double()
    error = attention.cross_attention(0 * one, tokens, one, one, w_v)
    assert error > factor * attention.printed_gamma(one, w_v) * tokens.norm()


# What the figures draw


@pytest.mark.parametrize("weight", [1.1, 3.0, 4.0])
def test_an_ideal_point_solves_its_equation(weight):
    point = lesson_07.ideal_point(weight)
    assert point > 0.3
    assert math.tanh(weight * point) == pytest.approx(point, abs=1e-12)


def test_zero_is_an_ideal_output_of_the_triangle():
    eye, zero = torch.eye(2).double(), torch.zeros(3, 2).double()
    output = attention.cross_attention(zero, lesson_07.TRIANGLE, eye, eye, 7 * eye)
    torch.testing.assert_close(output, zero, rtol=0, atol=1e-14)


@pytest.mark.parametrize("values", [0.1, 10.0])
@pytest.mark.parametrize("n_positions", [1, 64])
@pytest.mark.parametrize("query_error", [0.0, 1.0])
def test_only_the_repaired_bounds_follow_the_sliders(values, n_positions, query_error):
    sizes = torch.linspace(0, 2, 9).double()
    found = lesson_07.token_errors(sizes, values, n_positions, query_error)
    torch.testing.assert_close(found["printed"], sizes / 2)
    assert (found["error"] <= found["frobenius"] + 1e-12).all()
    assert (found["row error"] <= found["row"] + 1e-12).all()


def test_a_common_push_reaches_the_bound_of_a_row():
    found = lesson_07.token_errors(torch.linspace(0, 2, 9).double(), 3.0, 16, 0.0)
    torch.testing.assert_close(found["row error"], found["row"])

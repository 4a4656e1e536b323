"""Counterexamples, bounds and searches for Theorem 4.10 and Lemmas 4.11 to 4.14."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.linalg import matrix_norm

from course.attention import (
    SOFTMAX_LIPSCHITZ,
    alignment_bound,
    alignment_constants,
    cross_attention,
    decompose,
    printed_gamma,
    row_norm,
)
from course.claims.claim import Tightness, Violation
from course.claims.search import ascend, random_starts

_M, _L, _D = 3, 3, 2  # positions, tokens and width of the searches


def matrix(*rows: list[float]) -> Tensor:
    """Return a matrix in float64."""
    return torch.tensor(rows, dtype=torch.float64)


# Counterexamples


def values_ten_times_as_large() -> Violation:
    """Measure Theorem 4.10 at a perfect start, X = X* = 0, with two tokens off by 1, W_V = 10."""
    query, ideal, tokens = matrix([0.0]), matrix([0.0], [0.0]), matrix([1.0], [1.0])
    one, w_v = matrix([1.0]), matrix([10.0])
    error = cross_attention(query, tokens, one, one, w_v)
    gamma = printed_gamma(one, w_v)
    return Violation(
        error.item(), (gamma * matrix_norm(tokens - ideal)).item(),
        "d = 1, X and X* are 0, Z* = (0, 0), Z = (1, 1), W_K = 1 and W_V = delta = 10; with "
        "L_softmax = 1/2, its true value",
    )  # fmt: skip


def perfect_tokens_do_not_align() -> Violation:
    """Measure the error with Z = Z*: the printed right side is 0."""
    tokens, one = matrix([1.0], [-1.0]), matrix([1.0])
    error = cross_attention(one, tokens, one, one, one) - cross_attention(
        0 * one, tokens, one, one, one
    )
    return Violation(error.abs().item(), 0.0, "d = 1, Z = Z* = (1, -1), X* = 0 and X = 1")


def long_query_beats_term_a() -> Violation:
    """Measure Lemma 4.12 at a long query that is an ideal point X* in the sense of Eq. 43."""
    ideal, one = matrix([1.0], [-1.0]), matrix([1.0])
    w_q, w_v = 0.06 * one, 20 * one
    tokens, query = ideal + matrix([1e-3], [-1e-3]), fixed_point(20 * one, ideal, w_q, one, w_v)
    term_a, _ = decompose(query, tokens, query, ideal, w_q, one, w_v)
    printed = SOFTMAX_LIPSCHITZ * w_q * matrix_norm(ideal @ w_v, 2) * matrix_norm(tokens - ideal)
    return Violation(
        matrix_norm(term_a).item(), printed.item(),
        f"d = 1, Z* = (1, -1), W_Q = 0.06, W_K = 1, W_V = 20, X = X* = {query.item():.6f}, which "
        "is its own attention to Z*; both tokens off by 0.001",
    )  # fmt: skip


def fixed_point(start: Tensor, ideal_tokens: Tensor, *weights: Tensor) -> Tensor:
    """Return an X* that is its own attention to Z* (Eq. 43), reached from `start` (M, d).

    Each of 200 rounds takes the attention of the last one; where that map contracts near the point,
    as here, they end there to rounding.
    """
    point = start
    for _ in range(200):
        point = cross_attention(point, ideal_tokens, *weights)
    return point


def every_position_counts() -> Violation:
    """Measure Lemma 4.13 at four positions that attend to two tokens alike."""
    query, tokens, one = torch.zeros(4, 1).double(), matrix([1.0], [1.0]), matrix([1.0])
    _, term_b = decompose(query, tokens, query, 0 * tokens, one, one, one)
    return Violation(
        matrix_norm(term_b).item(), matrix_norm(tokens).item(),
        "M = 4, d = 1, X = 0, Z* = (0, 0), Z = (1, 1), W_V = 1: Term B, and ||W_V|| ||Delta Z||",
    )  # fmt: skip


def sizes_of_stable_diffusion() -> Violation:
    """Measure Eq. 50 at 4096 positions and 77 tokens, where Z* = 0 leaves gamma = ||W_V||."""
    query, tokens = torch.zeros(4096, 1).double(), torch.ones(77, 1).double()
    one = matrix([1.0])
    error = cross_attention(query, tokens, one, one, one)
    return Violation(
        matrix_norm(error).item(), matrix_norm(tokens).item(),
        "M = 4096 and L = 77 as in Stable Diffusion, d = 1, X = X* = 0, Z* = 0, Z = 1, W_V = 1: "
        "the error, and the gamma of Eq. 50 times ||Delta Z||",
    )  # fmt: skip


# Bounds


def term_a_bound(
    hidden_states: Tensor, encoder_hidden_states: Tensor, ideal_encoder_hidden_states: Tensor,
    w_q: Tensor, w_k: Tensor, w_v: Tensor,
) -> Tensor:  # fmt: skip
    """Return ||X|| ||W_Q W_K'|| ||V*_c|| ||Delta Z_c||_F / (2 sqrt(k)), for one query X."""
    constants = alignment_constants(hidden_states, ideal_encoder_hidden_states, w_q, w_k, w_v)
    own = math.sqrt(hidden_states.shape[-2]) * matrix_norm(w_v, 2)
    change = encoder_hidden_states - ideal_encoder_hidden_states
    return (constants.tokens - own) * matrix_norm(change - change.mean(dim=-2, keepdim=True))


def term_b_bound(n_positions: int, w_v: Tensor, token_error: Tensor) -> Tensor:
    """Return sqrt(M) ||W_V|| ||Delta Z||_F."""
    return math.sqrt(n_positions) * matrix_norm(w_v, 2) * matrix_norm(token_error)


def row_bound(*arguments: Tensor) -> Tensor:
    """Return the bound in the largest norm of a row; arguments as `course.attention.decompose`."""
    return alignment_bound(*arguments, norm="row")


def sum_of_the_terms(*arguments: Tensor) -> Tensor:
    """Return ||Term A||_F + ||Term B||_F; arguments as `course.attention.decompose`."""
    return sum(matrix_norm(term) for term in decompose(*arguments))


# Searches


def setting(points: Tensor) -> tuple[Tensor, ...]:
    """Cut vectors (..., n) into X, Z, X*, Z*, W_Q, W_K, W_V, the arguments of `decompose`."""
    shapes = [(_M, _D), (_L, _D), (_M, _D), (_L, _D), (_D, _D), (_D, _D), (_D, _D)]
    parts = points.split([rows * columns for rows, columns in shapes], dim=-1)
    return tuple(part.unflatten(-1, shape) for part, shape in zip(parts, shapes))


def _climb(
    ratio: Callable[..., Tensor], seed: int, budget: int, surrogate: Callable | None = None
) -> float:
    """Climb from random settings and return the largest ratio, measured again where it stands.

    A `surrogate` is climbed in place of a ratio that takes long.
    """
    width = 2 * (_M + _L) * _D + 3 * _D * _D
    starts = random_starts(seed, budget, width)
    climbed = surrogate or ratio
    _, point = ascend(lambda points: climbed(*setting(points)), starts, n_steps=120, rate=0.2)
    return ratio(*setting(point)).item()


def _nearby(z: Tensor, ideal_z: Tensor) -> Tensor:
    """Return tokens 0.01 from the ideal ones, where Jacobians count and not averages of them."""
    change = z - ideal_z
    return ideal_z + 0.01 * change / matrix_norm(change)[..., None, None]


_WHERE = f"{_M} positions, {_L} tokens, d = {_D}"


def search_theorem_4_10(seed: int = 0, budget: int = 16) -> Tightness:
    """Look for a position whose error exceeds the row-wise bound, in X, Z and all weights."""

    def ratio(*arguments: Tensor) -> Tensor:
        return row_norm(sum(decompose(*arguments))) / row_bound(*arguments)

    def surrogate(*arguments: Tensor) -> Tensor:
        x, z, ideal_x, ideal_z, w_q, w_k, w_v = arguments
        # The bound with balls around the means: a little larger, and far quicker to climb.
        centred = ideal_z - ideal_z.mean(dim=-2, keepdim=True)
        spread = row_norm(centred @ w_v) * matrix_norm(w_q @ w_k.mT, 2) / math.sqrt(_D)
        by_tokens = (matrix_norm(w_v, 2) + spread * row_norm(x)) * row_norm(z - ideal_z)
        by_queries = spread * row_norm(centred) * row_norm(x - ideal_x)
        return row_norm(sum(decompose(*arguments))) / (by_tokens + by_queries)

    return Tightness(_climb(ratio, seed, budget, surrogate), _WHERE)


def search_lemma_4_11(seed: int = 0, budget: int = 16) -> Tightness:
    """Look for an error larger than both terms together."""

    def ratio(*arguments: Tensor) -> Tensor:
        x, z, ideal_x, ideal_z, *weights = arguments
        difference = cross_attention(x, z, *weights) - cross_attention(ideal_x, ideal_z, *weights)
        return matrix_norm(difference) / sum_of_the_terms(*arguments)

    return Tightness(_climb(ratio, seed, budget), f"{_WHERE}: A and B point the same way")


def search_lemma_4_12(seed: int = 0, budget: int = 16) -> Tightness:
    """Look for a Term A beyond its bound, with one query on both sides."""

    def ratio(x: Tensor, z: Tensor, _: Tensor, ideal_z: Tensor, *weights: Tensor) -> Tensor:
        z = _nearby(z, ideal_z)
        term_a, _ = decompose(x, z, x, ideal_z, *weights)
        return matrix_norm(term_a) / term_a_bound(x, z, ideal_z, *weights)

    return Tightness(_climb(ratio, seed, budget), f"{_WHERE}, tokens 0.01 from the ideal")


def search_lemma_4_13(seed: int = 0, budget: int = 16) -> Tightness:
    """Look for a Term B beyond its bound."""

    def ratio(*arguments: Tensor) -> Tensor:
        _, term_b = decompose(*arguments)
        change = arguments[1] - arguments[3]
        return matrix_norm(term_b) / term_b_bound(_M, arguments[-1], change)

    return Tightness(_climb(ratio, seed, budget), f"{_WHERE}: all attend to one token")


def search_lemma_4_14(seed: int = 0, budget: int = 16) -> Tightness:
    """Look for an error beyond the Frobenius bound, with one query on both sides."""

    def ratio(x: Tensor, z: Tensor, _: Tensor, ideal_z: Tensor, *weights: Tensor) -> Tensor:
        arguments = (x, z, x, ideal_z, *weights)
        return matrix_norm(sum(decompose(*arguments))) / alignment_bound(*arguments)

    return Tightness(_climb(ratio, seed, budget), _WHERE)

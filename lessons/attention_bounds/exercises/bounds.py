"""The norm of a softmax matrix (Lemma 4.13), the bound for a row (Theorem 4.10, repaired)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.linalg import matrix_norm, vector_norm

from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.inputs import DTYPES
from lessons.attention_bounds.exercises.shared import LESSON

# The norm of a softmax matrix


def _range(m: int, n: int) -> tuple[float, float]:
    return math.sqrt(m / n), math.sqrt(m)


SOFTMAX_NORM_RANGE = Exercise(
    name="softmax_norm_range",
    lesson=LESSON,
    title="How large is a softmax?",
    reference=lambda n_positions, n_tokens: _range(n_positions, n_tokens),
    cases=lambda generator: [
        Case(f"{m} positions, {n} tokens", (m, n))
        for m, n in ((1, 2), (4, 2), (9, 16), (256, 20), (4096, 77), (6, 1), (2, 2000))
    ],
    misconceptions=(
        Misconception(
            "printed_bound",
            "1 is the paper's Eq. 112. A row has norm 1 at most, but there are M rows, and the "
            "Frobenius norm adds the squares of all.",
            lambda m, n: (math.sqrt(m / n), 1.0),
        ),
        Misconception(
            "one_row",
            "This is the range for one row. M rows multiply the squared norm by M.",
            lambda m, n: (math.sqrt(1 / n), 1.0),
        ),
        Misconception(
            "squared",
            "These are the squares of the norms. Take roots.",
            lambda m, n: (m / n, float(m)),
        ),
        Misconception(
            "zero_at_the_bottom",
            "0 would need rows of zeros. The shares of a row sum to 1, so its norm is smallest "
            "where all shares are 1/L.",
            lambda m, n: (0.0, math.sqrt(m)),
        ),
        Misconception(
            "one_entry_for_a_row",
            "At the lower end you took one share of 1/L for each row. A row has L of them.",
            lambda m, n: (math.sqrt(m) / n, math.sqrt(m)),
        ),
        Misconception(
            "sums_for_norms",
            "You added shares instead of their squares: each row sums to 1 however it is divided.",
            lambda m, n: (float(m), float(m)),
        ),
        Misconception(
            "largest_first",
            "Right numbers in the wrong order: the smallest comes first.",
            lambda m, n: _range(m, n)[::-1],
        ),
    ),
    returns="any",
)


# The bound for a row


def _row_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in DTYPES.items():
        for m, n, d in ((1, 2, 2), (4, 3, 2), (7, 5, 3)):
            shapes = ((m, d), (n, d), (d, d), (d, d), (d, d))
            x, error, *weights = (
                torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
                for shape in shapes
            )
            radius = torch.tensor(1.5 + 0.25 * n if m > 1 else 0.02, dtype=dtype)
            label = f"{m} positions, {n} tokens, d = {d}, radius {radius:g}, {name}"
            cases.append(Case(label, (x, error, radius, *weights)))
    return cases


def _row_bound(
    x: Tensor,
    error: Tensor,
    radius: Tensor,
    w_q: Tensor,
    w_k: Tensor,
    w_v: Tensor,
    *,
    own: Callable[[Tensor], Tensor] = lambda w_v: matrix_norm(w_v, 2),
    product: Callable[[Tensor, Tensor], Tensor] = lambda w_q, w_k: matrix_norm(w_q @ w_k.mT, 2),
    size: Callable[[Tensor], Tensor] = lambda rows: vector_norm(rows, dim=1).max(),
    query: Callable[[Tensor], Tensor] = lambda rows: vector_norm(rows, dim=1).max(),
    root: Callable[[Tensor], float] = lambda x: math.sqrt(x.shape[1]),
) -> Tensor:
    by_weights = radius * product(w_q, w_k) * query(x) / root(x)
    return (own(w_v) + by_weights) * size(error)


def _second_term_alone(x: Tensor, error: Tensor, radius: Tensor, *weights: Tensor) -> Tensor:
    w_q, w_k, w_v = weights
    size = vector_norm(error, dim=1).max()
    whole = _row_bound(x, error, radius, w_q, w_k, w_v)
    own = matrix_norm(w_v, 2) * size
    return own + (whole - own) / size


ROW_BOUND = Exercise(
    name="row_bound",
    lesson=LESSON,
    title="A bound for each position",
    reference=lambda hidden_states, token_error, radius, w_q, w_k, w_v: _row_bound(
        hidden_states, token_error, radius, w_q, w_k, w_v
    ),
    cases=_row_cases,
    misconceptions=(
        Misconception(
            "frobenius_for_rows",
            "You took Frobenius norms of X and of the token error, which grow with M and L. "
            "Wanted is the longest row of each.",
            lambda *a: _row_bound(*a, size=matrix_norm, query=matrix_norm),
        ),
        Misconception(
            "frobenius_of_x",
            "The Frobenius norm of X grows with the number of positions. One position only knows "
            "its own query: take the longest row.",
            lambda *a: _row_bound(*a, query=matrix_norm),
        ),
        Misconception(
            "frobenius_of_the_token_error",
            "The Frobenius norm of the token error grows with the number of tokens. A mean of the "
            "tokens' errors is no longer than the longest: take that row.",
            lambda *a: _row_bound(*a, size=matrix_norm),
        ),
        Misconception(
            "root_of_m_remains",
            "You kept sqrt(M) before ||W_V||. It counts positions, and here is only one.",
            lambda x, *a: _row_bound(
                x, *a, own=lambda w_v: math.sqrt(len(x)) * matrix_norm(w_v, 2)
            ),
        ),
        Misconception(
            "norms_of_each_weight",
            "You multiplied ||W_Q|| and ||W_K||. That is a bound too, but a larger one. The "
            "formula has the norm of the product W_Q W_K'.",
            lambda *a: _row_bound(
                *a, product=lambda w_q, w_k: matrix_norm(w_q, 2) * matrix_norm(w_k, 2)
            ),
        ),
        Misconception(
            "frobenius_of_the_weights",
            "matrix_norm(w) without a second argument is the Frobenius norm. The spectral norm is "
            "matrix_norm(w, 2).",
            lambda *a: _row_bound(
                *a, own=matrix_norm, product=lambda w_q, w_k: matrix_norm(w_q @ w_k.mT)
            ),
        ),
        Misconception(
            "forgot_the_scaling",
            "sqrt(d) is missing. The logits are divided by it, and so is their change.",
            lambda *a: _row_bound(*a, root=lambda x: 1.0),
        ),
        Misconception(
            "half_too_much",
            "You kept the 1/2 of the softmax. In the row form it is already in the radius: half "
            "the distance of two values is the radius of their ball.",
            lambda *a: _row_bound(*a, root=lambda x: 2 * math.sqrt(x.shape[1])),
        ),
        Misconception(
            "only_term_a",
            "The change of the values is missing: ||W_V|| is added.",
            lambda *a: _row_bound(*a, own=lambda w_v: 0.0),
        ),
        Misconception(
            "radius_at_the_values",
            "R_V multiplies the norm of W_V in yours. It belongs to the other term, to how far "
            "the mean of values can move when weights do.",
            lambda x, error, radius, w_q, w_k, w_v: (
                radius * _row_bound(x, error, 1 / radius, w_q, w_k, w_v)
            ),
        ),
        Misconception(
            "second_term_alone",
            "Your second term is not multiplied by the error of the tokens. Both terms are: "
            "without that error there is none.",
            _second_term_alone,
        ),
    ),
    returns="number",
)

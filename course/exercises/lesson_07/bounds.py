"""Bounds on attention: Theorem 4.10, Lemmas 4.12 to 4.14, and the fixed points of Eq. 43."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.linalg import matrix_norm, svdvals, vector_norm

from course.exercises.exercise import Case, Exercise, Misconception, Property, by_properties
from course.exercises.inputs import DTYPES

LESSON = "07_attention_bounds"


# The norm of a softmax matrix


def _range(m: int, n: int) -> tuple[float, float]:
    return math.sqrt(m / n), math.sqrt(m)


SOFTMAX_NORM_RANGE = Exercise(
    name="softmax_norm_range",
    lesson=LESSON,
    title="How large is a softmax?",
    reference=_range,
    cases=lambda generator: [
        Case(f"{m} positions, {n} tokens", (m, n))
        for m, n in ((1, 2), (4, 2), (9, 16), (256, 20), (4096, 77))
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


# A counterexample to the printed gamma


def _measured(value: object) -> tuple[float, float] | str:
    """Return the error and the printed bound of (tokens, w_v), or what is wrong with them.

    X = X* = 0, Z* = 0, W_Q = W_K = I, so that attention is the mean of the tokens times W_V.
    """
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        return "Return two tensors, tokens and w_v."
    if not all(isinstance(t, Tensor) and t.is_floating_point() and t.ndim == 2 for t in value):
        return "Both tokens (L, d) and w_v (d, d) must be floating-point tensors of two axes."
    tokens, w_v = (tensor.detach().double() for tensor in value)
    if w_v.shape != (tokens.shape[1],) * 2 or tokens.numel() == 0:
        return f"Shapes {tuple(tokens.shape)} and {tuple(w_v.shape)} came; wanted (L, d), (d, d)."
    error = vector_norm(tokens.mean(0) @ w_v)
    gamma = 0.5 * matrix_norm(w_v, 2) / svdvals(w_v).min()
    return float(error), float(gamma * vector_norm(tokens))


def _on_measures(law: Callable[[Tensor, Tensor, float, float], object]) -> Callable:
    """Make a `matches` of a law on (tokens, w_v, error / bound / factor, factor)."""

    def matches(arguments: tuple, value: object) -> bool:
        measured = _measured(value)
        if isinstance(measured, str):
            return False
        error, bound = measured
        ratio = error / bound / arguments[0] if bound > 0 else math.nan
        tokens, w_v = (tensor.detach().double() for tensor in value)
        return bool(law(tokens, w_v, ratio, arguments[0]))

    return matches


def _is_an_answer(arguments: tuple, value: object) -> str | None:
    measured = _measured(value)
    return measured if isinstance(measured, str) else None


def _breaks_the_bound(arguments: tuple, value: object) -> str | None:
    measured = _measured(value)
    if isinstance(measured, str):
        return None
    error, bound = measured
    if error > arguments[0] * bound * (1 + 1e-6):
        return None
    if not math.isfinite(bound):
        return "The printed bound is infinite or NaN: W_V has no inverse."
    return f"Error {error:.4g}, printed bound {bound:.4g}: not more than {arguments[0]:g} times."


def _setting(tokens: list[float], w_v: float) -> tuple[Tensor, Tensor]:
    column = torch.tensor(tokens, dtype=torch.float64).unsqueeze(1)
    return column, torch.tensor([[w_v]], dtype=torch.float64)


BREAK_THE_PRINTED_BOUND = Exercise(
    name="break_the_printed_bound",
    lesson=LESSON,
    title="Break the printed bound",
    reference=lambda factor: _setting([1.0, 1.0], 2 * factor),
    cases=lambda generator: [
        Case(f"factor = {factor:g}", (factor,)) for factor in (1.0, 14.0, 1e3, 1e6)
    ],
    misconceptions=(
        Misconception(
            "perfect_tokens",
            "Your tokens are the ideal ones, all 0. Then both sides are 0. Move the tokens.",
            lambda factor: _setting([0.0, 0.0], 2 * factor),
            matches=_on_measures(lambda z, w, ratio, factor: not z.any()),
        ),
        Misconception(
            "singular_values",
            "W_V = 0 has no inverse, and the theorem asks for one: the printed gamma is 0/0. Make "
            "W_V large instead.",
            lambda factor: _setting([1.0, 1.0], 0.0),
            matches=_on_measures(lambda z, w, ratio, factor: not svdvals(w).min()),
        ),
        Misconception(
            "tokens_that_cancel",
            "Your tokens have mean 0. At X = 0 all have the same share, so their values cancel and "
            "there is no error. Move them the same way.",
            lambda factor: _setting([1.0, -1.0], 2 * factor),
            matches=_on_measures(
                lambda z, w, ratio, factor: (
                    z.any() and vector_norm(z.mean(0)) < 1e-9 * vector_norm(z)
                )
            ),
        ),
        Misconception(
            "moved_the_tokens_further",
            "You made the token error larger. Here both sides grow with it alike, so the ratio "
            "stays. Look for what is on one side only.",
            lambda factor: _setting([10 * factor, 10 * factor], 1.0),
            matches=_on_measures(
                lambda z, w, ratio, factor: (
                    z.abs().max() > 1.5 and vector_norm(w) < 1.5 * len(w) ** 0.5
                )
            ),
        ),
        Misconception(
            "made_the_values_small",
            "You made W_V small, perhaps since it stands below the line as delta. But the error "
            "shrinks with W_V, and gamma does not: it has W_V above the line too.",
            lambda factor: _setting([1.0, 1.0], 0.5 / factor),
            matches=_on_measures(lambda z, w, ratio, factor: 0 < matrix_norm(w, 2) <= 0.6),
        ),
        Misconception(
            "just_not_enough",
            "The error is exactly the factor times the bound. Wanted is more: a slightly larger "
            "W_V.",
            lambda factor: _setting([1.0], factor / 2),
            matches=_on_measures(lambda z, w, ratio, factor: abs(ratio - 1) < 1e-6),
        ),
        Misconception(
            "scaled_too_little",
            "W_V grows with the factor, but not fast enough. The printed bound has the norm of all "
            "the tokens' errors, which is larger than their mean.",
            lambda factor: _setting([1.0, 1.0], 0.4 * factor),
            matches=_on_measures(lambda z, w, ratio, factor: 0.1 <= ratio < 1 - 1e-6),
        ),
        Misconception(
            "one_answer_for_every_factor",
            "Your pair breaks the bound by a fixed factor. Let W_V grow with the factor that is "
            "asked for: then no constant in front of gamma can save it.",
            lambda factor: _setting([1.0, 1.0], 10.0),
            # A fixed pair has one ratio: it beats the smallest factor, and not the largest.
            matches=_on_measures(
                lambda z, w, ratio, factor: matrix_norm(w, 2) > 1.5 and (ratio < 0.1 or factor < 20)
            ),
        ),
    ),
    properties=(
        Property("tokens (L, d) and w_v (d, d)", _is_an_answer),
        Property("the error is larger than factor times the printed bound", _breaks_the_bound),
    ),
    compare=by_properties,
    returns="tensors",
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
            radius = torch.tensor(1.5 + 0.25 * n, dtype=dtype)
            label = f"{m} positions, {n} tokens, d = {d}, {name}"
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


ROW_BOUND = Exercise(
    name="row_bound",
    lesson=LESSON,
    title="A bound for each position",
    reference=lambda *a: _row_bound(*a),
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
    ),
    returns="number",
)


# How many ideal points


def _count(weight: float) -> int:
    return 3 if weight > 1 else 1


COUNT_IDEAL_POINTS = Exercise(
    name="count_ideal_points",
    lesson=LESSON,
    title="How many ideal points?",
    reference=_count,
    cases=lambda generator: [
        Case(f"w = {weight:g}", (weight,)) for weight in (0.3, 0.9, 1.0, 1.2, 3.0, -0.5, -3.0)
    ],
    misconceptions=(
        Misconception(
            "always_one",
            "Brouwer gives at least one solution. It does not say that there is only one: draw "
            "tanh(3x) and x.",
            lambda weight: 1,
        ),
        Misconception(
            "always_three",
            "For a small w the curve is flatter than the line x, and both meet at 0 only.",
            lambda weight: 3,
        ),
        Misconception(
            "forgot_the_mirror_image",
            "tanh is odd: with x also -x is a solution. And 0 always is one.",
            lambda weight: 2 if weight > 1 else 1,
        ),
        Misconception(
            "forgot_zero",
            "x = 0 is a solution for every w. Count it too.",
            lambda weight: 2 if weight > 1 else 0,
        ),
        Misconception(
            "one_counts_as_steep",
            "At w = 1 the curve touches the line at 0 and stays on one side of it beyond: one "
            "solution. Three need w > 1.",
            lambda weight: 3 if weight >= 1 else 1,
        ),
        Misconception(
            "forgot_the_sign",
            "For a negative w the curve falls while the line rises. They meet once, however steep "
            "the curve is.",
            lambda weight: 3 if abs(weight) > 1 else 1,
        ),
        Misconception(
            "threshold_at_two",
            "The slope of tanh at 0 is 1, not 1/2. So the curve is steeper than the line from "
            "w = 1 on.",
            lambda weight: 3 if weight > 2 else 1,
        ),
    ),
    returns="number",
)

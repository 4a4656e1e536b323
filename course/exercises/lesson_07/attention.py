"""Exercises of lesson 07: cross-attention, the slope of softmax, two ways to err (Eqs. 14-15, 46).

The bounds of Theorem 4.10 and of Lemmas 4.12 to 4.14 are in `bounds`. References are
written out rather than taken from `course.attention`, so that a test can hold one against the
other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from course.exercises.exercise import Case, Exercise, Misconception, Property, by_properties
from course.exercises.inputs import DTYPES, normal
from course.exercises.lesson_07.bounds import LESSON

# Cross-attention


def _attention_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in DTYPES.items():
        for m, n, d in ((1, 2, 2), (3, 3, 2), (2, 5, 3), (6, 4, 5)):
            weights = [normal(generator, dtype, d, d) for _ in range(3)]
            x, z = normal(generator, dtype, m, d), normal(generator, dtype, n, d)
            label = f"{m} positions, {n} tokens, d = {d}, {name}"
            cases.append(Case(label, (x, z, *weights)))
    x, z = (normal(generator, torch.float64, rows, 2) for rows in (4, 3))
    eye = torch.eye(2, dtype=torch.float64)
    cases.append(Case("hidden states 1000 times as long, float64", (1000 * x, z, eye, eye, eye)))
    return cases


def _attention(
    x: Tensor,
    z: Tensor,
    w_q: Tensor,
    w_k: Tensor,
    w_v: Tensor,
    *,
    divisor: Callable[[Tensor], float] = lambda x: math.sqrt(x.shape[-1]),
    axis: int = -1,
) -> Tensor:
    logits = (x @ w_q) @ (z @ w_k).mT / divisor(x)
    return logits.softmax(axis) @ (z @ w_v)


def _divided_after(x: Tensor, z: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    return _attention(x, z, w_q, w_k, w_v, divisor=lambda x: 1.0) / math.sqrt(x.shape[-1])


CROSS_ATTENTION = Exercise(
    name="cross_attention",
    lesson=LESSON,
    title="Cross-attention in five lines",
    reference=lambda x, z, w_q, w_k, w_v: _attention(x, z, w_q, w_k, w_v),
    cases=_attention_cases,
    misconceptions=(
        Misconception(
            "forgot_the_scaling",
            "The logits are not divided by sqrt(d). Eq. 15 has that root inside the softmax.",
            lambda *a: _attention(*a, divisor=lambda x: 1.0),
        ),
        Misconception(
            "divides_by_d",
            "You divide the logits by d. Eq. 15 divides by its square root.",
            lambda *a: _attention(*a, divisor=lambda x: x.shape[-1]),
        ),
        Misconception(
            "divides_by_the_root_of_the_positions",
            "You divide by sqrt(M), the number of positions: that is the first axis of the hidden "
            "states. d is the last one.",
            lambda *a: _attention(*a, divisor=lambda x: math.sqrt(x.shape[0])),
        ),
        Misconception(
            "softmax_over_the_positions",
            "Your shares add up to 1 over the positions. Each position divides its attention "
            "among the tokens: take the softmax along the last axis of Q K'.",
            lambda *a: _attention(*a, axis=0),
        ),
        Misconception(
            "values_from_the_queries",
            "Your values come from the hidden states. What a position receives are values of "
            "tokens: V = Z W_V.",
            lambda x, z, w_q, w_k, w_v: (
                ((x @ w_q) @ (z @ w_k).mT / math.sqrt(x.shape[-1])).softmax(-1) @ (x @ w_v)
            ),
        ),
        Misconception(
            "keys_for_values",
            "You average the keys. Keys decide who is heard; what is said are the values, Z W_V.",
            lambda x, z, w_q, w_k, w_v: _attention(x, z, w_q, w_k, w_k),
        ),
        Misconception(
            "transposed_weights",
            "You multiply with the transposed weights, as torch.nn.Linear keeps them. Here "
            "Q = X W_Q, with the weight as it is.",
            lambda x, z, w_q, w_k, w_v: _attention(x, z, w_q.mT, w_k.mT, w_v.mT),
        ),
        Misconception(
            "scaled_after_the_softmax",
            "You divide by sqrt(d) after the softmax, so the shares add up to 1/sqrt(d). Divide "
            "the logits, before.",
            _divided_after,
        ),
    ),
)


# The Jacobian of softmax


def _logit_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in DTYPES.items():
        cases.append(Case(f"two equal logits, {name}", (torch.ones(2, dtype=dtype),)))
        for n in (2, 3, 5):
            cases.append(Case(f"{n} random logits, {name}", (normal(generator, dtype, n),)))
    far = torch.tensor([0.0, 500.0, -500.0], dtype=torch.float64)
    cases.append(Case("logits far apart, float64", (far,)))
    return cases


def _jacobian(logits: Tensor) -> Tensor:
    p = logits.softmax(-1)
    return p.diag() - p.outer(p)


SOFTMAX_JACOBIAN = Exercise(
    name="softmax_jacobian",
    lesson=LESSON,
    title="The Jacobian of softmax",
    reference=_jacobian,
    cases=_logit_cases,
    misconceptions=(
        Misconception(
            "only_the_diagonal",
            "The diagonal is right, and beside it you have zeros. All shares stand over one sum: "
            "where one grows, the others shrink.",
            lambda logits: (logits.softmax(-1) * (1 - logits.softmax(-1))).diag(),
        ),
        Misconception(
            "forgot_the_outer_product",
            "This is diag(p) alone: the derivative of the numerators. The sum below them moves "
            "too, and brings - p p'.",
            lambda logits: logits.softmax(-1).diag(),
        ),
        Misconception(
            "wrong_sign",
            "Every sign is turned round. A token whose own logit grows gets more, so the diagonal "
            "is positive.",
            lambda logits: -_jacobian(logits),
        ),
        Misconception(
            "added_the_outer_product",
            "You add p p'. Take it away: then every row sums to 0, as the shares always sum to 1.",
            lambda logits: logits.softmax(-1).diag() + logits.softmax(-1).outer(logits.softmax(-1)),
        ),
        Misconception(
            "outer_product_of_the_logits",
            "Your outer product is made of the logits. It is made of the shares p.",
            lambda logits: logits.softmax(-1).diag() - logits.outer(logits),
        ),
        Misconception(
            "jacobian_of_the_logarithm",
            "This is the Jacobian of log_softmax, I - 1 p'. Multiply row i by p_i to get the one "
            "of softmax.",
            lambda logits: (
                torch.eye(len(logits), dtype=logits.dtype)
                - logits.softmax(-1).expand(len(logits), -1)
            ),
        ),
    ),
)


# Where softmax is steepest


def _shares(value: object, n_tokens: int) -> Tensor | str:
    """Return softmax of an answer in float64, or what is wrong with it."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return "Return a tensor of floating-point logits."
    if value.shape != (n_tokens,):
        return f"The logits have shape {tuple(value.shape)}; wanted ({n_tokens},)."
    return value.detach().double().softmax(-1)


def _is_steepest(arguments: tuple, value: object) -> str | None:
    p = _shares(value, *arguments)
    if isinstance(p, str):
        return p
    if not bool(p.isfinite().all()):
        return "softmax of your logits is NaN."
    norm = torch.linalg.matrix_norm(p.diag() - p.outer(p), 2).item()
    if norm >= 0.5 - 1e-6:
        return None
    return f"The Jacobian has norm {norm:.6f} there; wanted is 0.5."


def _on_shares(law: Callable[[Tensor, Tensor], object]) -> Callable:
    """Make a `matches` of a law on (logits, shares)."""

    def matches(arguments: tuple, value: object) -> bool:
        p = _shares(value, *arguments)
        return not isinstance(p, str) and bool(law(value.detach().double(), p))

    return matches


def _two_ahead(n_tokens: int, ahead: float = 40.0) -> Tensor:
    logits = torch.zeros(n_tokens, dtype=torch.float64)
    logits[:2] = ahead
    return logits


def _is_a_distribution(logits: Tensor, p: Tensor) -> bool:
    return bool((logits >= 0).all()) and abs(logits.sum().item() - 1) < 1e-6


STEEPEST_LOGITS = Exercise(
    name="steepest_logits",
    lesson=LESSON,
    title="Where softmax is steepest",
    reference=_two_ahead,
    cases=lambda generator: [Case(f"{n} tokens", (n,)) for n in (2, 3, 10, 77)],
    misconceptions=(
        Misconception(
            "all_tokens_alike",
            "All shares are 1/L. For two tokens that is the steepest point, but for L tokens the "
            "norm there is only 1/L.",
            lambda n: torch.zeros(n, dtype=torch.float64),
            matches=_on_shares(lambda logits, p: logits.max() - logits.min() < 1e-6),
        ),
        Misconception(
            "one_token_takes_all",
            "One token has nearly everything. There softmax is flat: a small change of the logits "
            "moves nothing. It is steep where two tokens compete.",
            lambda n: _two_ahead(n) * (torch.arange(n) == 0),
            matches=_on_shares(lambda logits, p: p.max() > 0.9),
        ),
        Misconception(
            "returned_the_shares",
            "These are the shares (1/2, 1/2, 0, ...) themselves. As logits they are almost alike. "
            "Wanted are logits whose softmax has these shares.",
            lambda n: _two_ahead(n, 0.5),
            matches=_on_shares(_is_a_distribution),
        ),
        Misconception(
            "two_a_little_ahead",
            "Two tokens lead, but the others still have a share. Put the two further ahead, until "
            "nothing is left for the rest.",
            lambda n: _two_ahead(n, 3.0),
            matches=_on_shares(
                lambda logits, p: (
                    p.topk(2).values.diff().abs().item() < 1e-6
                    and logits.max() - logits.min() > 1e-6
                    and not _is_a_distribution(logits, p)
                )
            ),
        ),
        Misconception(
            "infinite_logits",
            "softmax of an infinite logit is inf/inf, which is NaN. A difference of 40 is enough, "
            "or -inf for the tokens that get nothing.",
            lambda n: _two_ahead(n, math.inf),
            matches=_on_shares(lambda logits, p: p.isnan().any()),
        ),
    ),
    properties=(Property("the norm is one half", _is_steepest),),
    compare=by_properties,
)


# Two terms


def _pair_cases(generator: torch.Generator) -> list[Case]:
    return [Case(label, pair) for label, pair in _pairs(generator)]


def _pairs(generator: torch.Generator) -> Iterator[tuple[str, tuple]]:
    """Yield weights, ideal weights, values, ideal values."""
    for dtype, name in DTYPES.items():
        for m, n, d in ((1, 2, 1), (2, 3, 2), (4, 5, 3)):
            weights = (normal(generator, dtype, m, n).softmax(-1) for _ in range(2))
            values = (normal(generator, dtype, n, d) for _ in range(2))
            yield f"{m} positions, {n} tokens, d = {d}, {name}", (*weights, *values)
    weights, value = torch.eye(2, dtype=torch.float64), torch.ones(2, 1, dtype=torch.float64)
    yield "the same weights on both sides, float64", (weights, weights, 3 * value, value)


def _decompose(p: Tensor, ideal_p: Tensor, v: Tensor, ideal_v: Tensor) -> tuple[Tensor, Tensor]:
    return (p - ideal_p) @ ideal_v, p @ (v - ideal_v)


DECOMPOSE_ERROR = Exercise(
    name="decompose_error",
    lesson=LESSON,
    title="Two terms of one error",
    reference=_decompose,
    cases=_pair_cases,
    misconceptions=(
        Misconception(
            "new_values_in_term_a",
            "Term A uses V, and Term B uses P: the product of both changes is counted twice. With "
            "P in Term B, Term A needs the ideal V*.",
            lambda p, q, v, w: ((p - q) @ v, p @ (v - w)),
        ),
        Misconception(
            "ideal_everywhere",
            "Term A uses V* and Term B uses P*: the product of both changes is lost. The sum is "
            "not the error. With V* in Term A, Term B needs P.",
            lambda p, q, v, w: ((p - q) @ w, q @ (v - w)),
        ),
        Misconception(
            "the_other_split",
            "Your two terms do add up to the error, but they are another split. Eq. 46 keeps the "
            "ideal values in Term A and the new weights in Term B.",
            lambda p, q, v, w: ((p - q) @ v, q @ (v - w)),
        ),
        Misconception(
            "ideal_minus_new",
            "Both signs are turned round. The error is what came minus what is ideal.",
            lambda p, q, v, w: ((q - p) @ w, p @ (w - v)),
        ),
        Misconception(
            "swapped_the_terms",
            "Right terms in the wrong order: first A, the change of the weights, then B, the "
            "change of the values.",
            lambda p, q, v, w: (p @ (v - w), (p - q) @ w),
        ),
        Misconception(
            "one_output_each",
            "These are the two outputs, P V and P* V*. Wanted are two terms whose sum is their "
            "difference.",
            lambda p, q, v, w: (p @ v, q @ w),
        ),
    ),
    returns="tensors",
)

"""Cross-attention, and the two terms of its error (Eq. 15 and 46, Lemma 4.11)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.inputs import DTYPES, normal
from classroom.exercises.variations import Variation
from lessons.attention_bounds.exercises.shared import LESSON

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
    reference=lambda hidden_states, encoder_hidden_states, w_q, w_k, w_v: _attention(
        hidden_states, encoder_hidden_states, w_q, w_k, w_v
    ),
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
    variations=(
        Variation(
            "tokens in reverse order",
            lambda a: (a[0], a[1].flip(0), *a[2:]),
            lambda value, arguments: value,
        ),
        Variation(
            "positions in reverse order",
            lambda a: (a[0].flip(0), *a[1:]),
            lambda value, arguments: value.flip(0),
        ),
    ),
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
    reference=lambda weights, ideal_weights, values, ideal_values: _decompose(
        weights, ideal_weights, values, ideal_values
    ),
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

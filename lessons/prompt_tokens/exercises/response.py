"""The slope of the response, and the gap of two positions (Corollary 4.15)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.inputs import DTYPES, all_scaled, normal
from lessons.prompt_tokens.exercises.shared import LESSON

# The slope of the response


def _slope_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in DTYPES.items():
        pair = torch.tensor([0.5], dtype=dtype), torch.tensor([-1.0, 2.0], dtype=dtype)
        cases.append(Case(f"one query, two values, {name}", pair))
        for m, n in ((3, 3), (5, 3), (4, 7)):
            pair = normal(generator, dtype, m), 2 * normal(generator, dtype, n)
            cases.append(Case(f"{m} queries, {n} values, {name}", pair))
        pair = normal(generator, dtype, 3), torch.full((4,), 1.5, dtype=dtype)
        cases.append(Case(f"equal values, {name}", pair))
        # exp(q v) is infinite in floating point here, and the shares are not.
        pair = torch.tensor([500.0, -700.0, 0.1], dtype=dtype), torch.tensor([-2.0, 1.0, 3.0])
        cases.append(Case(f"queries far out, {name}", (pair[0], pair[1].to(dtype))))
        small = torch.tensor([1e-3, 2e-3, -3e-3], dtype=dtype)
        cases.append(Case(f"long queries and small values, {name}", (800 * small / 1e-3, small)))
    return cases


def _moment(queries: Tensor, values: Tensor, power: int) -> Tensor:
    return torch.outer(queries, values).softmax(-1) @ values**power


def _slope(queries: Tensor, values: Tensor) -> Tensor:
    centred = values - _moment(queries, values, 1).unsqueeze(-1)
    return (torch.outer(queries, values).softmax(-1) * centred**2).sum(-1)


def _unweighted(queries: Tensor, values: Tensor) -> Tensor:
    return values.var(correction=0).expand(len(queries))


def _variance_of_shares(queries: Tensor, values: Tensor) -> Tensor:
    shares = torch.outer(queries, values).softmax(-1)
    return (shares * (1 - shares)) @ values


RESPONSE_SLOPE = Exercise(
    name="response_slope",
    lesson=LESSON,
    title="The slope of the response",
    reference=_slope,
    cases=_slope_cases,
    misconceptions=(
        Misconception(
            "the_response_itself",
            "This is the output, the mean of the values. Wanted is its derivative: their variance.",
            lambda queries, values: _moment(queries, values, 1),
        ),
        Misconception(
            "second_moment",
            "This is the mean of the squares. The square of the mean has to go: the softmax's sum "
            "depends on q too.",
            lambda queries, values: _moment(queries, values, 2),
        ),
        Misconception(
            "unweighted_variance",
            "Your variance gives all values one weight. The weights are softmax(q v), another set "
            "at each query.",
            _unweighted,
        ),
        Misconception(
            "standard_deviation",
            "This is the standard deviation, the root of what is wanted: the variance.",
            lambda queries, values: _slope(queries, values).sqrt(),
        ),
        Misconception(
            "sign_flipped",
            "Your slopes are negative. A larger query leans towards larger values, always.",
            lambda queries, values: -_slope(queries, values),
        ),
        Misconception(
            "mean_not_squared",
            "You take the mean of the values from the mean of their squares. A variance takes "
            "its square off.",
            lambda queries, values: _moment(queries, values, 2) - _moment(queries, values, 1),
        ),
        Misconception(
            "slope_of_tanh",
            "1 - x^2 is the slope for the two values 1 and -1. For others the slope is the "
            "variance of the values.",
            lambda queries, values: 1 - _moment(queries, values, 1) ** 2,
        ),
        Misconception(
            "variance_of_the_shares",
            "p (1 - p) is the variance of one share. Wanted is the variance of the values, with "
            "the shares as weights.",
            _variance_of_shares,
        ),
    ),
)


# The gap of two positions


def _gap_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in DTYPES.items():
        queries = torch.tensor([[1.0], [-1.0]], dtype=dtype)
        cases.append(Case(f"reversed, d = 1, {name}", (queries, -queries)))
        cases.append(Case(f"same order, d = 1, {name}", (queries, 3 * queries)))
        for d in (1, 2, 5):
            queries, targets = (normal(generator, dtype, 2, d) for _ in range(2))
            against = targets - 2 * queries
            cases.append(Case(f"against the queries, d = {d}, {name}", (queries, against)))
            cases.append(
                Case(f"with the queries, d = {d}, {name}", (queries, targets + 3 * queries))
            )
            cases.append(Case(f"far away, d = {d}, {name}", (queries + 5, against + 7)))
    return cases


def _gap(
    queries: Tensor,
    targets: Tensor,
    *,
    sign: float = 1.0,
    length: Callable[[Tensor], Tensor | float] = lambda change: math.sqrt(2) * change.norm(),
    floor: bool = True,
) -> Tensor:
    change = queries[0] - queries[1]
    shortfall = -sign * (change * (targets[0] - targets[1])).sum() / length(change)
    return shortfall.clamp(min=0) if floor else shortfall


def _without_differences(queries: Tensor, targets: Tensor) -> Tensor:
    length = math.sqrt(2) * (queries[0] - queries[1]).norm()
    return (-(queries * targets).sum() / length).clamp(min=0)


MONOTONE_GAP = Exercise(
    name="monotone_gap",
    lesson=LESSON,
    title="How far two targets are out of reach",
    reference=_gap,
    cases=_gap_cases,
    misconceptions=(
        Misconception(
            "sign_flipped",
            "You got a gap where targets follow their queries, and none where they run against "
            "them. It is the other way round.",
            lambda queries, targets: _gap(queries, targets, sign=-1.0),
        ),
        Misconception(
            "forgot_the_root_of_two",
            "This bounds the two errors added up. For the root of the sum of their squares, divide "
            "by the root of 2.",
            lambda queries, targets: _gap(queries, targets, length=lambda change: change.norm()),
        ),
        Misconception(
            "divided_by_two",
            "You divide by 2. Two errors that add up to s have squares that add up to s^2/2 or "
            "more: so the root of 2.",
            lambda queries, targets: _gap(
                queries, targets, length=lambda change: 2 * change.norm()
            ),
        ),
        Misconception(
            "negative_gap",
            "Your gap is negative where the targets follow their queries. An error is never below "
            "0: nothing is in the way there, so the bound is 0.",
            lambda queries, targets: _gap(queries, targets, floor=False),
        ),
        Misconception(
            "forgot_the_length",
            "You did not divide by the distance of the queries. Queries twice as far apart must "
            "give the same gap.",
            lambda queries, targets: _gap(queries, targets, length=lambda change: math.sqrt(2)),
        ),
        Misconception(
            "squared_length",
            "You divided by the squared distance of the queries. Cauchy and Schwarz need it once.",
            lambda queries, targets: _gap(
                queries, targets, length=lambda change: math.sqrt(2) * change.square().sum()
            ),
        ),
        Misconception(
            "without_differences",
            "You multiply queries and targets themselves. Only differences count: moving all "
            "targets by one vector is free.",
            _without_differences,
        ),
    ),
    variations=(
        all_scaled(20.0, lambda value: 20 * value),
        all_scaled(1e-4, lambda value: 1e-4 * value),
    ),
)

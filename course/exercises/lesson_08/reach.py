"""Exercises of lesson 08 on what tokens can reach: slope, gap, targets out of reach and within it.

Corollary 4.15. A position with the effective query q gets sum_l p_l v_l with p = softmax(q . v_l).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course.exercises.exercise import Case, Exercise, Misconception, Property, by_properties
from course.exercises.inputs import DTYPES, normal
from course.reachability import reachability_gap

LESSON = "08_prompt_tokens"


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
    return cases


def _moment(queries: Tensor, values: Tensor, power: int) -> Tensor:
    return torch.outer(queries, values).softmax(-1) @ values**power


def _slope(queries: Tensor, values: Tensor) -> Tensor:
    centred = values - _moment(queries, values, 1).unsqueeze(-1)
    return (torch.outer(queries, values).softmax(-1) * centred**2).sum(-1)


def _unweighted(queries: Tensor, values: Tensor) -> Tensor:
    return values.var(correction=0).expand(len(queries))


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
)


# Targets out of reach


def _far_cases(generator: torch.Generator) -> list[Case]:
    return [
        Case(
            f"{m} positions, d = {d}, error above {error:g}",
            (normal(generator, dtype, m, d), error),
        )
        for dtype in (torch.float64, torch.float32)
        for m, d, error in ((2, 1, 0.5), (2, 3, 2.0), (3, 2, 10.0), (5, 4, 1000.0))
    ]


def _reversed(queries: Tensor, error: float) -> Tensor:
    width = torch.cdist(queries, queries).max()
    return -2 * math.sqrt(2) * error / width * queries


def _fits(arguments: tuple, value: object) -> str | None:
    queries = arguments[0]
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return "Return a floating-point tensor of targets."
    if value.shape != queries.shape:
        wanted = tuple(queries.shape)
        return f"Targets have the shape of the queries, {wanted}; {tuple(value.shape)} came."
    if not value.isfinite().all():
        return "Targets must be finite numbers."
    return None


def _measured_gap(arguments: tuple, value: object) -> float:
    queries, targets = arguments[0].double(), value.detach().double()
    return reachability_gap(queries, targets, longest_cycle=3).item()


def _is_out_of_reach(arguments: tuple, value: object) -> str | None:
    if _fits(arguments, value):
        return None  # the first property has said so
    gap = _measured_gap(arguments, value)
    if gap > arguments[1]:
        return None
    return (
        f"The bound keeps tokens {gap:.4g} away from these targets, not more than {arguments[1]:g}."
    )


def _on_targets(law: Callable[[Tensor, Tensor, float], object]) -> Callable:
    """Make a `matches` of a law on (queries, targets, gap)."""

    def matches(arguments: tuple, value: object) -> bool:
        if _fits(arguments, value):
            return False
        gap = _measured_gap(arguments, value)
        return bool(law(arguments[0].double(), value.detach().double(), gap))

    return matches


def _all_equal(targets: Tensor) -> bool:
    return bool((targets - targets[:1]).abs().max() <= 1e-6 * targets.abs().max().clamp(min=1e-9))


UNREACHABLE_TARGET = Exercise(
    name="unreachable_target",
    lesson=LESSON,
    title="Put targets out of reach",
    reference=_reversed,
    cases=_far_cases,
    misconceptions=(
        Misconception(
            "far_but_equal",
            "All positions have one target. However far away it is, a single token there reaches "
            "it: attention to one token is that token.",
            lambda queries, error: torch.full_like(queries, 10 * error),
            matches=_on_targets(lambda queries, targets, gap: _all_equal(targets)),
        ),
        Misconception(
            "same_order",
            "Your targets follow the queries. Stretched or moved, they stay in order, and nothing "
            "keeps tokens away.",
            lambda queries, error: 10 * error * queries,
            matches=_on_targets(
                lambda queries, targets, gap: gap < 1e-6 and not _all_equal(targets)
            ),
        ),
        Misconception(
            "not_far_enough",
            "The order is against the queries, which is right. But the targets lie so close "
            "together that their mean is near to all of them: make them depend on the error.",
            lambda queries, error: -0.01 * queries,
            matches=_on_targets(lambda queries, targets, gap: gap >= 1e-6),
        ),
        Misconception(
            "infinite_targets",
            "Infinite targets say nothing: no finite output is near, whatever the order.",
            lambda queries, error: torch.full_like(queries, math.inf),
        ),
    ),
    properties=(Property("finite targets of the right shape", _fits),
                Property("out of reach", _is_out_of_reach)),
    compare=by_properties,
)  # fmt: skip


# Tokens for two targets


def _distance_cases(generator: torch.Generator) -> list[Case]:
    pairs = [(1.0, 1.0), (0.5, 1.0), (2.0, 0.5), (0.1, 1.0), (1.0, 4.0), (3.0, 2.0)]
    pairs += (0.2 + 3 * torch.rand(3, 2, generator=generator, dtype=torch.float64)).tolist()
    return [Case(f"queries ±{q:.3g}, targets ±{y:.3g}", (q, y)) for q, y in pairs]


def _root(function: Callable[[float], float], target: float) -> float:
    """Return v > 0 with function(v) = target, for a function that rises from 0."""
    low, high = 0.0, 1.0
    while function(high) < target:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < target else (low, middle)
    return high


TOKEN_DISTANCE = Exercise(
    name="token_distance",
    lesson=LESSON,
    title="Two tokens for two targets",
    reference=lambda query, target: _root(lambda v: v * math.tanh(v * query), target),
    cases=_distance_cases,
    misconceptions=(
        Misconception(
            "tokens_at_the_targets",
            "You put the tokens on the targets. Outputs are means of the tokens, so they stay "
            "between them: the tokens must lie further out.",
            lambda query, target: target,
        ),
        Misconception(
            "sigmoid_of_one_logit",
            "You have tanh(vq/2). The two logits are vq and -vq, and their difference is 2vq.",
            lambda query, target: _root(lambda v: v * math.tanh(v * query / 2), target),
        ),
        Misconception(
            "linear_softmax",
            "You took tanh(x) as x, which is right near 0 only. The token has to be found from the "
            "equation itself, by halving an interval, say.",
            lambda query, target: math.sqrt(target / query),
        ),
        Misconception(
            "one_round",
            "You divided once by the tanh at v = target. The tanh changes with v: go on until "
            "nothing changes.",
            lambda query, target: target / math.tanh(target * query),
        ),
        Misconception(
            "other_branch",
            "You returned -v. It reaches the targets too, as the two tokens change places, but "
            "the distance asked for is positive.",
            lambda query, target: -_root(lambda v: v * math.tanh(v * query), target),
        ),
    ),
    tolerance={torch.float64: 1e-6},
    returns="number",
)

"""Targets out of reach, and tokens for two targets within it (Corollary 4.15)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception, Property, by_properties
from classroom.exercises.inputs import drawn_sizes, normal
from course.reachability import reachability_gap
from lessons.prompt_tokens.exercises.shared import LESSON

# Targets out of reach


def _far_cases(generator: torch.Generator) -> list[Case]:
    single = [(2, 1, 0.5), (2, 3, 2.0), (3, 2, 10.0), (5, 4, 1000.0)]
    sizes = drawn_sizes(generator, -3, 20, 2)
    double = [*single, (3, 3, 1e12), (2, 2, 1e30), (2, 2, 1e-9), *((3, 2, size) for size in sizes)]
    return [
        Case(
            f"{m} positions, d = {d}, error above {error:g}",
            (normal(generator, dtype, m, d), error),
        )
        for dtype, settings in ((torch.float64, double), (torch.float32, single))
        for m, d, error in settings
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


def _is_one_multiple(pairs: Sequence[tuple[tuple, Tensor]]) -> bool:
    """Return whether the targets are the queries times one number, the same for every error."""
    sizes = []
    for (queries, _), targets in pairs:
        size = targets.double().norm() / queries.double().norm()
        if (targets.double() + size * queries.double()).norm() > 1e-5 * targets.double().norm():
            return False
        sizes.append(float(size))
    return max(sizes) - min(sizes) <= 1e-5 * max(sizes)


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
                lambda queries, targets, gap: (
                    gap <= 1e-6 * targets.norm() and not _all_equal(targets)
                )
            ),
        ),
        Misconception(
            "not_far_enough",
            "The order is against the queries, which is right. But the targets lie so close "
            "together that tokens come nearer than the error asked: take them further apart.",
            lambda queries, error: -0.1 * error * queries / torch.cdist(queries, queries).max(),
            matches=_on_targets(lambda queries, targets, gap: gap > 1e-6 * targets.norm()),
        ),
        Misconception(
            "same_for_every_error",
            "Your targets are one multiple of the queries, whatever the error. The order is right, "
            "but a larger error needs targets further apart: make them depend on it.",
            lambda queries, error: -100 * queries,
            together=_is_one_multiple,
            though_right=True,
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
    pairs += [
        (1.0, 300.0),
        (0.01, 40.0),
        (20.0, 5000.0),
        (5.0, 1e-4),
        (1e-3, 0.02),
        (2.0, 3e7),
        (1e-9, 1e-9),
    ]
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
        Misconception(
            "inverse_of_tanh",
            "You solved tanh(v q) = y. The output is v tanh(v q): the values themselves are v "
            "and -v.",
            lambda query, target: math.atanh(target) / query,
        ),
    ),
    returns="number",
)

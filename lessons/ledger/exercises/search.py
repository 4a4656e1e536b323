"""How much of a bound is reached, and a search over starts (the ledger's bounds)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.inputs import all_scaled
from classroom.exercises.variations import Variation
from lessons.ledger.exercises.shared import LESSON

# How much of a bound is reached


def _side_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype in (torch.float64, torch.float32):
        small = torch.tensor([[1.0, 3.0], [2.0, 12.0]], dtype=dtype)
        cases.append(Case(f"two instances, {dtype}", (small[0], small[1])))
        for n in (5, 40):
            right = 0.1 + 5 * torch.rand(n, generator=generator, dtype=torch.float64)
            left = right * torch.rand(n, generator=generator, dtype=torch.float64)
            cases.append(Case(f"{n} instances, {dtype}", (left.to(dtype), right.to(dtype))))
        mixed = torch.tensor([[-9.0, 1.0, 2.0], [3.0, 4.0, 5.0]], dtype=dtype)
        cases.append(Case(f"a negative left side, {dtype}", (mixed[0], mixed[1])))
        below = torch.tensor([[-9.0, -1.0, -2.0], [3.0, 4.0, 5.0]], dtype=dtype)
        cases.append(Case(f"only negative left sides, {dtype}", (below[0], below[1])))
        broken = torch.tensor([[6.0, 1.0, 9.0], [2.0, 4.0, 5.0]], dtype=dtype)
        cases.append(Case(f"a bound that is broken, {dtype}", (broken[0], broken[1])))
    return cases


def _tightness(left: Tensor, right: Tensor) -> Tensor:
    return (left / right).max()


def _ratio_of_maxima(left: Tensor, right: Tensor) -> Tensor:
    return left.max() / right.max()


def _mean_ratio(left: Tensor, right: Tensor) -> Tensor:
    return (left / right).mean()


def _upside_down(left: Tensor, right: Tensor) -> Tensor:
    return (right / left).max()


def _smallest_ratio(left: Tensor, right: Tensor) -> Tensor:
    return (left / right).min()


def _smallest_gap(left: Tensor, right: Tensor) -> Tensor:
    closest = (right - left).argmin()
    return left[closest] / right[closest]


def _left_larger(arguments: tuple) -> tuple:
    return 50 * arguments[0], arguments[1]


def _in_reverse(arguments: tuple) -> tuple:
    return arguments[0].flip(0), arguments[1].flip(0)


TIGHTNESS = Exercise(
    name="tightness",
    lesson=LESSON,
    title="How much of a bound is reached",
    reference=_tightness,
    cases=_side_cases,
    misconceptions=(
        Misconception(
            "ratio_of_maxima",
            "You divided the largest left by the largest right. They may belong to two instances: "
            "divide first, then take the largest.",
            _ratio_of_maxima,
        ),
        Misconception(
            "mean_ratio",
            "You took the mean. A bound is about the worst instance, so take the largest ratio.",
            _mean_ratio,
        ),
        Misconception(
            "upside_down",
            "You divided right by left. A bound that is reached gives left / right = 1.",
            _upside_down,
        ),
        Misconception(
            "smallest_ratio",
            "You took the instance farthest from the bound. Tightness asks for the nearest.",
            _smallest_ratio,
        ),
        Misconception(
            "smallest_difference",
            "You chose the instance with the smallest difference. Small numbers have small "
            "differences; compare ratios.",
            _smallest_gap,
        ),
        Misconception(
            "largest_difference",
            "This is how far left exceeds right, and it has the unit of both. Tightness is a "
            "share: left over right.",
            lambda left, right: (left - right).max(),
        ),
        Misconception(
            "place_of_the_largest",
            "This is the place of the largest share. Wanted is the share itself.",
            lambda left, right: (left / right).argmax(),
        ),
        Misconception(
            "share_of_the_sums",
            "You divide the sum of the left sides by that of the right ones. Each instance has "
            "a share of its own.",
            lambda left, right: left.sum() / right.sum(),
        ),
        Misconception(
            "at_the_largest_left_side",
            "You took the share where the left side is largest. A small left side can fill its "
            "bound better.",
            lambda left, right: (left / right)[left.argmax()],
        ),
    ),
    returns="number",
    variations=(
        all_scaled(1e-8),
        Variation("left sides 50 times as large", _left_larger, lambda value, a: 50 * value),
        Variation("instances in reverse order", _in_reverse, lambda value, a: value),
    ),
)


# A search over starts


def _signed(starts: Tensor) -> Tensor:
    return starts.sum(dim=1)


def _norms(starts: Tensor) -> Tensor:
    return starts.norm(dim=1)


def _sums(starts: Tensor) -> Tensor:
    return starts.abs().sum(dim=1)


def _largest(starts: Tensor) -> Tensor:
    return starts.abs().amax(dim=1)


def _search_cases(generator: torch.Generator) -> list[Case]:
    sides = (("largest against l2 norm", _largest, _norms), ("l2 against l1 norm", _norms, _sums))
    cases = []
    for name, left, right in sides:
        for shape in ((3, 2), (20, 4)):
            for dtype in (torch.float64, torch.float32):
                starts = torch.randn(shape, generator=generator, dtype=torch.float64)
                # Starts of unlike length: the largest left side is not the largest ratio.
                starts = starts * torch.rand(shape[0], 1, generator=generator, dtype=torch.float64)
                label = f"{name}, {shape[0]} starts, {dtype}"
                cases.append(Case(label, (left, right, starts.to(dtype))))
    for dtype in (torch.float64, torch.float32):
        starts = torch.randn(12, 3, generator=generator, dtype=torch.float64).to(dtype)
        label = f"l2 against largest, a bound that is broken, {dtype}"
        cases.append(Case(label, (_norms, _largest, starts)))
        cases.append(Case(f"sum against l2, with signs, {dtype}", (_signed, _norms, starts)))
        negative = -starts.abs()
        cases.append(Case(f"sum against l2, all negative, {dtype}", (_signed, _norms, negative)))
    return cases


def _worst_start(left: Callable, right: Callable, starts: Tensor) -> Tensor:
    return starts[(left(starts) / right(starts)).argmax()]


def _largest_left(left: Callable, right: Callable, starts: Tensor) -> Tensor:
    return starts[left(starts).argmax()]


def _least_right(left: Callable, right: Callable, starts: Tensor) -> Tensor:
    return starts[right(starts).argmin()]


def _position_only(left: Callable, right: Callable, starts: Tensor) -> Tensor:
    return (left(starts) / right(starts)).argmax()


def _ratio_only(left: Callable, right: Callable, starts: Tensor) -> Tensor:
    return (left(starts) / right(starts)).max()


def _largest_difference(left: Callable, right: Callable, starts: Tensor) -> Tensor:
    return starts[(left(starts) - right(starts)).argmax()]


WORST_START = Exercise(
    name="worst_start",
    lesson=LESSON,
    title="The start that comes nearest to the bound",
    reference=_worst_start,
    cases=_search_cases,
    misconceptions=(
        Misconception(
            "largest_left_side",
            "You chose the start with the largest left side. Its right side may be larger still: "
            "compare the ratios.",
            _largest_left,
        ),
        Misconception(
            "smallest_right_side",
            "You chose the start with the smallest right side. Compare the ratios left / right.",
            _least_right,
        ),
        Misconception(
            "position_only",
            "You returned where the start stands in the list. Return the start itself: "
            "starts[position].",
            _position_only,
        ),
        Misconception(
            "ratio_only",
            "You returned the largest ratio. Wanted is the start at which it occurs, so that "
            "somebody else can try it.",
            _ratio_only,
        ),
        Misconception(
            "largest_difference",
            "You compared left - right. Long starts then win or lose by their length alone; "
            "compare the ratios.",
            _largest_difference,
        ),
    ),
)

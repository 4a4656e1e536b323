"""What an exercise is: a right answer, inputs to try it on, and the wrong answers that we know.

An exercise stands for one formula or claim of the paper; its lesson module says which. Nothing here
runs an answer: that is `classroom.exercises.judge`. Exercises, cases and misconceptions are told
apart by identity, so that what was computed of them, which no answer can change, is computed once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import torch

from classroom.exercises.variations import Variation, varied

RETURNS = ("tensor", "number", "text", "tensors", "any")
"""What an answer may be asked to return."""

SEEDS = (250416016, 16016)
"""One draw of the cases for each: fixed, so that a check says the same thing twice."""


@dataclass(frozen=True, eq=False)
class Case:
    """One input of an exercise: positional arguments, and what to call it in a report.

    `rounding` is by how much right answers may differ here that lose digits on the way, absolute.
    """

    label: str
    arguments: tuple
    rounding: float = 0.0


@dataclass(frozen=True)
class Property:
    """A law that right answers keep, checked beside equality or instead of it.

    `holds(arguments, answer_value)` returns None where the law holds, else the sentence that says
    how it is broken ("The rows sum to 0.5, not to 0.").
    """

    name: str
    holds: Callable[[tuple, object], str | None]


@dataclass(frozen=True, eq=False)
class Misconception:
    """A wrong answer that people really give, and what helps them.

    `answer` is the wrong implementation; it may raise, change its input or return another shape:
    all of that is part of how it is known. Where many wrong values come from one thought (a wrong
    counterexample, say), `matches(arguments, answer_value)` may say so in place of equal values: it
    has to hold on every input on which the answer is wrong. `together(pairs)` sees all inputs with
    their values at once, for what no single one shows ("the same pair for every limit"). With
    `though_right` that is wrong even where each value by itself is right: a pair that is far enough
    for every limit that is tried, and for none beyond.
    """

    name: str
    hint: str
    answer: Callable
    matches: Callable[[tuple, object], bool] | None = None
    together: Callable[[Sequence[tuple[tuple, object]]], bool] | None = None
    though_right: bool = False


@dataclass(frozen=True, eq=False)
class Exercise:
    """A question with a right answer, inputs, and at least three named misconceptions.

    `cases(generator)` returns inputs from the smallest to the largest: several shapes, float32 and
    float64, edge cases. It is called once for each seed; `variations` make further cases of them.
    `tolerance` is relative to the largest expected magnitude, by dtype. `compare(expected, actual,
    arguments)` takes the place of equality where many answers are right, and returns None or a
    sentence. `draw(arguments, expected, actual)` returns a matplotlib Figure with a label, for the
    smallest input that fails.
    `returns` is one of RETURNS. Raises ValueError for names or values that do not fit.
    """

    name: str
    lesson: str
    title: str
    reference: Callable
    cases: Callable[[torch.Generator], list[Case]]
    misconceptions: tuple[Misconception, ...]
    tolerance: Mapping[torch.dtype, float] | None = None
    properties: tuple[Property, ...] = ()
    compare: Callable | None = None
    draw: Callable | None = None
    returns: str = "tensor"
    variations: tuple[Variation, ...] = ()

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"an exercise is named like a function, got {self.name!r}")
        if self.returns not in RETURNS:
            raise ValueError(f"{self.name}: returns is {self.returns!r}; wanted one of {RETURNS}")
        counts = Counter(misconception.name for misconception in self.misconceptions)
        if twice := [name for name, count in counts.items() if count > 1]:
            raise ValueError(f"{self.name}: two misconceptions are called {', '.join(twice)}")

    def draws(self) -> list[list[Case]]:
        """Return the cases of every seed: one list for each, the same at every call.

        Raises ValueError where a draw is empty.
        """
        return _draws(self)


@cache
def _draws(exercise: Exercise) -> list[list[Case]]:
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)  # the cases are the same in every notebook
    try:
        draws = [list(exercise.cases(torch.Generator().manual_seed(seed))) for seed in SEEDS]
    finally:
        torch.set_default_dtype(dtype)
    if not all(draws):
        raise ValueError(f"{exercise.name}: an exercise needs one case or more")
    if not any(case.arguments for cases in draws for case in cases):
        return draws[:1]  # nothing is drawn: a second time would be the same
    return [[*cases, *varied(cases, exercise.variations)] for cases in draws]


def by_properties(expected: object, actual: object, arguments: tuple) -> None:
    """Compare nothing: for `Exercise.compare`, where the properties alone decide."""

"""Simple relations of an answer to the right one: a factor, a sign, a transposed axis, an offset.

Said of answers that show no known misconception, and only where one relation holds on all inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from classroom.exercises.altered import altered
from classroom.exercises.clues import confusion, echoes, one_sided, patterns, sameness, sums
from classroom.exercises.describe import argument_name
from classroom.exercises.exercise import Exercise
from classroom.exercises.mutants import slip
from classroom.exercises.pairs import Pair, all_equal, pair_of
from classroom.exercises.powers import product_of_two
from classroom.exercises.tolerance import magnitude
from classroom.exercises.trial import Trial

_FEWEST = 3  # inputs: on fewer of them a relation holds by chance


def relation(exercise: Exercise, trials: Sequence[Trial]) -> str | None:
    """Return in a sentence how the answer is related to the right one on all inputs, or None.

    Nothing is said of answers that need no input, where the relation would give the right one away.
    """
    if exercise.compare is not None or not any(trial.case.arguments for trial in trials):
        return None
    tuples = [trial.expected.value for trial in trials]
    if not all(isinstance(value, (tuple, list)) for value in tuples):
        pairs = [pair_of(t, t.expected.value, t.came.value) for t in trials]
        return (
            confusion(tuples, [trial.came.value for trial in trials])
            or _said(exercise, pairs)
            or slip(exercise, trials)
            or altered(exercise, trials)
            or _in_common(exercise, pairs)
        )
    if len({len(value) for value in tuples}) > 1:
        return None
    return (
        altered(exercise, trials)
        or slip(exercise, trials)
        or _of_parts(exercise, trials, len(tuples[0]))
    )


def side(exercise: Exercise, trials: Sequence[Trial]) -> str | None:
    """Return whether all wrong numbers are too large, or all too small; None for other values."""
    if exercise.compare is not None or not any(trial.case.arguments for trial in trials):
        return None
    if any(isinstance(trial.expected.value, (bool, str, tuple, list)) for trial in trials):
        return None
    pairs = [pair_of(trial, trial.expected.value, trial.came.value) for trial in trials]
    return None if any(pair is None for pair in pairs) else one_sided(pairs)


def _of_parts(exercise: Exercise, trials: Sequence[Trial], count: int) -> str | None:
    """Return which values of a tuple are right, and what is wrong with another one."""
    cames = [trial.came.value for trial in trials]
    if not all(isinstance(came, (tuple, list)) and len(came) == count for came in cames):
        return None
    parts = [
        [pair_of(trial, trial.expected.value[index], trial.came.value[index]) for trial in trials]
        for index in range(count)
    ]
    right = [all(p is not None and p.equal(p.expected) for p in part) for part in parts]
    fine = [index for index in range(count) if right[index]]
    sentences = [f"Value {index} of the result is right on all inputs." for index in fine]
    for index, part in enumerate(parts):
        if not right[index] and (said := _said(exercise, part) or _in_common(exercise, part)):
            sentences.append(f"Value {index} of the result: {said}")
    return " ".join(sentences) or None


def _in_common(exercise: Exercise, pairs: Sequence[Pair | None]) -> str | None:
    """Return what the wrong values have in common: the vaguest that can be said."""
    if len(pairs) < _FEWEST or any(pair is None for pair in pairs):
        return None
    if any(pair.came.shape != pair.expected.shape for pair in pairs):
        return None
    if all(pair.equal(pair.expected) for pair in pairs):
        return None  # right in value; the fault is of another kind
    if found := product_of_two(pairs, _quantities(exercise, pairs)):
        return found
    return next(patterns(exercise, pairs), None)


def _said(exercise: Exercise, pairs: Sequence[Pair | None]) -> str | None:
    if len(pairs) < _FEWEST or any(pair is None for pair in pairs):
        return None
    if all(pair.came.shape == pair.expected.shape for pair in pairs):
        if all(pair.equal(pair.expected) for pair in pairs):
            return None  # right in value; the fault is of another kind
        candidates = _of_values(exercise, pairs)
    else:
        candidates = _of_shapes(pairs)
    return next(candidates, None)


def _transposed(value: Tensor) -> Tensor:
    """Return the transpose; IndexError where there are not two axes."""
    return value.transpose(-1, -2)


_BY_ELEMENT: tuple[tuple[str, Callable[[Tensor], Tensor]], ...] = (
    ("Your answer is 0 on every input.", torch.zeros_like),
    ("The sign is turned round: your answer is minus the right one on every input.", torch.neg),
    ("Your answer is the absolute value of the right one.", torch.abs),
    ("Your answer is the square of the right one. Is a root missing?", torch.square),
    ("Your answer is the square root of the right one.", torch.sqrt),
    ("Your answer is upside down: 1 divided by the right one.", torch.reciprocal),
    ("Your answer is 1 minus the right one.", lambda value: 1 - value),
    ("Your answer is the natural logarithm of the right one.", torch.log),
    ("Your answer is the exponential of the right one.", torch.exp),
    ("Right where the result is not negative; negative ones came as 0.", lambda v: v.clamp(min=0)),
    ("Right up to 1; what should be larger came as 1.", lambda value: value.clamp(max=1)),
    ("Your answer is the right one, kept between 0 and 1.", lambda value: value.clamp(0, 1)),
    ("Your answer is the right one rounded to a whole number.", torch.round),
    ("Right numbers, but transposed: rows and columns have changed places.", _transposed),
    ("Right numbers in reverse order.", lambda value: value.flip(0)),
    ("Right numbers, with the last axis in reverse order.", lambda value: value.flip(-1)),
    ("Right numbers, one place too far along the first axis.", lambda value: value.roll(1, 0)),
    ("Right numbers, one place too early along the first axis.", lambda value: value.roll(-1, 0)),
    ("Your answer is the running sum of the right one.", lambda value: value.cumsum(0)),
)


def _of_values(exercise: Exercise, pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield what can be said of answers of the right shape, the plainest first."""
    for sentence, change in _BY_ELEMENT:
        if all_equal(pairs, change):
            yield sentence
    yield from sameness(pairs)
    yield from echoes(exercise, pairs)
    yield from _constants(pairs)
    yield from sums(exercise, pairs)
    for name, of in _quantities(exercise, pairs):
        for sentence, change in _BY_QUANTITY:
            if all_equal(pairs, partial(_with, change, of), with_pair=True):
                yield f"Your answer is the right one {sentence.format(name)}."


_BY_QUANTITY: tuple[tuple[str, Callable[[Tensor, float], Tensor]], ...] = (
    ("times {}", lambda value, q: value * q),
    ("divided by {}", lambda value, q: value / q),
    ("times the square of {}", lambda value, q: value * q**2),
    ("divided by the square of {}", lambda value, q: value / q**2),
    ("times the root of {}", lambda value, q: value * abs(q) ** 0.5),
    ("divided by the root of {}", lambda value, q: value / abs(q) ** 0.5),
    ("plus {}", lambda value, q: value + q),
    ("minus {}", lambda value, q: value - q),
)


def _with(change: Callable, of: Callable, value: Tensor, pair: Pair) -> Tensor:
    return change(value, of(pair))


def _constants(pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield a factor or an offset that is the same on all inputs."""
    largest = max(pairs, key=lambda pair: magnitude(pair.expected))
    where = largest.expected.flatten().abs().argmax() if largest.expected.numel() else None
    if where is None or not magnitude(largest.expected):
        return
    came, expected = (float(each.flatten()[where]) for each in (largest.came, largest.expected))
    factor, offset = came / expected, came - expected
    informative = sum(magnitude(pair.expected) > 0 for pair in pairs) >= _FEWEST
    if informative and factor and all_equal(pairs, lambda value: factor * value):
        yield f"Your answer is {_number(factor)} times the right one, on every input."
    if all_equal(pairs, lambda value: value + offset):
        word = "larger" if offset > 0 else "smaller"
        yield f"Your answer is {abs(offset):.4g} {word} than the right one, on every input."


def _number(value: float) -> str:
    """Return a number as a learner would write it: 1/2, 3, 0.7071."""
    inverse = 1 / value
    if abs(value) < 1 and abs(inverse - round(inverse)) < 1e-5:
        return f"{'-' if value < 0 else ''}1/{abs(round(inverse))}"
    return f"{value:.4g}"


_MEASURES: tuple[tuple[str, Callable[[Tensor], float]], ...] = (
    ("the length of {}", len),
    ("the length of {} - 1", lambda value: len(value) - 1),
    ("the size of the last axis of {}", lambda value: value.shape[-1]),
    ("the number of values in {}", lambda value: value.numel()),
    ("the norm of {}", lambda value: value.double().norm()),
    ("the sum of {}", lambda value: value.double().sum()),
)


def _quantities(
    exercise: Exercise, pairs: Sequence[Pair]
) -> Iterator[tuple[str, Callable[[Pair], float]]]:
    """Yield numbers of the input that a formula may hold once too often or too seldom."""
    first = pairs[0].arguments
    for index, value in enumerate(first):
        name = argument_name(exercise.reference, index, len(first))
        if isinstance(value, (int, float)) or (isinstance(value, Tensor) and not value.ndim):
            yield name, lambda pair, i=index: float(pair.arguments[i])
            yield f"1 - {name}", lambda pair, i=index: 1 - float(pair.arguments[i])
        elif isinstance(value, Tensor):
            for words, measure in _MEASURES:
                yield (
                    words.format(name),
                    lambda pair, i=index, measure=measure: float(
                        measure(pair.arguments[i].detach())
                    ),
                )


def _of_shapes(pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield what can be said of answers of another shape."""
    for sentence, change in (
        ("The numbers are right, but transposed: rows and columns changed places.", _transposed),
        ("The numbers are right; the last one is missing.", lambda value: value[:-1]),
        ("The numbers are right; the first one is missing.", lambda value: value[1:]),
        ("This is the sum of the right values. They are wanted one by one.", torch.sum),
        ("This is the mean of the right values. They are wanted one by one.", torch.mean),
        ("This is the first of the right values only.", lambda value: value[0]),
    ):
        if all_equal(pairs, change):
            yield sentence
    if all(_fits(pair, slice(None, -1)) for pair in pairs):
        yield "The numbers are right, and one more stands at the end."
    if all(_fits(pair, slice(1, None)) for pair in pairs):
        yield "The numbers are right, and one more stands at the beginning."
    if all_equal(pairs, lambda value, pair: value.reshape(pair.came.shape), with_pair=True):
        yield "The numbers are right and in the right order; only the shape is not."


def _fits(pair: Pair, part: slice) -> bool:
    if pair.came.ndim != pair.expected.ndim or not pair.came.ndim or not pair.came.numel():
        return False
    return replace(pair, came=pair.came[part]).equal(pair.expected)

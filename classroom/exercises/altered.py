"""Answers that are the right ones of an altered input: two arguments exchanged, one squared.

A slip in how an argument enters a formula (its root forgotten, its sign, another argument in its
place) is the right formula on another input. So the reference itself says what such slips give.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations, product

import torch
from torch import Tensor

from classroom.exercises.describe import argument_name
from classroom.exercises.exercise import Exercise
from classroom.exercises.guard import TimeLimit
from classroom.exercises.outcome import clone, value_of
from classroom.exercises.pairs import pair_of
from classroom.exercises.trial import Trial

_FEWEST = 3  # inputs on which the alteration changes the right answer: on fewer it fits by chance
_SECONDS = 0.5  # an altered input may be one on which a reference never ends

_CHANGES: tuple[tuple[str, Callable], ...] = (
    ("minus {}", lambda value: -value),
    ("the square of {}", lambda value: value * value),
    ("the root of {}", lambda value: abs(value) ** 0.5),
    ("1 divided by {}", lambda value: 1 / value),
    ("1 - {}", lambda value: 1 - value),
    ("twice {}", lambda value: 2 * value),
    ("half of {}", lambda value: value / 2),
    ("1", lambda value: value * 0 + 1),
    ("0", lambda value: value * 0),
    ("{} transposed", lambda value: value.transpose(-1, -2)),
    ("{} in reverse order", lambda value: value.flip(0)),
    ("{} without signs", abs),
)
_POWERS = (
    ("{}", 1),
    ("1 over {}", -1),
    ("the root of {}", 0.5),
    ("1 over the root of {}", -0.5),
    ("the square of {}", 2),
    ("1 over the square of {}", -2),
)
_RATIOS = (("{} over {}", 1), ("the root of {} over {}", 0.5))
_OF_COUNTS = (("{} + 1", lambda value: value + 1), ("{} - 1", lambda value: value - 1))


def altered(exercise: Exercise, trials: Sequence[Trial]) -> str | None:
    """Return in a sentence of which altered input the answer is right everywhere, or None.

    An answer whose values are right already differs in something else, such as its type.
    """
    if any(trial.came.error is not None or trial.came.seconds is not None for trial in trials):
        return None  # no value to explain
    # The largest first, where fewest changes fit by chance, and wrong ones before right ones.
    order = sorted(reversed(trials), key=lambda trial: trial.fault is None)
    if _explains(exercise, order, lambda arguments: arguments):
        return None
    decides, refuted = order[0], set()  # factors by their numbers: many quotients are the same
    for sentence, change in _alterations(exercise, trials[0].case.arguments):
        kind = change.number(decides.case.arguments) if isinstance(change, _Times) else change
        if kind in refuted:
            continue
        if not _gives(exercise, decides, change):
            refuted.add(kind)
        elif _explains(exercise, order, change):
            return sentence
    return None


@dataclass(frozen=True)
class _Times:
    """An argument multiplied by a number that is made of sizes."""

    index: int
    factor: Callable[[tuple], float]

    def __call__(self, arguments: tuple) -> tuple:
        i = self.index
        return (*arguments[:i], arguments[i] * self.factor(arguments), *arguments[i + 1 :])

    def number(self, arguments: tuple) -> tuple[int, float] | None:
        """Return which argument is multiplied by what, or None where there is no such size."""
        try:
            return self.index, self.factor(arguments)
        except (IndexError, ZeroDivisionError):
            return None


def _alterations(exercise: Exercise, first: tuple) -> Iterator[tuple[str, Callable]]:
    """Yield what may have happened to the arguments, and the function that does it to them."""
    names = [argument_name(exercise.reference, index, len(first)) for index in range(len(first))]
    fits = [index for index, value in enumerate(first) if isinstance(value, (Tensor, int, float))]
    for i, j in combinations(fits, 2):
        order = {i: j, j: i}
        yield (
            f"This is right for another input: {names[i]} and {names[j]} have changed places.",
            lambda a, order=order: tuple(a[order.get(k, k)] for k in range(len(a))),
        )
    for i in fits:
        counts = isinstance(first[i], int) and not isinstance(first[i], bool)
        for words, change in _OF_COUNTS if counts else _CHANGES:
            yield (
                f"This is right if {words.format(names[i])} stands for {names[i]}.",
                lambda a, i=i, change=change: (*a[:i], change(a[i]), *a[i + 1 :]),
            )
    yield from _with_sizes(names, first)
    for i, j in permutations(fits, 2):
        yield (
            f"This is right if {names[j]} stands for {names[i]}.",
            lambda a, i=i, j=j: (*a[:i], a[j], *a[i + 1 :]),
        )


def _with_sizes(names: Sequence[str], first: tuple) -> Iterator[tuple[str, Callable]]:
    """Yield arguments multiplied or divided by sizes: a root of d forgotten, or one too many."""
    sizes = []
    for index, value in enumerate(first):
        if isinstance(value, Tensor) and value.ndim:
            sizes.append((f"the length of {names[index]}", index, 0))
        if isinstance(value, Tensor) and value.ndim > 1:
            sizes.append((f"the last axis of {names[index]}", index, -1))
    floats = [i for i, value in enumerate(first) if _is_float(value)]
    for i in floats:
        for (words, j, axis), (template, power) in product(sizes, _POWERS):
            yield (
                f"This is right with one factor more at {names[i]}: {template.format(words)}.",
                _Times(i, lambda a, j=j, axis=axis, power=power: a[j].shape[axis] ** power),
            )
        for (words, j, axis), (other, k, other_axis) in permutations(sizes, 2):
            for template, power in _RATIOS:
                yield (
                    f"This is right with one factor more at {names[i]}: "
                    f"{template.format(words, other)}.",
                    _Times(
                        i,
                        lambda a, j=j, axis=axis, k=k, o=other_axis, power=power: (
                            (a[j].shape[axis] / a[k].shape[o]) ** power
                        ),
                    ),
                )


def _is_float(value: object) -> bool:
    if isinstance(value, Tensor):
        return value.is_floating_point()
    return isinstance(value, float)


def _explains(exercise: Exercise, trials: Sequence[Trial], change: Callable) -> bool:
    """Return whether the reference on changed arguments gives what came, on every input."""
    told = 0
    for trial in trials:
        if not _gives(exercise, trial, change):
            return False
        told += trial.fault is not None
    return told >= min(_FEWEST, len(trials))


def _gives(exercise: Exercise, trial: Trial, change: Callable) -> bool:
    """Return whether the reference on changed arguments gives what came on this input."""
    try:
        arguments = tuple(map(_leaf, change(trial.case.arguments), trial.case.arguments))
    except Exception:  # no such axis, a division by zero
        return False
    if not all(map(_is_usable, arguments)):
        return False
    try:
        with warnings.catch_warnings(action="ignore"):  # of an input that nobody gave
            value = value_of(exercise.reference, arguments, _SECONDS)
    except (Exception, TimeLimit):
        return False
    return same_value(trial, value, trial.came.value)


def _is_usable(value: object) -> bool:
    """Return whether a value is finite: of another, libraries complain past every filter."""
    return not _is_float(value) or bool(torch.as_tensor(value).isfinite().all())


def _leaf(value: object, before: object) -> object:
    """Return a copy; a tensor records gradients if the one before did."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return clone(value)
    wanted = isinstance(before, Tensor) and before.requires_grad
    return value.detach().clone().requires_grad_(wanted)


def same_value(trial: Trial, wanted: object, came: object) -> bool:
    """Return whether two values of an input are the same, within its tolerance."""
    if isinstance(wanted, (tuple, list)):
        fits = isinstance(came, (tuple, list)) and len(came) == len(wanted)
        return fits and all(same_value(trial, a, b) for a, b in zip(wanted, came))
    if isinstance(wanted, complex) or (isinstance(wanted, Tensor) and wanted.is_complex()):
        return False  # a root of a negative number
    if isinstance(wanted, str) or isinstance(came, str):
        return wanted == came
    if isinstance(wanted, bool) or isinstance(came, torch.BoolTensor):
        return bool(wanted) == bool(came)
    pair = pair_of(trial, wanted, came)
    return pair is not None and pair.equal(pair.expected)

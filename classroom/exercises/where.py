"""Where an answer is right: what the inputs on which it is right have and the others have not.

A slip often does no harm on some inputs: where a size is 1, where a matrix is square, where two
sizes are equal. What sets them apart from the rest says what was mixed up. All of it is seen, and
nothing guessed: the sentence is true of every input that was tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

from torch import Tensor

from classroom.exercises.describe import argument_name
from classroom.exercises.exercise import Exercise
from classroom.exercises.trial import Trial

_FEWEST = 2  # inputs on either side: with fewer nearly anything sets them apart

Condition = tuple[str, Callable[[tuple], bool]]


def where_right(exercise: Exercise, trials: Sequence[Trial]) -> str | None:
    """Return in a sentence which inputs an answer is right on, or None where nothing tells them."""
    right = [trial.fault is None for trial in trials]
    if min(right.count(True), right.count(False)) < _FEWEST:
        return None
    inputs = [trial.case.arguments for trial in trials]
    for words, holds in _conditions(exercise, inputs[0]):
        found = _on(inputs, holds)
        if found == right:
            return f"It is right where {words}, and on no other input that was tried."
        if found == [not each for each in right]:
            return f"It is wrong where {words}, and on no other input that was tried."
    return None


def _on(inputs: Sequence[tuple], holds: Callable[[tuple], bool]) -> list[bool] | None:
    try:
        return [bool(holds(arguments)) for arguments in inputs]
    except Exception:  # another kind of argument there, no such axis
        return None


def _conditions(exercise: Exercise, first: tuple) -> Iterator[Condition]:
    """Yield what may be said of inputs, the plainest first."""
    names = [argument_name(exercise.reference, index, len(first)) for index in range(len(first))]
    numbers_first = sorted(range(len(first)), key=lambda index: isinstance(first[index], Tensor))
    for index in numbers_first:
        value = first[index]
        of = _of_a_tensor if isinstance(value, Tensor) else _of_a_number
        for words, holds in of(names[index], value):
            yield words, lambda a, i=index, holds=holds: holds(a[i])
    yield from _of_two_numbers(names, first)
    yield from _of_sizes(names, first)


def _of_a_number(name: str, value: object) -> Iterator[Condition]:
    if isinstance(value, bool):
        yield f"{name} is {True}", lambda given: given
    elif isinstance(value, (int, float)):
        for number in (0, 1, 2, 3):
            yield f"{name} is {number}", lambda given, number=number: given == number
        yield f"{name} is negative", lambda given: given < 0
        yield f"{name} is larger than 1", lambda given: given > 1
    elif isinstance(value, (list, tuple)):
        yield f"{name} holds one value only", lambda given: len(given) == 1


def _of_a_tensor(name: str, value: Tensor) -> Iterator[Condition]:
    yield f"{name} holds one number only", lambda given: given.numel() == 1
    yield f"{name} has the length 1", lambda given: len(given) == 1
    yield f"the last axis of {name} has the length 1", lambda given: given.shape[-1] == 1
    yield f"{name} is square", lambda given: given.shape[-1] == given.shape[-2]
    yield f"all of {name} is 0", lambda given: not given.any()


def _of_sizes(names: Sequence[str], first: tuple) -> Iterator[Condition]:
    """Yield equal sizes of two arguments, or of two axes of one."""
    sizes = []
    for index, value in enumerate(first):
        if isinstance(value, Tensor):
            sizes += [(index, axis) for axis in range(value.ndim)]
    for (i, k), (j, m) in combinations(sizes, 2):
        words = f"axis {k} of {names[i]} is as long as axis {m} of {names[j]}"
        yield words, lambda a, i=i, k=k, j=j, m=m: a[i].shape[k] == a[j].shape[m]


def _of_two_numbers(names: Sequence[str], first: tuple) -> Iterator[Condition]:
    """Yield how two numbers stand to each other, and what two truth values are."""
    for i, j in combinations(range(len(first)), 2):
        kinds = first[i], first[j]
        if all(isinstance(each, bool) for each in kinds):
            for one in (True, False):
                for other in (True, False):
                    yield (
                        f"{names[i]} is {one} and {names[j]} is {other}",
                        lambda a, i=i, j=j, pair=(one, other): (a[i], a[j]) == pair,
                    )
        elif all(isinstance(each, (int, float)) for each in kinds):
            one, other = names[i], names[j]
            yield f"{one} and {other} are equal", lambda a, i=i, j=j: a[i] == a[j]
            yield f"{one} is larger than {other}", lambda a, i=i, j=j: a[i] > a[j]

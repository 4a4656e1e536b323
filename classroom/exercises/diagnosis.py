"""Which known misconception an answer behaves like, if any.

A misconception is known by everything that can be seen of it: its values, the errors it raises, the
arguments it changes, its shapes and dtypes, on all inputs.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from classroom.exercises.compare import difference
from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.outcome import Outcome, message_of, run
from classroom.exercises.tolerance import Scale, scale_of
from classroom.exercises.trial import Fault, Trial, fault_of, right

_SECONDS = 5.0
_ALIKE = 0.6  # of two error messages: names and shapes in them may differ
_NUMBERS = re.compile(r"\d+")
_MOST = 0.6  # of the inputs on which something is wrong: as much has to agree


def recognise(exercise: Exercise, trials: Sequence[Trial]) -> Misconception | None:
    """Return the misconception that explains every wrong trial, or None.

    First one that agrees on every input; then one that agrees wherever both it and the answer give
    finite values, if that explains most of the inputs on which one of them is wrong. What
    has `matches` or `together` must hold on every input on which the answer is wrong. Among equals
    the one that agrees on more inputs, then the first.
    """
    if all(trial.fault is None for trial in trials):
        return None
    found, best = None, (0, 0)
    for misconception in exercise.misconceptions:
        rank = _rank(exercise, misconception, trials)
        if rank > best:
            found, best = misconception, rank
    return found


def recognise_though_right(exercise: Exercise, trials: Sequence[Trial]) -> Misconception | None:
    """Return the misconception that all inputs show together, where each by itself is right."""
    those = (each for each in exercise.misconceptions if each.though_right)
    return next((each for each in those if _holds_together(each, trials)), None)


def _rank(
    exercise: Exercise, misconception: Misconception, trials: Sequence[Trial]
) -> tuple[int, int]:
    """Return (2 or 1, inputs that agree), or (0, 0) for no match."""
    if misconception.together is not None:
        return (2, len(trials)) if _holds_together(misconception, trials) else (0, 0)
    agreed = wrong = explained = 0
    at_defined = True
    for trial in trials:
        outcome, fault = _behaviour(exercise, misconception, trial.case)
        agrees = _agrees(exercise, misconception, trial, outcome, fault)
        agreed += agrees
        if _is_defined(outcome) and _is_defined(trial.came):
            at_defined &= agrees
        if fault is not None or trial.fault is not None:
            wrong += 1
            explained += agrees
        if misconception.matches is not None and trial.fault is not None and not agrees:
            return 0, 0
    if not explained:
        return 0, 0
    if agreed == len(trials):
        return 2, agreed
    if misconception.matches is not None:
        return 1, agreed
    return (1, agreed) if at_defined and explained >= _MOST * wrong else (0, 0)


def _holds_together(misconception: Misconception, trials: Sequence[Trial]) -> bool:
    """Return whether a misconception is seen in all inputs and values at once."""
    if any(trial.fault is not None and trial.fault.kind != "value" for trial in trials):
        return False
    pairs = [(trial.case.arguments, trial.came.value) for trial in trials]
    try:
        return bool(misconception.together(pairs))
    except Exception:
        return False


def _is_defined(outcome: Outcome) -> bool:
    """Return whether a call ended in finite values."""
    return outcome.error is None and outcome.seconds is None and _is_finite(outcome.value)


def _behaviour(
    exercise: Exercise, misconception: Misconception, case: Case
) -> tuple[Outcome, Fault | None]:
    """Return what a misconception does with an input, and what is wrong with that."""
    return _behaved(exercise, misconception, case, torch.get_default_dtype())


@cache
def _behaved(
    exercise: Exercise, misconception: Misconception, case: Case, default: torch.dtype
) -> tuple[Outcome, Fault | None]:
    expected, scale = right(exercise, case)
    outcome = run(misconception.answer, case.arguments, _SECONDS, silent=True)
    return outcome, fault_of(exercise, misconception.answer, case, expected, outcome, scale)


@cache
def _own_scale(exercise: Exercise, misconception: Misconception, case: Case) -> Scale:
    value = _behaviour(exercise, misconception, case)[0].value
    return scale_of(misconception.answer, case.arguments, value, exercise.tolerance)


def _agrees(
    exercise: Exercise,
    misconception: Misconception,
    trial: Trial,
    outcome: Outcome,
    fault: Fault | None,
) -> bool:
    """Return whether the answer did with this input what the misconception does."""
    came = trial.came
    if misconception.matches is not None and came.error is None and came.seconds is None:
        if trial.fault is None:
            return fault is None
        if trial.fault.kind != "value" and (fault is None or fault.kind != trial.fault.kind):
            return False  # `matches` looks at values, and here a dtype or a shape is the trouble
        try:
            return bool(misconception.matches(trial.case.arguments, came.value))
        except Exception:
            return False
    if (outcome.seconds is None) != (came.seconds is None):
        return False
    if outcome.error is not None or came.error is not None:
        return _same_error(outcome.error, came.error)
    if outcome.changed != came.changed:
        return False
    if outcome.value is None or came.value is None:
        return outcome.value is came.value
    return _equal(exercise, misconception, trial, outcome)


def _same_error(left: BaseException | None, right: BaseException | None) -> bool:
    """Return whether two errors are of one type and say nearly the same, with the same numbers.

    The type alone would take any slip of the pen that raises TypeError for the misconception, and
    "shapes cannot be multiplied" any product: the shapes in it are what tells them apart.
    """
    if type(left) is not type(right):
        return False
    texts = message_of(left), message_of(right)
    if _NUMBERS.findall(texts[0]) != _NUMBERS.findall(texts[1]):
        return False
    return difflib.SequenceMatcher(None, *texts).ratio() >= _ALIKE or not texts[0]


def _equal(
    exercise: Exercise, misconception: Misconception, trial: Trial, outcome: Outcome
) -> bool:
    """Return whether both values are the same, within the rounding of either."""
    pair = outcome.value, trial.came.value
    try:
        found = difference(*pair, trial.scale, "any")
        if found is not None and found.kind == "value":  # seldom: only then is the cost worth it
            found = difference(*pair, _own_scale(exercise, misconception, trial.case), "any")
    except Exception:  # values so strange that they cannot be compared
        return False
    return found is None


def _is_finite(value: object) -> bool:
    try:
        if isinstance(value, Tensor):
            return bool(value.isfinite().all())
        if isinstance(value, (tuple, list)):
            return all(map(_is_finite, value))
        return value is not None and bool(value == value)
    except Exception:  # a nested tensor, an object of the learner's own
        return False

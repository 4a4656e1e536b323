"""Which known misconception an answer behaves like, if any.

A misconception is known by everything that can be seen of it: its values, the errors it raises, the
arguments it changes, its shapes and dtypes, on all inputs.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import cache

from torch import Tensor

from classroom.exercises.compare import difference
from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.outcome import Outcome, run
from classroom.exercises.tolerance import Scale, scale_of
from classroom.exercises.trial import Fault, Trial, fault_of, right

_SECONDS = 5.0
_ALIKE = 0.6  # of two error messages: names and shapes in them may differ
_MOST = 0.75  # of the inputs on which something is wrong: as much has to agree


def recognise(exercise: Exercise, trials: Sequence[Trial]) -> Misconception | None:
    """Return the misconception that explains the wrong trials, or None.

    First one that agrees on every input; then one that agrees wherever it gives finite values; then
    one that explains three in four of the inputs on which it or the answer is wrong. Among equals
    the one that agrees on more inputs, then the first.
    """
    if all(trial.fault is None for trial in trials):
        return None
    found, best = None, (0.0, 0)
    for misconception in exercise.misconceptions:
        rank = _rank(exercise, misconception, trials)
        if rank > best:
            found, best = misconception, rank
    return found


def _rank(
    exercise: Exercise, misconception: Misconception, trials: Sequence[Trial]
) -> tuple[float, int]:
    """Return (3, 2 or the share explained, inputs that agree), or (0, 0) for no match."""
    agreed = defined = at_defined = wrong = explained = 0
    for trial in trials:
        outcome, fault = _behaviour(exercise, misconception, trial.case)
        agrees = _agrees(exercise, misconception, trial, outcome, fault)
        agreed += agrees
        if outcome.error is None and outcome.seconds is None and _is_finite(outcome.value):
            defined += 1
            at_defined += agrees
        if fault is not None or trial.fault is not None:
            wrong += 1
            explained += agrees
    if not explained:
        return 0.0, 0
    if agreed == len(trials):
        return 3.0, agreed
    if defined and at_defined == defined and explained >= _MOST * wrong:
        return 2.0, agreed
    return (explained / wrong, agreed) if explained >= _MOST * wrong else (0.0, 0)


@cache
def _behaviour(
    exercise: Exercise, misconception: Misconception, case: Case
) -> tuple[Outcome, Fault | None]:
    """Return what a misconception does with an input, and what is wrong with that."""
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
    """Return whether two errors are of one type and say nearly the same.

    The type alone would take any slip of the pen that raises TypeError for the misconception.
    """
    if type(left) is not type(right):
        return False
    return difflib.SequenceMatcher(None, str(left), str(right)).ratio() >= _ALIKE or not str(left)


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
    if isinstance(value, Tensor):
        return bool(value.isfinite().all())
    if isinstance(value, (tuple, list)):
        return all(map(_is_finite, value))
    return value is not None and value == value

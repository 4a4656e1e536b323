"""Runs an answer on every case of an exercise and says what was seen."""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from classroom.exercises.compare import kind_of
from classroom.exercises.describe import (
    arguments_text,
    largest_difference,
    pair_texts,
    value_text,
)
from classroom.exercises.diagnosis import recognise, recognise_though_right
from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.pristine import as_imported
from classroom.exercises.relation import relation, side
from classroom.exercises.report import Report
from classroom.exercises.trial import Fault, Trial, attempt, misfit
from classroom.exercises.where import where_right

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OPEN = "Nothing is filled in yet. Write your answer in the cell above, run it, then run this cell."


@dataclass(frozen=True)
class Limits:
    """Seconds that an answer may take: on one input, and on all of them."""

    case: float = 8.0
    total: float = 30.0


def judge(exercise: Exercise, answer: Callable, *, limits: Limits | None = None) -> Report:
    """Return the report on an answer: passed, failed with a diagnosis, or not attempted.

    No answer makes this raise. Errors of the exercise itself (an empty draw) go through.
    """
    if answer is ...:
        return _report(exercise, "not attempted", _OPEN)
    with as_imported():
        return _judged(exercise, answer, limits or Limits())


def _judged(exercise: Exercise, answer: Callable, limits: Limits) -> Report:
    draws = [_in_the_notebooks_dtype(cases) for cases in exercise.draws()]
    if problem := _unusable(exercise, answer, draws[0][0].arguments):
        return _report(exercise, "failed", problem)
    ranked = _trials(exercise, answer, draws, limits)
    trials = [trial for _, trial in sorted(ranked, key=lambda pair: pair[0])]
    if _is_stub(ranked[0][1]):
        return _report(exercise, "not attempted", _OPEN)
    if all(trial.fault is None for trial in trials):
        if (found := recognise_though_right(exercise, trials)) is not None:
            return _report(exercise, "failed", found.hint, misconception=found.name)
        told = f"Right on all {len(trials)} inputs." if _has_input(trials) else "Right."
        return _report(exercise, "passed", told)
    try:
        return _failure(exercise, trials, recognise(exercise, trials))
    except Exception:  # a value so strange that it cannot even be described
        strange = "It returned a value that cannot be compared with the right one."
        return _report(exercise, "failed", strange)


def _in_the_notebooks_dtype(cases: list[Case]) -> list[Case]:
    """Leave float32 inputs out where a notebook has set float64 as default.

    There torch.zeros(n) and torch.tensor(0.1) are float64, and right answers are written with them.
    """
    if torch.get_default_dtype() != torch.float64:
        return cases
    single = torch.float32
    kept = [c for c in cases if all(getattr(a, "dtype", None) != single for a in c.arguments)]
    return kept or cases


def _trials(
    exercise: Exercise, answer: Callable, draws: list, limits: Limits
) -> list[tuple[tuple[int, int], Trial]]:
    """Run every case; stop at the end of time. Each trial comes with its rank by size."""
    _load_what_torch_loads_late()
    ranked, spent = [], 0.0
    for draw, cases in enumerate(draws):
        for position, case in enumerate(cases):
            seconds = max(1e-3, min(limits.case, limits.total - spent))
            trial = attempt(exercise, answer, case, seconds, loud=not ranked)
            spent += trial.came.took
            ended = spent > limits.total  # an answer may have switched the alarm off
            if ended or (trial.came.seconds is not None and seconds < limits.case):
                trial = replace(trial, fault=_too_slow(limits.total))
            ranked.append(((position, draw), trial))
            first = len(ranked) == 1
            if ended or trial.came.seconds is not None or (first and _is_stub(trial)):
                return ranked
    return ranked


def _load_what_torch_loads_late() -> None:
    """Import what autograd and the optimisers import at their first use.

    It takes seconds, which are not the answer's, and an import that the time limit interrupts
    leaves half a module behind for the rest of the session.
    """
    for name in ("torch.fx.experimental.symbolic_shapes", "torch._dynamo"):
        with suppress(ImportError):  # private: another release may have moved them
            import_module(name)


def _too_slow(seconds: float) -> Fault:
    sentence = f"All inputs together took more than {seconds:.2g} seconds. Can it be made faster?"
    return Fault("time", sentence, shows_values=False)


def _unusable(exercise: Exercise, answer: object, arguments: tuple) -> str | None:
    """Return why something that was handed in is no answer at all, or None."""
    call = f'check("{exercise.name}", {exercise.name})'
    if isinstance(answer, type) and not isinstance(exercise.reference, type):
        return f"You gave the class {answer.__name__}; give a function: {call}"
    if not callable(answer):
        return (
            f"You gave {kind_of(answer)}, not a function. Give the function itself, without "
            f"brackets behind its name: {call}"
        )
    return misfit(answer, arguments)


def _is_stub(trial: Trial) -> bool:
    """Return whether an answer says that it is not written yet."""
    error = trial.came.error
    if type(error) is NotImplementedError:
        # PyTorch raises this error too; there, the line is a call.
        frame, line = list(traceback.walk_tb(error.__traceback__))[-1]
        text = linecache.getline(frame.f_code.co_filename, line)
        return not text.strip() or "NotImplementedError" in text
    return False


def _failure(
    exercise: Exercise, trials: list[Trial], misconception: Misconception | None
) -> Report:
    wrong = [trial for trial in trials if trial.fault is not None]
    smallest = wrong[0]
    sentences = [] if misconception is None else [misconception.hint]
    if misconception is None or smallest.fault.kind != "value":
        sentences.append(smallest.fault.sentence)
    if misconception is None and (found := _seen(exercise, trials)):
        sentences.append(found)
    if smallest.fault.kind != "time" and _has_input(trials):
        sentences.append(_share(trials, wrong))
    return _report(
        exercise,
        "failed",
        "\n".join(sentence for sentence in sentences if sentence),
        misconception=None if misconception is None else misconception.name,
        evidence=_evidence(exercise, smallest),
        figure=_drawing(exercise, smallest),
    )


def _seen(exercise: Exercise, trials: list[Trial]) -> str | None:
    """Return how an answer is related to the right one, else on which kind of input it is right."""
    if found := relation(exercise, trials):
        return found
    vague = where_right(exercise, trials), side(exercise, trials)
    return " ".join(sentence for sentence in vague if sentence)


def _has_input(trials: list[Trial]) -> bool:
    """Return whether the exercise asks about inputs at all, and not for one number."""
    return any(trial.case.arguments for trial in trials)


def _share(trials: list[Trial], wrong: list[Trial]) -> str:
    """Return on how many inputs the answer is right, and what the wrong ones have in common."""
    if len(wrong) == len(trials):
        return f"It is not right yet on any of the {len(trials)} inputs."
    text = f"It is right on {len(trials) - len(wrong)} of {len(trials)} inputs"
    right = [trial for trial in trials if trial.fault is None]
    bad, good = _dtypes(wrong), _dtypes(right)
    if len(bad) == 1 and bad.isdisjoint(good):
        text += f"; all that fail are {bad.pop().removeprefix('torch.')}"
    return f"{text}. The smallest that fails:"


def _dtypes(trials: list[Trial]) -> set[str]:
    return {
        str(argument.dtype)
        for trial in trials
        for argument in trial.case.arguments
        if isinstance(argument, Tensor)
    }


def _evidence(exercise: Exercise, trial: Trial) -> tuple[tuple[str, str], ...]:
    """Return titled lines: the input, what came, what was expected."""
    rows = [("Input", trial.case.label)]
    if trial.case.arguments:
        rows.append(("Arguments", arguments_text(exercise.reference, trial.case.arguments)))
    if not trial.fault.shows_values:
        return tuple(rows)
    came, expected = trial.came.value, trial.expected.value
    if trial.expected.error is not None:
        return (*rows, ("Your answer", value_text(came)))
    # Where many answers are right, none is "the" expected one; and where there is no input, the
    # expected value is the whole answer.
    if exercise.compare is not None or not trial.case.arguments:
        return (*rows, ("Your answer", value_text(came)))
    texts = pair_texts(came, expected)
    rows += [("Your answer", texts[0]), ("Expected", texts[1])]
    if apart := largest_difference(expected, came):
        rows.append(("Difference", apart))
    return tuple(rows)


def _drawing(exercise: Exercise, trial: Trial) -> Figure | None:
    """Return the exercise's drawing of a failing input, None where there is none."""
    if exercise.draw is None or not trial.fault.shows_values:
        return None
    try:
        return exercise.draw(trial.case.arguments, trial.expected.value, trial.came.value)
    except Exception:  # an answer of a strange shape cannot be drawn; the words remain
        return None


def _report(exercise: Exercise, state: str, message: str, **more: object) -> Report:
    return Report(exercise.name, exercise.title, state, message, **more)

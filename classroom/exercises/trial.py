"""One answer on one input: what is wrong with it there, in a sentence."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from classroom.exercises.compare import difference, kind_of
from classroom.exercises.describe import argument_name
from classroom.exercises.exercise import Case, Exercise
from classroom.exercises.outcome import Outcome, message_of, place, run
from classroom.exercises.own import answering
from classroom.exercises.pristine import put_back
from classroom.exercises.tolerance import Scale, scale_of

_LONGEST = 500  # characters of an error's message


@dataclass(frozen=True)
class Fault:
    """What is wrong: `kind` in a word, the sentence, and whether values are worth showing."""

    kind: str
    sentence: str
    shows_values: bool = True


@dataclass(frozen=True)
class Trial:
    """A case, what the reference and the answer did with it, and the fault (None: it is right)."""

    case: Case
    expected: Outcome
    came: Outcome
    scale: Scale
    fault: Fault | None


def attempt(exercise: Exercise, answer: Callable, case: Case, seconds: float, loud: bool) -> Trial:
    """Run reference and answer on a case and judge the answer there.

    `seconds` limits the answer; `loud` lets what it prints through.
    """
    expected, scale = right(exercise, case)
    with answering():
        came = run(answer, case.arguments, seconds, silent=not loud)
    put_back()  # what the answer may have changed of torch
    return Trial(
        case, expected, came, scale, fault_of(exercise, answer, case, expected, came, scale)
    )


def right(exercise: Exercise, case: Case) -> tuple[Outcome, Scale]:
    """Return what the reference does with a case, and the tolerance for it.

    An expected error is one too: then the answer has to raise that kind of error.
    """
    return _right(exercise, case, torch.get_default_dtype())


@cache
def _right(exercise: Exercise, case: Case, default: torch.dtype) -> tuple[Outcome, Scale]:
    expected = run(exercise.reference, case.arguments, 60.0, silent=True)
    if expected.seconds is not None:
        raise RuntimeError(f"{exercise.name}: the reference takes too long on {case.label!r}")
    scale = scale_of(exercise.reference, case.arguments, expected.value, exercise.tolerance)
    return expected, replace(scale, noise=scale.noise + case.rounding)


def fault_of(
    exercise: Exercise,
    answer: Callable,
    case: Case,
    expected: Outcome,
    came: Outcome,
    scale: Scale,
) -> Fault | None:
    """Return what is wrong with an outcome, the gravest first, or None."""
    if came.seconds is not None:
        return Fault(
            "time",
            f"It did not return within {came.seconds:.2g} seconds. Is there a loop without end?",
            shows_values=False,
        )
    if came.error is not None or expected.error is not None:
        return _error_fault(answer, expected, came)
    if came.changed and came.changed != expected.changed:
        return Fault("changed", _changed_sentence(exercise, case, came.changed))
    if came.value is None and expected.value is not None:
        return Fault(
            "none",
            "It returned None. Did you forget the return, or is the body still empty?",
            shows_values=False,
        )
    return _value_fault(exercise, case, expected.value, came.value, scale)


def _error_fault(answer: Callable, expected: Outcome, came: Outcome) -> Fault | None:
    if expected.error is not None:
        if isinstance(came.error, type(expected.error)):
            return None
        wanted = type(expected.error).__name__
        if came.error is None:
            return Fault("error", f"It returned a value; wanted a {wanted} for this input.")
    message = message_of(came.error)[:_LONGEST]
    sentence = f"It raised {type(came.error).__name__}{': ' if message else ''}{message}"
    if found := place(came.error, answer):
        sentence += f"\nThat was line {found[0]} of the cell: {found[1]}"
    if expected.error is not None:
        sentence += f"\nFor this input a {type(expected.error).__name__} is right."
    return Fault("error", sentence, shows_values=False)


def _changed_sentence(exercise: Exercise, case: Case, changed: tuple[int, ...]) -> str:
    count = len(case.arguments)
    names = [argument_name(exercise.reference, index, count) for index in changed]
    return (
        f"It changes its input in place: {' and '.join(names)} came out different. Work on a copy "
        "(.clone()), or use operations that return a new tensor."
    )


def _value_fault(
    exercise: Exercise, case: Case, expected: object, came: object, scale: Scale
) -> Fault | None:
    """Compare values: by the exercise's own comparison, or by equality; then by its laws."""
    if exercise.compare is None:
        try:
            found = difference(expected, came, scale, exercise.returns)
        except Exception:  # a tensor without values (meta, sparse), an object of the learner's own
            return Fault("type", _does_not_fit(exercise, came))
        fault = None if found is None else Fault(found.kind, found.sentence)
    else:
        fault = _own_fault(exercise, case, expected, came)
    if fault is not None and fault.kind != "value":
        return fault
    broken = [] if fault is None else [fault.sentence]
    for law in exercise.properties:
        said = _judged(lambda law=law: law.holds(case.arguments, came), exercise, came)
        broken += [said] if said else []
    return Fault("value", " ".join(broken)) if broken else None


def _own_fault(exercise: Exercise, case: Case, expected: object, came: object) -> Fault | None:
    """Ask the exercise's own comparison, after the kind of value is right."""
    wanted = {"tensor": Tensor, "text": str, "tensors": (tuple, list)}.get(exercise.returns)
    if wanted is not None and not isinstance(came, wanted):
        return Fault("type", f"It returned {kind_of(came)}; wanted {_wanted(exercise.returns)}.")
    said = _judged(lambda: exercise.compare(expected, came, case.arguments), exercise, came)
    return Fault("value", said) if said else None


def _judged(question: Callable[[], str | None], exercise: Exercise, came: object) -> str | None:
    """Ask a question about a value; a value so strange that the question fails is wrong too."""
    try:
        return question()
    except Exception:
        return _does_not_fit(exercise, came)


def _does_not_fit(exercise: Exercise, came: object) -> str:
    return f"It returned {kind_of(came)}; wanted {_wanted(exercise.returns)} that fits."


def _wanted(returns: str) -> str:
    return {
        "tensor": "a torch tensor",
        "number": "a number",
        "text": "a text",
        "tensors": "a tuple of torch tensors",
    }.get(returns, "a value")


def misfit(answer: Callable, arguments: tuple) -> str | None:
    """Return why an answer cannot be called with these arguments, or None."""
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*arguments)
    except TypeError:
        count = len(arguments)
        return (
            f"The check calls it with {count} argument{'s' * (count != 1)}, and it is defined as "
            f"{getattr(answer, '__name__', 'answer')}{signature}. Keep the arguments of the stub."
        )
    return None

"""What is the learner's own and what the course's: functions of the course earn no points.

Only where nbgrader grades (NBGRADER_EXECUTION set); in a notebook everyone may look. An answer that
builds the reference from the course's private parts is not seen.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from classroom.exercises.outcome import underlying

_PACKAGES = [str(Path(__file__).parents[2] / name) for name in ("classroom", "course", "lessons")]
_answers = 0  # that are running now


def is_graded() -> bool:
    """Return whether nbgrader runs this notebook."""
    return bool(os.environ.get("NBGRADER_EXECUTION"))


def is_the_courses(answer: Callable) -> bool:
    """Return whether a function is defined in the course and not by the learner."""
    code = getattr(underlying(answer), "__code__", None)
    return code is not None and code.co_filename.startswith(tuple(_PACKAGES))


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Mark that an answer is running."""
    global _answers
    _answers += 1
    try:
        yield
    finally:
        _answers -= 1


def not_as_an_answer(function: Callable) -> Callable:
    """Return a function that refuses to be called by an answer that is graded."""

    @functools.wraps(function)
    def guarded(*arguments: object, **named: object) -> object:
        if _answers and is_graded():
            raise RuntimeError("this is the course's own answer; hand in one that you wrote")
        return function(*arguments, **named)

    return guarded

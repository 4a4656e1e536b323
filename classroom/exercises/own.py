"""What is the learner's own and what the course's: functions of the course earn no points.

Only where nbgrader grades (NBGRADER_EXECUTION set); in a notebook everyone may look. An answer that
builds the reference from the course's private parts is not seen.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path

from classroom.exercises.outcome import underlying
from classroom.exercises.report import Report

_PACKAGES = [str(Path(__file__).parents[2] / name) for name in ("classroom", "course", "lessons")]
_answers = 0  # that are running now


def is_graded() -> bool:
    """Return whether nbgrader runs this notebook."""
    return bool(os.environ.get("NBGRADER_EXECUTION"))


def is_the_courses(answer: Callable) -> bool:
    """Return whether a function is defined in the course and not by the learner."""
    code = getattr(underlying(answer), "__code__", None)
    return code is not None and code.co_filename.startswith(tuple(_PACKAGES))


class NotPassed(AssertionError):
    """A check that earns no points; in a notebook its traceback is one line."""

    def _render_traceback_(self) -> list[str]:
        return [f"No points: {str(self).splitlines()[0]}"]


class Graded(Report):
    """A report that is shown and is no result of its cell, which nbgrader would take for points."""

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display({"text/plain": self.text, "text/html": self._repr_html_()}, raw=True)


def graded(report: Report, answer: object) -> Report:
    """Return a report that passes for nbgrader; show another one and raise AssertionError."""
    if report.passed and callable(answer) and is_the_courses(answer):
        told = "This is a function of the course, not your own."
        report = replace(report, state="failed", message=told)
    report = Graded(**{field.name: getattr(report, field.name) for field in fields(report)})
    if report.passed:
        return report
    if _in_a_notebook():
        report._ipython_display_()
    raise NotPassed(report.text)


def _in_a_notebook() -> bool:
    return "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None


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

"""Exercises that diagnose: `check(name, answer)` says what a wrong answer shows.

The exercises on a part of the paper stand with its lesson (`lessons/<name>/exercises`). They are
found, and imported, when the first of them is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from classroom.exercises.exercise import Case, Exercise, Misconception, Property, by_properties
from classroom.exercises.judge import Limits, judge
from classroom.exercises.own import is_graded, is_the_courses
from classroom.exercises.progress import Progress, progress_of, record, reset_progress
from classroom.exercises.registry import get, misconceptions, names, reference, registry
from classroom.exercises.report import Report

__all__ = [
    "Case",
    "Exercise",
    "Limits",
    "Misconception",
    "Progress",
    "Property",
    "Report",
    "by_properties",
    "check",
    "get",
    "judge",
    "misconceptions",
    "names",
    "progress",
    "reference",
    "reset_progress",
]


def check(name: str, answer: Callable) -> Report:
    """Try an answer on the inputs of an exercise; return a report that shows itself.

    The result is kept for `progress()`. Under nbgrader (NBGRADER_EXECUTION set) nothing is kept,
    and an answer that does not pass, or that is a function of the course itself, raises
    AssertionError with the report. Raises ValueError for an unknown name.
    """
    report = judge(get(name), answer)
    if is_graded():
        if report.passed and is_the_courses(answer):
            raise AssertionError(f"{report.title}: this is a function of the course, not your own.")
        if not report.passed:
            raise AssertionError(report.text)
        return report
    return replace(report, note=record(name, report.state))


def progress() -> Progress:
    """Return what is done, lesson by lesson; it shows itself."""
    return progress_of(registry().values())

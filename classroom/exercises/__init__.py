"""Exercises that diagnose: `check(name, answer)` says what a wrong answer shows.

The exercises on a part of the paper stand with its lesson (`lessons/<name>/exercises`). They are
found, and imported, when the first of them is asked for.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace

from classroom.exercises.cell import NOWHERE, follow_cells, missing
from classroom.exercises.exercise import Case, Exercise, Misconception, Property, by_properties
from classroom.exercises.judge import Limits, judge
from classroom.exercises.own import graded, is_graded
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


def check(name: str, answer: object = NOWHERE) -> Report:
    """Try an answer on the inputs of an exercise; return a report that shows itself.

    Without `answer` it is what the notebook holds under that name, and where it holds nothing, or
    the cell that defines it has failed, the report says so. The result is kept for `progress()`.
    Under nbgrader (NBGRADER_EXECUTION set) nothing is kept; an answer that does not pass, or that
    is a function of the course itself, raises AssertionError with the report. Raises ValueError for
    an unknown name.
    """
    exercise, held = get(name), sys._getframe(1).f_globals
    if answer is NOWHERE and (told := missing(name, held)):
        report = Report(name, exercise.title, *told)
    else:
        report = judge(exercise, held[name] if answer is NOWHERE else answer)
    if is_graded():
        return graded(report, answer if answer is not NOWHERE else held.get(name))
    return replace(report, note=record(name, report.state))


def progress() -> Progress:
    """Return what is done, lesson by lesson; it shows itself.

    The lesson whose functions the notebook holds is shown exercise by exercise.
    """
    held, exercises = sys._getframe(1).f_globals, registry().values()
    here = Counter(each.lesson for each in exercises if each.name in held).most_common(1)
    return progress_of(exercises, here[0][0] if here else "")


follow_cells()

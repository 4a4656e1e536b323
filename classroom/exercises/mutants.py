"""One slip in the solution: an operator, a call, a number or a name changed, and the words for it.

The solution that the lesson prints is taken as a tree, and changed in one place at a time. Where a
changed solution and an answer agree on every input, the change is what differs, and it is said in
words that do not print the solution ("a root is missing").
"""

from __future__ import annotations

import ast
import copy
import re
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.resources import files

from classroom.exercises.altered import same_value
from classroom.exercises.exercise import Exercise
from classroom.exercises.outcome import run
from classroom.exercises.rewrites import changes
from classroom.exercises.trial import Trial

_SECONDS, _TOTAL = 0.2, 20.0  # for one changed solution on one input, and for all of them
_CELL = re.compile(r"```\{code-cell\} ipython3\n(?::[^\n]*\n)*\n?(.*?)```", re.DOTALL)


def slip(exercise: Exercise, trials: Sequence[Trial]) -> str | None:
    """Return in a sentence the one change of the solution that gives this answer, or None."""
    if any(trial.came.error is not None or trial.came.seconds is not None for trial in trials):
        return None
    if not any(trial.case.arguments for trial in trials):
        return None
    if all(same_value(trial, trial.expected.value, trial.came.value) for trial in trials):
        return None  # right in value; the fault is of another kind
    order = sorted(trials, key=lambda trial: trial.fault is None)  # wrong ones first: they decide
    end = time.monotonic() + _TOTAL
    for words, changed in _changed_solutions(exercise):
        if time.monotonic() > end:
            return None
        if all(_agrees(changed, trial) for trial in order):
            return f"The right formula gives your values if one thing is changed: {words}."
    return None


def _agrees(changed: Callable, trial: Trial) -> bool:
    with warnings.catch_warnings(action="ignore"):
        outcome = run(changed, trial.case.arguments, _SECONDS, silent=True)
    if outcome.error is not None or outcome.seconds is not None:
        return False
    return same_value(trial, outcome.value, trial.came.value)


@cache
def _changed_solutions(exercise: Exercise) -> tuple[tuple[str, Callable], ...]:
    """Return every solution with one change, with the words for it; none without a lesson."""
    found = _solution(exercise)
    if found is None:
        return ()
    function, names = found
    made = []
    for words, changed in changes(function):
        if (built := _built(changed, names)) is not None:
            made.append((words, built))
    return tuple(made)


def _solution(exercise: Exercise) -> tuple[ast.FunctionDef, dict] | None:
    """Return the function that the lesson prints as solution, and the names that it needs."""
    path = files("lessons") / exercise.lesson / "lesson.md"
    if not path.is_file():
        return None
    trees = list(_cells(path.read_text(encoding="utf-8")))
    defined = [node for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)]
    function = next((node for node in defined if node.name == exercise.name), None)
    if function is None:
        return None
    used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    try:
        return function, _imported(trees, used)
    except Exception:  # a lesson that imports what is not installed
        return None


def _cells(text: str) -> Iterator[ast.Module]:
    for code in _CELL.findall(text):
        try:
            yield ast.parse(code)
        except SyntaxError:  # a magic command
            continue


def _imported(trees: Sequence[ast.Module], used: set[str]) -> dict:
    """Return the modules and functions of a lesson's imports that have these names."""
    names: dict = {}
    for node in (node for tree in trees for node in tree.body):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            kept = [each for each in node.names if (each.asname or each.name) in used]
            if kept:
                part = copy.copy(node)
                part.names = kept
                _execute([part], names)
    return names


def _built(function: ast.FunctionDef, names: dict) -> Callable | None:
    space = dict(names)
    try:
        _execute([function], space)
    except Exception:  # a change that is no Python
        return None
    return space[function.name]


def _execute(nodes: list[ast.stmt], space: dict) -> None:
    module = ast.fix_missing_locations(ast.Module(nodes, type_ignores=[]))
    exec(compile(module, "<solution>", "exec"), space)

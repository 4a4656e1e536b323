"""Typical wrong answers to an exercise, as code, with the report that the real check gives them."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType

from classroom.exercises import Exercise, judge

MOST = 3
_LONGEST = 32  # lines of code with its helpers; a longer one is no quick look
REFERENCE = "right_answer"
"""What the right answer is called where a wrong one is made of it."""


@dataclass(frozen=True)
class WrongAnswer:
    """What somebody thought, the code that comes of it ("" for none), the check's card as HTML."""

    title: str
    code: str
    card: str


def wrong_answers(exercise: Exercise) -> list[WrongAnswer]:
    """Return up to three wrong answers, the most typical (first listed) first.

    Those whose code can be shown come before the others. Only what the check recognises counts;
    the reports come from `judge`, as for a learner.
    """
    codes = [(m, code_of(m.answer, exercise.name, exercise.reference) or "")
             for m in exercise.misconceptions]  # fmt: skip
    found: list[WrongAnswer] = []
    for misconception, code in sorted(codes, key=lambda pair: not pair[1]):
        if len(found) == MOST:
            break
        report = judge(exercise, misconception.answer)
        if report.misconception == misconception.name:
            title = misconception.name.replace("_", " ")
            found.append(WrongAnswer(title, code, report._repr_html_()))
    return found


def code_of(answer: Callable, name: str, reference: Callable) -> str | None:
    """Return the code of a function under another name, with the helpers that it calls.

    The right answer, if it is one of them, is only named. None where there is no code to show, as
    for functions that carry values of another one, or where it would be long.
    """
    if not inspect.isfunction(answer) or answer.__closure__:
        return None
    parts, seen = [], {reference: REFERENCE}
    if answer is reference or not _collect(answer, name, seen, parts):
        return None
    code = "\n\n\n".join(parts)
    if re.search(rf"\b{REFERENCE}\b", code):
        code = f"# {REFERENCE} is the solution below.\n{code}"
    return code if code.count("\n") < _LONGEST else None


def _collect(function: Callable, name: str, seen: dict[Callable, str], parts: list[str]) -> bool:
    """Add the code of a function behind that of its helpers; tell whether all could be found."""
    code = _definition(function, name)
    if code is None:
        return False
    seen[function] = name
    for word, value in _needed(function, code):
        if inspect.isfunction(value):
            plain = word.lstrip("_")
            other = seen.get(value) or (word if re.search(rf"\b{plain}\b", code) else plain)
            if value not in seen and (value.__closure__ or not _collect(value, other, seen, parts)):
                return False
            code = re.sub(rf"(?<![\w.]){word}\b", other, code)
        elif isinstance(value, (int, float, str)):
            parts.append(f"{word} = {value!r}")
        else:
            return False
    parts.append(code)
    return True


def _needed(function: Callable, code: str) -> Iterator[tuple[str, object]]:
    """Yield the names in a function's code that its lesson defines, with their values."""
    words = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    for word in sorted(words & function.__globals__.keys()):
        value = function.__globals__[word]
        home = getattr(value, "__module__", None) or ""
        if inspect.ismodule(value) or inspect.isclass(value):
            continue
        if home.startswith("lessons.") or (not home and value is not function):
            yield word, value


def _definition(function: Callable, name: str) -> str | None:
    """Return the code of a function, or of a lambda written as one, under a name."""
    if function.__name__ == "<lambda>":
        node = _lambda(function)
        if node is None:
            return None
        arguments = ast.unparse(node.args)
        return f"def {name}({arguments}):\n    return {ast.unparse(node.body)}"
    try:
        code = textwrap.dedent(inspect.getsource(function)).rstrip()
    except (OSError, TypeError):
        return None
    return re.sub(rf"\b{function.__name__}\b", name, code)


def _lambda(function: Callable) -> ast.Lambda | None:
    """Return the expression of a lambda: the one in its module, on its line, with its code."""
    try:
        tree = ast.parse(inspect.getsource(inspect.getmodule(function)))
    except (OSError, TypeError):
        return None
    wanted = function.__code__
    # Python calls what it saw imported, as math.sqrt, by other instructions than a method.
    imports = [each for each in tree.body if isinstance(each, (ast.Import, ast.ImportFrom))]
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda) and node.lineno == wanted.co_firstlineno:
            alone = ast.Module([*imports, ast.copy_location(ast.Expr(node), node)], [])
            made = compile(alone, "lambda", "exec").co_consts
            if any(isinstance(c, CodeType) and _essence(c) == _essence(wanted) for c in made):
                return node
    return None


def _essence(code: CodeType) -> tuple:
    """Return what tells two functions on one line apart, whatever file they are compiled in."""
    constants = [each for each in code.co_consts if not isinstance(each, CodeType)]
    return code.co_code, code.co_names, code.co_varnames, constants

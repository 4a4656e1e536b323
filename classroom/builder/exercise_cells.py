"""The exercises of a lesson: a text with two folded hints, a cell to fill in, and its check."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from classroom.builder.markdown import hints
from classroom.builder.source import Cell, Fault, Lesson

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
"""nbgrader's marks; its `ClearSolutions` replaces what stands between them."""

HEADING = "Exercise: "


@dataclass(frozen=True)
class ExerciseCell:
    """An exercise of a lesson: where its text, its cell and its check stand, and its name.

    `text`, `check` and `name` are None where the author forgot them.
    """

    text: int | None
    cell: int
    check: int | None
    name: str | None


def exercises(lesson: Lesson) -> list[ExerciseCell]:
    """Return the exercises of a lesson, in order."""
    titled = {number for number, heading in lesson.headings() if heading.text.startswith(HEADING)}
    found = []
    for number, cell in enumerate(lesson.cells):
        if cell.kind == "code" and cell.has_tag("exercise"):
            after = lesson.cells[number + 1 : number + 2]
            check = number + 1 if after and after[0].has_tag("check") else None
            name = _checked(after[0].source)[0] if check else None
            text = number - 1 if number - 1 in titled else None
            found.append(ExerciseCell(text, number, check, name))
    return found


def exercise_faults(lesson: Lesson, known: Iterable[str]) -> Iterator[Fault]:
    """Yield what is wrong with exercises, checks and solution marks; `known` are the names."""
    found, known = exercises(lesson), set(known)
    for exercise in found:
        yield from _text_faults(lesson, exercise)
        yield from _number_faults(lesson.cells[exercise.cell])
        if exercise.check is None:
            yield Fault(
                lesson.cells[exercise.cell].line,
                "an exercise without a check: the next cell must be code with ':tags: [check]'",
            )
        else:
            yield from _check_faults(lesson, exercise, known)
    yield from _stray_faults(lesson, found)
    for number, cell in enumerate(lesson.cells):
        yield from _mark_faults(cell, any(number == exercise.cell for exercise in found))
    names = [exercise.name for exercise in found]
    for number, exercise in enumerate(found):
        if exercise.name and exercise.name in names[:number]:
            line = lesson.cells[exercise.check].line
            yield Fault(line, f"a second exercise with the name {exercise.name}")


def _text_faults(lesson: Lesson, exercise: ExerciseCell) -> Iterator[Fault]:
    cell = lesson.cells[exercise.cell]
    if exercise.text is None:
        yield Fault(
            cell.line,
            f"an exercise without its text: a Markdown cell with a heading '### {HEADING}...' "
            "must stand directly before it",
        )
        return
    text = lesson.cells[exercise.text]
    title = [h for n, h in lesson.headings() if n == exercise.text and h.text.startswith(HEADING)]
    if len(title) > 1 or title[0].level != 3:
        yield Fault(title[-1].line, f"an exercise begins with one heading '### {HEADING}...'")
    folded = hints(text.source)
    named = [hint.summary for hint in folded] == ["Hint 1", "Hint 2"]
    if not named or any(hint.is_open or not hint.text for hint in folded):
        yield Fault(
            title[0].line,
            "an exercise needs two folded hints: <details><summary>Hint 1</summary> ... </details> "
            f"and the same with Hint 2, each with words in it; found {len(folded)}",
        )
    elif len(re.findall(r"</?details", text.source)) != 4:
        yield Fault(title[0].line, "a <details> that is not closed, or closed twice")


def _number_faults(cell: Cell) -> Iterator[Fault]:
    minutes, difficulty = cell.metadata.get("minutes"), cell.metadata.get("difficulty")
    if type(minutes) is not int or minutes < 1:
        yield Fault(cell.line, f"an exercise needs a line ':minutes: 8'; found {minutes!r}")
    if type(difficulty) is not int or difficulty not in (1, 2, 3):
        wanted = "':difficulty: 1', 2 or 3"
        yield Fault(cell.line, f"an exercise needs a line {wanted}; found {difficulty!r}")


def _check_faults(lesson: Lesson, exercise: ExerciseCell, known: set[str]) -> Iterator[Fault]:
    line = lesson.cells[exercise.check].line
    name, answer = _checked(lesson.cells[exercise.check].source)
    if name is None:
        yield Fault(line, 'a check cell must hold one call and nothing else: check("name", name)')
        return
    if name not in known:
        listed = ", ".join(sorted(known)) or "none"
        yield Fault(line, f"classroom.exercises does not know {name!r}; it knows: {listed}")
    defined = _defined(lesson.cells[exercise.cell].source)
    if answer != name or (defined is not None and name not in defined):
        above = " and ".join(defined or []) or "no function"
        yield Fault(
            line,
            f'the check says check("{name}", {answer}), and the cell above defines {above}: '
            "exercise, function and argument must have one name",
        )


def _stray_faults(lesson: Lesson, found: list[ExerciseCell]) -> Iterator[Fault]:
    """Yield parts of exercises that belong to none."""
    checks = {exercise.check for exercise in found}
    texts = {exercise.text for exercise in found}
    for number, cell in enumerate(lesson.cells):
        if cell.kind == "code" and number not in checks:
            if cell.has_tag("check"):
                yield Fault(cell.line, "a check without an exercise directly before it")
            elif _checked(cell.source)[0] is not None:
                yield Fault(cell.line, "a check cell without its line ':tags: [check]'")
    for number, heading in lesson.headings():
        if heading.text.startswith(HEADING) and number not in texts:
            yield Fault(
                heading.line,
                "the next cell must be a code cell with ':tags: [exercise]'; it is not",
            )


def _mark_faults(cell: Cell, is_exercise: bool) -> Iterator[Fault]:
    """Yield solution marks that are misspelt, misplaced, nested or left open."""
    opened, regions = None, 0
    for line, text in enumerate(cell.source.splitlines(), cell.line):
        mark = text.strip()
        if mark not in (BEGIN, END):
            if _resembles_mark(mark):
                yield Fault(line, f"a misspelt solution mark {mark!r}: write {BEGIN} or {END}")
        elif not is_exercise:
            yield Fault(line, f"{mark} outside a cell with ':tags: [exercise]'")
        elif mark == BEGIN:
            if opened is not None:
                yield Fault(line, f"{BEGIN} inside the solution that line {opened} began")
            opened, regions = line, regions + 1
        elif opened is None:
            yield Fault(line, f"{END} without {BEGIN} before it")
        else:
            if line == opened + 1:
                yield Fault(line, "a solution with nothing in it")
            opened = None
    if opened is not None:
        yield Fault(opened, f"{BEGIN} without {END} after it")
    if is_exercise and not regions:
        yield Fault(cell.line, f"an exercise without a solution between {BEGIN} and {END}")


def _resembles_mark(text: str) -> bool:
    if re.search(r"(BEGIN|END)\W*SOLUTION", text):
        return True
    if not text.startswith("#"):
        return False
    words = re.sub(r"[\W_]+", " ", text).strip().lower()
    wanted = ("begin solution", "end solution")
    return any(SequenceMatcher(None, words, mark).ratio() > 0.8 for mark in wanted)


def _checked(source: str) -> tuple[str | None, str | None]:
    """Return name and argument of a cell that is one call of check, else (None, None)."""
    match _statements(source):
        case [
            ast.Expr(
                ast.Call(
                    ast.Name("check"), [ast.Constant(str(name)), ast.Name(answer)], keywords=[]
                )
            )
        ]:
            return name, answer
    return None, None


def _defined(source: str) -> list[str] | None:
    """Return the functions and classes that a cell defines, None where it is no Python."""
    statements = _statements(source)
    kinds = (ast.FunctionDef, ast.ClassDef)
    return None if statements is None else [s.name for s in statements if isinstance(s, kinds)]


def _statements(source: str) -> list[ast.stmt] | None:
    try:
        return ast.parse(source).body
    except SyntaxError:
        return None

"""What a teacher needs of a section: its questions with answers, its exercises with wrong answers.

All of it stands in the lesson and in its exercises already; here it is put side by side.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from classroom.builder.exercise_cells import BEGIN, END, exercises
from classroom.builder.source import Cell, Lesson
from classroom.teaching.needs import Part

MOST_WRONG_ANSWERS = 3

_ASKED = re.compile(
    r"^(?:\*\*Predict\.\*\*|\*(?P<kind>Ask|Discuss)[:.]\*)\s*(?P<text>.+?)(?:\n\s*\n|\Z)",
    re.M | re.S,
)
_THOUGHT = re.compile(r"^\*Usual misunderstanding[:.]\*\s*(?P<text>.+?)(?:\n\s*\n|\Z)", re.M | re.S)
_LINK = re.compile(r"\]\((\d\d_\w+\.ipynb)")


@dataclass(frozen=True)
class Question:
    """A question to the class and its answer, which is empty for one that is left open.

    `before` is the last line of the cell that must not have run yet, and empty where none follows.
    `after` is the paragraph that it follows, which its words may point to; empty where it begins.
    `cell` is its place in the lesson.
    """

    text: str
    answer: str
    is_prediction: bool
    before: str = ""
    after: str = ""
    cell: int = 0


@dataclass(frozen=True)
class WrongAnswer:
    """A wrong answer that people give: its name in words, and what to say."""

    name: str
    say: str


@dataclass(frozen=True)
class Task:
    """An exercise as a teacher sees it; `cell` is its place in the lesson."""

    name: str
    title: str
    minutes: int
    difficulty: int
    solution: str
    wrong: tuple[WrongAnswer, ...]
    cell: int


def questions(lesson: Lesson, part: Part) -> list[Question]:
    """Return the questions of a part, each with the answer that follows it in the lesson."""
    found: list[Question] = []
    for number in range(part.first, part.end):
        cell = lesson.cells[number]
        open_ones = [n for n, question in enumerate(found) if not question.answer]
        if cell.has_tag("answer") and open_ones:
            found[open_ones[0]] = replace(found[open_ones[0]], answer=_linked(cell.source))
        elif cell.kind == "code":
            for n in open_ones:
                line = found[n].before or _last_line(cell.source)
                found[n] = replace(found[n], before=line if found[n].is_prediction else "")
        elif cell.kind == "markdown":
            for asked in _ASKED.finditer(cell.source):
                text, after = asked["text"].strip(), _last_paragraph(cell.source[: asked.start()])
                found.append(
                    Question(
                        _linked(text), "", not asked["kind"], after=_linked(after), cell=number
                    )
                )
    return found


def lead(lesson: Lesson, part: Part) -> str:
    """Return the first paragraph of a part: what the part is about. It may stand below a cell.

    A paragraph that ends in a colon or comes before a list takes the next one with it.
    """
    texts = [cell.source for cell in lesson.cells[part.first : part.end] if _is_text(cell)]
    paragraphs = [text for source in texts for text in source.split("\n\n") if text[:1] != "#"]
    if not paragraphs or paragraphs[0][:1] in "*#|!-<$>":
        return ""
    second = "".join(paragraphs[1:2])
    has_more = paragraphs[0].endswith(":") or second.startswith("- ")
    return _linked("\n\n".join(paragraphs[: 2 if has_more else 1]))


def _last_paragraph(text: str) -> str:
    """Return what a text ends in, a formula with what leads to it; nothing for a heading."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    many = 2 if paragraphs[-1].startswith("$$") else 1
    return "\n\n".join(each for each in paragraphs[-many:] if each[:1] not in "#<")


def _is_text(cell: Cell) -> bool:
    return cell.kind == "markdown" and not cell.has_tag("answer")


def misunderstanding(lesson: Lesson) -> str:
    """Return what a lesson says is usually misunderstood, or nothing."""
    for cell in lesson.cells:
        if cell.kind == "markdown" and (found := _THOUGHT.search(cell.source)):
            return _linked(found["text"].strip())
    return ""


def tasks(lesson: Lesson, part: Part | None = None) -> list[Task]:
    """Return the exercises of a part, or of the whole lesson, with their first wrong answers."""
    from classroom.exercises.registry import get

    found = []
    for exercise in exercises(lesson):
        if part is not None and not part.first <= exercise.cell < part.end:
            continue
        cell, known = lesson.cells[exercise.cell], get(exercise.name)
        wrong = [
            WrongAnswer(each.name.replace("_", " "), each.hint)
            for each in known.misconceptions[:MOST_WRONG_ANSWERS]
        ]
        minutes, difficulty = cell.metadata["minutes"], cell.metadata["difficulty"]
        solution = _solution(cell.source)
        found.append(
            Task(
                exercise.name, known.title, minutes, difficulty, solution, tuple(wrong),
                exercise.cell,
            )
        )  # fmt: skip
    return found


def last_line(lesson: Lesson, part: Part) -> str:
    """Return the last line of a part's last cell of code, checks and exercises left out."""
    for cell in reversed(lesson.cells[part.first : part.end]):
        if cell.kind == "code" and not cell.has_tag("check") and not cell.has_tag("exercise"):
            return _last_line(cell.source)
    return ""


def _last_line(source: str) -> str:
    return source.strip().splitlines()[-1].strip()


def _solution(source: str) -> str:
    """Return the lines between the marks, moved to the left."""
    from textwrap import dedent

    return dedent(source.partition(BEGIN + "\n")[2].rpartition(END)[0]).strip()


def _linked(text: str) -> str:
    """Let links to other lessons lead to their solutions, seen from the folder of the sheets."""
    return _LINK.sub(r"](../solutions/\1", text)

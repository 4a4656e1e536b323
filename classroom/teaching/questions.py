"""What a teacher needs of a section: its questions with answers, its exercises with wrong answers.

All of it stands in the lesson and in its exercises already; here it is put side by side.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from classroom.builder.exercise_cells import BEGIN, END, exercises
from classroom.builder.source import Lesson
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
    """A question to the class and its answer, which is empty for one that is left open."""

    text: str
    answer: str
    is_prediction: bool


@dataclass(frozen=True)
class WrongAnswer:
    """A wrong answer that people give: its name in words, and what to say."""

    name: str
    say: str


@dataclass(frozen=True)
class Task:
    """An exercise as a teacher sees it."""

    name: str
    title: str
    minutes: int
    difficulty: int
    solution: str
    wrong: tuple[WrongAnswer, ...]


def questions(lesson: Lesson, part: Part) -> list[Question]:
    """Return the questions of a part, each with the answer that follows it in the lesson."""
    found: list[Question] = []
    for cell in lesson.cells[part.first : part.end]:
        if cell.has_tag("answer"):
            open_ones = [n for n, question in enumerate(found) if not question.answer]
            if open_ones:
                n = open_ones[0]
                found[n] = Question(found[n].text, _linked(cell.source), found[n].is_prediction)
        elif cell.kind == "markdown":
            for asked in _ASKED.finditer(cell.source):
                found.append(Question(_linked(asked["text"].strip()), "", not asked["kind"]))
    return found


def lead(lesson: Lesson, part: Part) -> str:
    """Return the first paragraph under a part's heading: what the part is about.

    A paragraph that ends in a colon takes the next one with it.
    """
    words = lesson.cells[part.first].source.partition("\n")[2].strip().split("\n\n")
    n_paragraphs = 2 if words[0].endswith(":") else 1
    return "" if words[0][:1] in "*#|!-<$>" else _linked("\n\n".join(words[:n_paragraphs]))


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
        found.append(Task(exercise.name, known.title, minutes, difficulty, solution, tuple(wrong)))
    return found


def last_line(lesson: Lesson, part: Part) -> str:
    """Return the last line of a part's last cell of code, checks and exercises left out."""
    for cell in reversed(lesson.cells[part.first : part.end]):
        if cell.kind == "code" and not cell.has_tag("check") and not cell.has_tag("exercise"):
            return cell.source.strip().splitlines()[-1].strip()
    return ""


def _solution(source: str) -> str:
    """Return the lines between the marks, moved to the left."""
    from textwrap import dedent

    return dedent(source.partition(BEGIN + "\n")[2].rpartition(END)[0]).strip()


def _linked(text: str) -> str:
    """Let links to other lessons lead to their solutions, seen from the folder of the sheets."""
    return _LINK.sub(r"](../solutions/\1", text)

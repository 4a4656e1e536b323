"""How long a section takes in class at the least, counted from what a learner has to do in it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from classroom.builder.exercise_cells import exercises
from classroom.builder.source import Lesson
from classroom.teaching.needs import Part
from classroom.teaching.questions import questions

WORDS_A_MINUTE = 150
"""Read with care, on a screen, while a neighbour talks."""

QUESTION, EXPLORER, CELL = 1.5, 1.0, 0.2
"""Minutes for a question with its answer, for sliders, and to run and look at any other cell."""

_FOLDED = re.compile(r"<details>.*?</details>", re.S)
_FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$]*\$", re.S)
_TARGET = re.compile(r"\]\([^)]*\)")
_WORD = re.compile(r"\w[\w'’.-]*")


@dataclass(frozen=True)
class Work:
    """What a section asks of a learner; `exercises` holds the minutes of its exercises."""

    words: int
    cells: int
    explorers: int
    questions: int
    exercises: int

    def __str__(self) -> str:
        counted = [
            (self.words, "word to read"), (self.cells, "cell to run"),
            (self.explorers, "row of sliders"), (self.questions, "question"),
            (self.exercises, "minute of exercises"),
        ]  # fmt: skip
        return ", ".join(_counted(*each) for each in counted if each[0]) or "nothing to do"

    @property
    def minutes(self) -> float:
        """The least time for it, in minutes."""
        return (
            self.words / WORDS_A_MINUTE
            + self.cells * CELL
            + self.explorers * EXPLORER
            + self.questions * QUESTION
            + self.exercises
        )


def work(lesson: Lesson, part: Part, later: tuple[str, ...] = ()) -> Work:
    """Count what a part asks of a learner, without the exercises in `later` and their words."""
    tasks = {task.cell: task for task in exercises(lesson) if part.first <= task.cell < part.end}
    words = cells = explorers = minutes = 0
    for number in range(part.first, part.end):
        cell = lesson.cells[number]
        task = tasks.get(number) or tasks.get(number + 1)  # its text stands before it
        is_later = task is not None and task.name in later
        if cell.kind == "markdown" and not cell.has_tag("answer") and not is_later:
            words += count_words(cell.source)
        elif cell.has_tag("exercise"):
            minutes += 0 if is_later else cell.metadata["minutes"]
        elif cell.kind == "code" and not cell.has_tag("check"):
            explorers += "explore(" in cell.source
            cells += "explore(" not in cell.source
    return Work(words, cells, explorers, len(questions(lesson, part)), minutes)


def count_words(text: str) -> int:
    """Return how many words a learner reads: a formula is one, a folded hint and a link none."""
    seen = _TARGET.sub("]", _FORMULA.sub(" formula ", _FOLDED.sub(" ", text)))
    return len(_WORD.findall(seen))


def _counted(number: int, what: str) -> str:
    first, space, rest = what.partition(" ")
    return f"{number} {first}{'s' * (number > 1)}{space}{rest}"

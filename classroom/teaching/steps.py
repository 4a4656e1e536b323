"""The steps of a class, and how long each takes: what the lesson says, and no less than its work.

A notebook that is run is opened first. `plans` puts steps together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from classroom.builder.exercise_cells import exercises
from classroom.builder.source import Lesson
from classroom.teaching.minutes import Work, work
from classroom.teaching.needs import OPENING, Part, parts

FILE = "teaching/plans.toml"

TO_START, TO_OPEN = 2.0, 1.0
"""Minutes until thirty people have a notebook before them: the first one, and another one."""


@dataclass(frozen=True)
class Step:
    """A piece of a class: a section of a lesson, or words of the teacher's where `lesson` is None.

    The part is the opening where a notebook is opened. `later` names the exercises of the section
    that are left for the quick ones and for home.
    """

    minutes: int
    title: str
    text: str
    lesson: Lesson | None = None
    part: Part | None = None
    later: tuple[str, ...] = ()

    @property
    def work(self) -> Work | None:
        """What it asks of a learner; None for words of the teacher's."""
        return work(self.lesson, self.part, self.later) if self.lesson else None

    @property
    def opens(self) -> bool:
        """Whether a notebook is opened here."""
        return self.lesson is not None and self.part.number == OPENING


def has_code(lesson: Lesson, part: Part) -> bool:
    """Tell whether a part has code beside the call that shows the progress."""
    cells = lesson.cells[part.first : part.end]
    return any(cell.kind == "code" and cell.source.strip() != "progress()" for cell in cells)


def lessons_run(steps: Sequence[Step]) -> list[Lesson]:
    """Return the lessons of which code is run, in order."""
    run = {s.lesson.name: s.lesson for s in steps if s.lesson and has_code(s.lesson, s.part)}
    return list(run.values())


def with_openings(steps: Sequence[Step], words: Mapping[str, str]) -> Iterator[Step]:
    """Yield the steps, and before the first one of each lesson that is run: open its notebook.

    `words` are the teacher's, by lesson, where those of the lesson do not fit the class.
    """
    closed, minutes = lessons_run(steps), TO_START
    for step in steps:
        if step.lesson in closed:
            closed.remove(step.lesson)
            opening = parts(step.lesson)[OPENING]
            minutes = math.ceil(minutes + work(step.lesson, opening).minutes)
            title, text = f"Open `{step.lesson.slug}.ipynb`", words.get(step.lesson.name, "")
            yield Step(minutes, title, text, step.lesson, opening)
            minutes = TO_OPEN
        yield step


def sections_of(plan: str, step: dict, lessons: Mapping[str, Lesson]) -> list[Step]:
    """Return a step for each section that an entry names; `later` exercises take no time."""
    if step["lesson"] not in lessons:
        known = ", ".join(lessons)
        raise ValueError(
            f"{FILE}: {plan}: no lesson is called {step['lesson']!r}; there are {known}"
        )
    lesson, later, found = lessons[step["lesson"]], set(step.get("later", ())), []
    for title in step["sections"]:
        part = part_called(lesson, title)
        here = {
            exercise.name: lesson.cells[exercise.cell].metadata["minutes"]
            for exercise in exercises(lesson)
            if part.first <= exercise.cell < part.end and exercise.name in later
        }
        text, wanted = (step.get(key, {}).get(title) for key in ("say", "minutes"))
        planned = part.minutes - sum(here.values())
        minutes = _slot(plan, part, work(lesson, part, tuple(here)), planned, wanted)
        found.append(Step(minutes, part.title, text or "", lesson, part, tuple(here)))
    named = {name for each in found for name in each.later}
    for key, known in (("later", named), ("say", step["sections"]), ("minutes", step["sections"])):
        if unknown := set(step.get(key, ())) - set(known):
            raise ValueError(
                f"{FILE}: {plan}: {key} names {', '.join(sorted(unknown))}, which no section of "
                f"{lesson.name} that is taught there has"
            )
    return found


def _slot(plan: str, part: Part, todo: Work, planned: int, wanted: int | None) -> int:
    """Return the minutes of a section: the plan's if it names them, and never below the work."""
    least = math.ceil(todo.minutes)
    if wanted is not None and wanted < least:
        raise ValueError(
            f"{FILE}: {plan}: {wanted} minutes are too short for {part.title!r}, which has {todo}: "
            f"give it {least}, or name exercises in later"
        )
    return max(planned, least) if wanted is None else wanted


def part_called(lesson: Lesson, title: str) -> Part:
    """Return the section of a lesson with this title; raise ValueError where there is none."""
    known = {part.title: part for part in parts(lesson)[1:]}
    if title not in known:
        near = get_close_matches(title, known, n=1, cutoff=0.0)
        raise ValueError(
            f"{FILE}: lesson {lesson.name} has no section {title!r}; the nearest is {near[0]!r}"
        )
    return known[title]

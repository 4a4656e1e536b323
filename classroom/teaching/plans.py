"""Plans of classes, from `teaching/plans.toml`: which sections, in which order, how long.

A plan may leave sections out, as long as what it keeps runs without them. It says what it leaves
out; `needs` says what that would cost.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from classroom.builder.exercise_cells import exercises
from classroom.builder.source import Lesson
from classroom.teaching.needs import OPENING, Part, closure, needs, parts

FILE = "teaching/plans.toml"


@dataclass(frozen=True)
class Step:
    """A piece of a class: a section of a lesson, or words of the teacher's where `lesson` is None.

    `later` names the exercises of the section that are left for the quick ones and for home.
    """

    minutes: int
    title: str
    text: str
    lesson: Lesson | None = None
    part: Part | None = None
    later: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A class from its first minute to its last; what is not planned is kept in reserve."""

    name: str
    title: str
    minutes: int
    purpose: str
    steps: tuple[Step, ...]
    is_week: bool = False

    @property
    def reserve(self) -> int:
        """Minutes that no step takes."""
        return self.minutes - sum(step.minutes for step in self.steps)

    def cuts(self) -> dict[str, set[int]]:
        """Return the numbers of the parts that are taught, with the opening, by lesson."""
        found: dict[str, set[int]] = {}
        for step in self.steps:
            if step.lesson:
                found.setdefault(step.lesson.name, {OPENING}).add(step.part.number)
        return found

    def lessons(self) -> dict[str, Lesson]:
        """Return the lessons of the plan by name, in their order of appearance."""
        return {step.lesson.name: step.lesson for step in self.steps if step.lesson}

    def run_lessons(self) -> list[Lesson]:
        """Return the lessons of which the plan runs code; of others it only takes a question."""
        run = {s.lesson.name for s in self.steps if s.lesson and has_code(s.lesson, s.part)}
        return [lesson for name, lesson in self.lessons().items() if name in run]


@dataclass(frozen=True)
class Plans:
    """All plans, and what a reader of the lessons' code cannot tell.

    `sees[lesson][title]` is what all should see at the end of a section; `hidden[lesson][title]`
    names sections that it needs although no name says so.
    """

    plans: tuple[Plan, ...]
    sees: dict[str, dict[str, str]]
    hidden: dict[str, dict[str, list[str]]]

    def needs(self, lesson: Lesson) -> list[dict[int, set[str]]]:
        """Return what the parts of a lesson need: by their names, and by what the plans note."""
        found = needs(lesson)
        for title, others in self.hidden.get(lesson.name, {}).items():
            mine = found[_part(lesson, title).number]
            for other in others:
                mine.setdefault(_part(lesson, other).number, set()).add("what its code changes")
        return found


def read_plans(root: Path, lessons: Mapping[str, Lesson]) -> Plans:
    """Read the plans under `root`; `lessons` are by slug.

    Raises ValueError for a plan that is too long, names what no lesson has, turns back within a
    lesson, or leaves out a section that another one needs: with the missing name and the section
    that defines it.
    """
    by_name = {lesson.name: lesson for lesson in lessons.values()}
    try:
        table = tomllib.loads((root / FILE).read_text(encoding="utf-8"))
        made = [_plan(entry, by_name) for entry in table["plan"]]
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{FILE}: {type(error).__name__}: {error}") from error
    plans = Plans(tuple(made), table.get("sees", {}), table.get("hidden_needs", {}))
    _refuse_strays(plans, by_name)
    for plan in plans.plans:
        _refuse_too_long(plan)
        for name, lesson in plan.lessons().items():
            _refuse_gaps(plan, lesson, plan.cuts()[name], plans.needs(lesson))
    return plans


def has_code(lesson: Lesson, part: Part) -> bool:
    """Tell whether a part has code beside the call that shows the progress."""
    cells = lesson.cells[part.first : part.end]
    return any(cell.kind == "code" and cell.source.strip() != "progress()" for cell in cells)


def left_out(plan: Plan) -> list[tuple[Lesson, Part]]:
    """Return the sections with code that a plan leaves out of the lessons it runs, in order."""
    cuts = plan.cuts()
    return [
        (lesson, part)
        for lesson in plan.run_lessons()
        for part in parts(lesson)[1:]
        if part.number not in cuts[lesson.name] and has_code(lesson, part)
    ]


def _plan(entry: dict, lessons: Mapping[str, Lesson]) -> Plan:
    name, steps = entry["name"], []
    for step in entry["steps"]:
        if "lesson" in step:
            steps += _sections(name, step, lessons)
        else:
            steps.append(Step(step["minutes"], step["title"], step["text"]))
    kind = name.startswith("week-")
    return Plan(name, entry["title"], entry["minutes"], entry["purpose"], tuple(steps), kind)


def _sections(plan: str, step: dict, lessons: Mapping[str, Lesson]) -> list[Step]:
    """Return a step for each section that an entry names; `later` exercises take no time."""
    if step["lesson"] not in lessons:
        known = ", ".join(lessons)
        raise ValueError(
            f"{FILE}: {plan}: no lesson is called {step['lesson']!r}; there are {known}"
        )
    lesson, later, found = lessons[step["lesson"]], set(step.get("later", ())), []
    for title in step["sections"]:
        part = _part(lesson, title)
        here = {
            exercise.name: lesson.cells[exercise.cell].metadata["minutes"]
            for exercise in exercises(lesson)
            if part.first <= exercise.cell < part.end and exercise.name in later
        }
        minutes = part.minutes - sum(here.values())
        found.append(Step(minutes, part.title, "", lesson, part, tuple(here)))
    if unknown := later - {name for step in found for name in step.later}:
        raise ValueError(
            f"{FILE}: {plan}: later names {', '.join(sorted(unknown))}, which no section of "
            f"{lesson.name} that is taught there has"
        )
    return found


def _part(lesson: Lesson, title: str) -> Part:
    known = {part.title: part for part in parts(lesson)[1:]}
    if title not in known:
        near = get_close_matches(title, known, n=1, cutoff=0.0)
        raise ValueError(
            f"{FILE}: lesson {lesson.name} has no section {title!r}; the nearest is {near[0]!r}"
        )
    return known[title]


def _refuse_strays(plans: Plans, lessons: Mapping[str, Lesson]) -> None:
    for name, titles in plans.sees.items():
        if name not in lessons:
            raise ValueError(f"{FILE}: sees: no lesson is called {name!r}")
        for title in titles:
            _part(lessons[name], title)


def _refuse_too_long(plan: Plan) -> None:
    if plan.reserve < 0:
        raise ValueError(
            f"{FILE}: {plan.name} takes {plan.minutes - plan.reserve} minutes, "
            f"{-plan.reserve} more than it has: leave out a section, or name exercises in later"
        )


def _refuse_gaps(
    plan: Plan, lesson: Lesson, chosen: set[int], direct: list[dict[int, set[str]]]
) -> None:
    """Refuse sections in another order than the lesson's, and needs that are not met."""
    order = [step.part.number for step in plan.steps if step.lesson is lesson]
    if order != sorted(set(order)):
        raise ValueError(f"{FILE}: {plan.name} turns back within lesson {lesson.name}")
    if not closure(direct, chosen) - chosen:
        return
    titles = [part.title for part in parts(lesson)]
    for number in sorted(chosen):
        for other in sorted(direct[number].keys() - chosen):
            missing = ", ".join(sorted(direct[number][other]))
            raise ValueError(
                f"{FILE}: {plan.name}: in lesson {lesson.name} the section {titles[number]!r} "
                f"needs {missing}, from {titles[other]!r}, which is left out: take both or neither"
            )

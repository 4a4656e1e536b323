"""Plans of classes, from `teaching/plans.toml`: which sections, in which order, how long.

A plan may leave sections out, as long as what it keeps runs without them. It says what it leaves
out; `needs` says what that would cost.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from classroom.builder.source import Lesson
from classroom.teaching.needs import OPENING, Part, closure, needs, parts
from classroom.teaching.steps import (
    FILE,
    Step,
    has_code,
    lessons_run,
    part_called,
    sections_of,
    with_openings,
)


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
        return lessons_run(self.steps)


@dataclass(frozen=True)
class Plans:
    """All plans, and what a reader of the lessons' code cannot tell.

    `sees[lesson][title]` is what all should see at the end of a section; `hidden[lesson][title]`
    names sections that it needs although no name says so; `thoughts[lesson]` names those that its
    usual misunderstanding is about.
    """

    plans: tuple[Plan, ...]
    sees: dict[str, dict[str, str]]
    hidden: dict[str, dict[str, list[str]]]
    thoughts: dict[str, list[str]]

    def needs(self, lesson: Lesson) -> list[dict[int, set[str]]]:
        """Return what the parts of a lesson need: by their names, and by what the plans note."""
        found = needs(lesson)
        for title, others in self.hidden.get(lesson.name, {}).items():
            mine = found[part_called(lesson, title).number]
            for other in others:
                mine.setdefault(part_called(lesson, other).number, set()).add("what it does")
        return found

    def has_thought(self, plan: Plan, lesson: Lesson) -> bool:
        """Tell whether a class meets what a lesson's usual misunderstanding is about."""
        about = {part_called(lesson, title).number for title in self.thoughts.get(lesson.name, ())}
        return about <= plan.cuts()[lesson.name]


def read_plans(root: Path, lessons: Mapping[str, Lesson]) -> Plans:
    """Read the plans under `root`; `lessons` are by slug.

    A section has the lesson's minutes or those of the plan's own `minutes`, and never less than its
    work takes; a notebook that is run is opened first. Raises ValueError for a plan that is too
    long, gives a section too little, names what no lesson has, turns back within a lesson, or
    leaves out a section that another one needs: with the missing name and who defines it.
    """
    by_name = {lesson.name: lesson for lesson in lessons.values()}
    try:
        table = tomllib.loads((root / FILE).read_text(encoding="utf-8"))
        made = [_plan(entry, by_name) for entry in table["plan"]]
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{FILE}: {type(error).__name__}: {error}") from error
    notes = (table.get(name, {}) for name in ("sees", "hidden_needs", "misunderstood"))
    plans = Plans(tuple(made), *notes)
    _refuse_strays(plans, by_name)
    for plan in plans.plans:
        _refuse_too_long(plan)
        for name, lesson in plan.lessons().items():
            _refuse_gaps(plan, lesson, plan.cuts()[name], plans.needs(lesson))
    return plans


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
            steps += sections_of(name, step, lessons)
        else:
            steps.append(Step(step["minutes"], step["title"], step["text"]))
    kind = name.startswith("week-")
    words = {step["lesson"]: step["opening"] for step in entry["steps"] if "opening" in step}
    made = tuple(with_openings(steps, words))
    return Plan(name, entry["title"], entry["minutes"], entry["purpose"], made, kind)


def _refuse_strays(plans: Plans, lessons: Mapping[str, Lesson]) -> None:
    for table, entries in (("sees", plans.sees), ("misunderstood", plans.thoughts)):
        for name, titles in entries.items():
            if name not in lessons:
                raise ValueError(f"{FILE}: {table}: no lesson is called {name!r}")
            for title in titles:
                part_called(lessons[name], title)


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

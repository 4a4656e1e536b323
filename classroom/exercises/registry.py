"""Finds the exercises: each lesson of the table of contents adds its own."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from functools import cache

from classroom import contents
from classroom.exercises.exercise import Exercise
from classroom.exercises.own import not_as_an_answer


def collect(exercises: Iterable[Exercise]) -> dict[str, Exercise]:
    """Return exercises by name, in their order.

    Raises ValueError where two have the same name: a check could not tell which is meant.
    """
    found: dict[str, Exercise] = {}
    for exercise in exercises:
        if exercise.name in found:
            lessons = f"{found[exercise.name].lesson} and {exercise.lesson}"
            raise ValueError(
                f"two exercises are called {exercise.name!r} (in {lessons}); rename one"
            )
        found[exercise.name] = exercise
    return found


@cache
def registry() -> dict[str, Exercise]:
    """Return every exercise of the course by name, in the order of lessons.

    The lesson modules are imported at the first call, not with the package.
    """
    modules = [module for _, module in contents.modules("exercises")]
    return collect(exercise for module in modules for exercise in module.EXERCISES)


def get(name: str) -> Exercise:
    """Return the exercise of that name.

    Raises ValueError for a name that is not known, with the nearest names that are.
    """
    found = registry()
    if name in found:
        return found[name]
    near = difflib.get_close_matches(str(name), found, n=3, cutoff=0.4)
    advice = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(found)}"
    raise ValueError(f"no exercise is called {name!r}; {advice}")


def names() -> list[str]:
    """Return the names of all exercises, in the order of lessons."""
    return list(registry())


def reference(name: str) -> Callable:
    """Return the right answer of an exercise, to call; handed in for grading it earns nothing.

    Raises ValueError for an unknown name.
    """
    return not_as_an_answer(get(name).reference)


def misconceptions(name: str) -> dict[str, Callable]:
    """Return the named wrong answers of an exercise. Raises ValueError for an unknown name."""
    return {each.name: each.answer for each in get(name).misconceptions}

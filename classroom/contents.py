"""The table of contents: which lessons there are, in which order, under which numbers.

`lessons/contents.toml` lists the lessons by name. Their numbers follow from their places, so that a
lesson can be put between two others without renaming anything.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import tomllib
from functools import cache
from importlib import resources
from pathlib import Path
from types import ModuleType

FILE = "contents.toml"


def read_contents(root: Path) -> list[str]:
    """Return the names of the lessons under `root`, in their order.

    Raises FileNotFoundError where there is no table of contents, ValueError for one that is not a
    list of names or names a lesson twice.
    """
    path = root / "lessons" / FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: it lists the lessons; build in a clone of the repository"
        )
    return _parse(path.read_text(encoding="utf-8"))


@cache
def slugs() -> dict[str, str]:
    """Return the notebooks' names ("02_temporal_loss") by the names of the installed lessons."""
    text = resources.files("lessons").joinpath(FILE).read_text(encoding="utf-8")
    return {name: slug(number, name) for number, name in enumerate(_parse(text))}


def slug(number: int, name: str) -> str:
    """Return what the notebooks of a lesson are called, without their ending."""
    return f"{number:02d}_{name}"


@cache
def titles() -> dict[str, str]:
    """Return what the installed lessons are called, with their numbers: "02, The temporal loss"."""
    folder, found = resources.files("lessons"), {}
    for name, own in slugs().items():
        text = folder.joinpath(name, "lesson.md").read_text(encoding="utf-8")
        found[name] = f"{own[:2]}, {re.search(r'^ +title: *(.+)$', text, re.M)[1]}"
    return found


def modules(part: str) -> list[tuple[str, ModuleType]]:
    """Return (lesson, module) for each lesson that has this part, "exercises" or "figures"."""
    found = []
    for name in slugs():
        path = f"lessons.{name}.{part}"
        if importlib.util.find_spec(path):
            found.append((name, importlib.import_module(path)))
    return found


def _parse(text: str) -> list[str]:
    try:
        names = tomllib.loads(text).get("lessons")
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"lessons/{FILE}: {error}") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f'lessons/{FILE}:1: wanted lessons = ["start_here", ...], names in order')
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"lessons/{FILE}:1: named twice: {', '.join(twice)}")
    return names

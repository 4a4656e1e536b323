"""Write `notebooks/` and `solutions/` from `lessons/`, or say what is out of date."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import classroom
from classroom.builder.colab import with_colab
from classroom.builder.exercise_cells import exercises
from classroom.builder.notebook import as_text, learner_notebook, solution_notebook
from classroom.builder.refusals import refuse
from classroom.builder.saved import holds_work, says_the_same, sealed, was_saved
from classroom.builder.source import Lesson, lesson_path, read_lesson
from classroom.contents import FILE, read_contents
from course.files import safe_output

FOLDERS = ("notebooks", "solutions")
MEASURED = "measured.json"


def build(
    root: Path | None = None,
    *,
    check: bool = False,
    overwrite: bool = False,
    known: Iterable[str] | None = None,
) -> list[Path]:
    """Write both folders of notebooks from `lessons/` under `root`; return the files that changed.

    `root` defaults to the folder that holds the package; `known`, the names of the exercises that
    can be checked, to those of `classroom.exercises`. With `check` nothing is written and the files
    that are out of date are returned. A notebook whose lesson is gone is out of date too, and is
    removed. The same lessons give the same bytes. Each file appears whole or not at all. A notebook
    that somebody saved is up to date as long as the course's own cells are; it is written over only
    with `overwrite`.

    Raises FileNotFoundError without a folder of lessons. Before anything is written it raises
    ValueError with every fault of every lesson, one a line with file and line, or with the
    notebooks that hold somebody's work, which would be lost.
    """
    root = Path(classroom.__file__).parents[1] if root is None else Path(root)
    lessons = read_lessons(root)
    if known is None:
        known = _known(lessons.values())
    refuse(lessons, root, known)
    wanted = notebooks(root, lessons)
    changed = [path for path, data in wanted.items() if not _is_fresh(path, data, overwrite)]
    orphans = [path for path in _notebooks(root) if _is_orphan(path, wanted)]
    if not check:
        if not overwrite:
            _refuse_to_lose(changed, root)
        _write({path: wanted[path] for path in changed}, orphans)
    return changed + orphans


def notebooks(root: Path, lessons: Mapping[str, Lesson]) -> dict[Path, bytes]:
    """Return what both folders under `root` should hold, by path; `lessons` are given by slug.

    Raises ValueError where the file of what was measured holds something else.
    """
    measured = read_measured(root)
    found = {}
    for slug, lesson in lessons.items():
        solution = solution_notebook(lesson, measured.get(lesson.name))
        for folder, notebook in zip(FOLDERS, (learner_notebook(solution), solution), strict=True):
            notebook = with_colab(notebook, root, f"{folder}/{slug}.ipynb")
            found[root / folder / f"{slug}.ipynb"] = as_text(sealed(notebook)).encode()
    return found


def read_lessons(root: Path) -> dict[str, Lesson]:
    """Return the lessons under `root` by their slugs, in the order of the table of contents.

    Raises FileNotFoundError where there are none, ValueError, with file and line, for each that is
    no MyST Markdown notebook or that the table does not name.
    """
    names = read_contents(root)
    if not names:
        raise FileNotFoundError(f"{root / 'lessons'} holds no lessons")
    lessons, problems = {}, []
    for number in range(len(names)):
        try:
            lesson = read_lesson(root, names, number)
            lessons[lesson.slug] = lesson
        except ValueError as error:
            problems.append(str(error))
    for path in sorted((root / "lessons").glob("*/lesson.md")):
        if path.parent.name not in names:
            problems.append(f"{lesson_path(path.parent.name)}:1: lessons/{FILE} does not name it")
    if problems:
        raise ValueError("\n".join(problems))
    found = list(lessons.values())
    for lesson, following in zip(found, found[1:]):
        lessons[lesson.slug] = replace(lesson, following=following)
    return lessons


def read_measured(root: Path) -> dict[str, dict]:
    """Return what the lessons took when they were measured, by name.

    Raises ValueError where the file holds something else.
    """
    path = root / "lessons" / MEASURED
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        sound = all(
            set(entry) == {"seconds", "memory_mib"}
            and all(type(value) is int for value in entry.values())
            for entry in found.values()
        )
    except (ValueError, TypeError, AttributeError):
        sound = False
    if not sound:
        wanted = '{"temporal_loss": {"seconds": 25, "memory_mib": 900}}'
        raise ValueError(
            f"lessons/{MEASURED}:1: this is not of the form {wanted}; "
            "remove it, then python -m classroom build --measure"
        )
    return found


def _known(lessons: Iterable[Lesson]) -> list[str]:
    """Return the names that `classroom.exercises` knows; it is imported only where it is needed."""
    if not any(exercises(lesson) for lesson in lessons):
        return []
    from classroom.exercises import names

    return list(names())


def _write(wanted: dict[Path, bytes], orphans: list[Path]) -> None:
    for path, data in wanted.items():
        path.parent.mkdir(exist_ok=True)
        with safe_output(path) as file:
            file.write(data)
    for path in orphans:
        path.unlink()


def _notebooks(root: Path) -> list[Path]:
    return [path for folder in FOLDERS for path in sorted((root / folder).glob("*.ipynb"))]


def _is_fresh(path: Path, data: bytes, overwrite: bool) -> bool:
    """Tell whether a file is as wanted, or was saved by somebody and still says the same."""
    if not path.is_file():
        return False
    same = path.read_bytes() == data
    return same or (not overwrite and was_saved(path) and says_the_same(path, data))


def _refuse_to_lose(changed: list[Path], root: Path) -> None:
    """Raise ValueError with the notebooks that a build would write somebody's work away from."""
    mine = [path.relative_to(root).as_posix() for path in changed if holds_work(path)]
    if mine:
        raise ValueError(
            f"{', '.join(mine)}: saved by somebody, and the lesson has changed since. Rename it to "
            "keep it, then build; or build with --overwrite to lose what was written in it"
        )


def _is_orphan(path: Path, wanted: dict[Path, bytes]) -> bool:
    """Tell whether a notebook was generated, under this name, from a lesson that is gone."""
    mark = f"generated from {lesson_path(path.stem.partition('_')[2])};".encode()
    return path not in wanted and mark in path.read_bytes()

"""Finds submissions that nbgrader would skip: it knows a notebook by its file's name only.

A browser calls the second download "02_temporal_loss (1).ipynb", and such a file earns nothing
without an error. The marks in its cells tell which notebook it is.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry

DATABASE = "gradebook.db"
"""Where nbgrader keeps an assignment, in the folder of its course, unless it is told otherwise."""


def skipped(course: Path, assignment: str) -> list[str]:
    """Return a line for each notebook handed in that is not graded: its path, and what to do.

    `course` is nbgrader's folder. Raises ValueError for an assignment that was not made, and for
    one that nobody has handed in.
    """
    found = sorted(Path(course).glob(f"submitted/*/{assignment}/*.ipynb"))
    if not found:
        raise ValueError(f"{Path(course) / 'submitted'} holds no notebook for {assignment}")
    return told(found, marks(course, assignment))


def marks(course: Path, assignment: str) -> dict[str, set[str]]:
    """Return the marks (grade_id) of an assignment's cells by the name of their notebook.

    Raises ValueError where nbgrader does not know the assignment.
    """
    database = Path(course) / DATABASE
    if not database.is_file():
        raise ValueError(
            f"{database} is missing: name nbgrader's folder, or generate_assignment first"
        )
    with Gradebook(f"sqlite:///{database}") as gradebook:
        try:
            notebooks = gradebook.find_assignment(assignment).notebooks
        except MissingEntry:
            raise ValueError(
                f"nbgrader has no assignment {assignment!r}: nbgrader generate_assignment makes it"
            ) from None
        return {each.name: {cell.name for cell in each.source_cells} for each in notebooks}


def told(paths: Iterable[Path], known: Mapping[str, set[str]]) -> list[str]:
    """Return a line for each path whose notebook is not `known` (its marks by its name)."""
    lines = []
    for path in (path for path in paths if path.stem not in known):
        mine = _marks_in(path)
        name = max(known, key=lambda each: len(mine & known[each]), default="")
        if not name or not mine & known[name]:
            what = f"none of its cells is of the assignment ({', '.join(known)})"
        elif (target := path.with_stem(name)).exists():
            what = f"its cells are those of {target.name}, which is there too: keep the right one"
        else:
            cure = shlex.join(["mv", str(path), str(target)])
            what = f"its cells are those of {target.name}: {cure}"
        lines.append(f"{path} is not graded under this name; {what}")
    return lines


def tell(assignment: str, student: str, notebooks: Iterable[str]) -> None:
    """Print those lines before autograde takes a learner's notebooks; nbgrader calls this.

    It stands in the folder of its course then. With a database elsewhere nothing is said.
    """
    if Path(DATABASE).is_file():
        for line in told(map(Path, notebooks), marks(Path(), assignment)):
            print(line, file=sys.stderr)


def _marks_in(path: Path) -> set[str]:
    """Return the marks of a notebook's cells, none where it cannot be read."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return {cell["metadata"].get("nbgrader", {}).get("grade_id", "") for cell in cells} - {""}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()

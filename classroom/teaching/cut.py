"""A part of a lesson as a notebook of its own, and a run of it.

What is cut out takes its imports with it, so the cut brings those that it still uses. Links to
other lessons become plain words, since the notebook may lie anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from classroom.builder.notebook import solution_notebook
from classroom.builder.source import Lesson
from classroom.teaching.needs import OPENING, imports_left_out, names, parts

if TYPE_CHECKING:
    from nbformat import NotebookNode

_LINK = re.compile(r"\[([^\]]*)\]\((?:\d\d_\w+\.ipynb[^)]*|#[^)]*)\)")
_LINKING_CODE = ", notebooks=slugs()"
_MISSING = re.compile(r"NameError: name '(\w+)' is not defined")


def cut(lesson: Lesson, chosen: Iterable[int], measured: dict | None = None) -> NotebookNode:
    """Return the notebook with the solutions of a lesson, with only the chosen parts in it.

    The opening is always there. `measured` is what the whole lesson took. Needs are not judged.
    """
    import nbformat

    chosen = {OPENING, *chosen}
    notebook = solution_notebook(lesson, measured)
    kept = notebook.cells[:1]  # the title, made from the front matter
    for part in parts(lesson):
        if part.number in chosen:
            kept += notebook.cells[part.first + 1 : part.end + 1]
        if part.number == OPENING and (lines := imports_left_out(lesson, chosen)):
            imports = nbformat.v4.new_code_cell("\n".join(lines))
            imports.id = f"{lesson.slug.replace('_', '-')}-imports"
            kept.append(imports)
    for cell in kept:
        if cell.cell_type == "markdown":
            cell.source = _LINK.sub(r"\1", cell.source)
        else:  # the table of the ledger
            cell.source = cell.source.replace(_LINKING_CODE, "")
    notebook.cells = kept
    return notebook


def is_prefix(chosen: Iterable[int]) -> bool:
    """Tell whether a cut only leaves out an end, and so runs as the whole lesson does."""
    return sorted({OPENING, *chosen}) == list(range(len({OPENING, *chosen})))


def run(lesson: Lesson, chosen: Iterable[int], *, patience: int = 600) -> NotebookNode:
    """Run a cut in a kernel of its own and return it with its outputs.

    Raises ValueError for a cell that raises: for a name that is missing, with the section that
    defines it. `patience` is in seconds for one cell.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    notebook = cut(lesson, chosen)
    try:
        NotebookClient(notebook, timeout=patience).execute()
    except CellExecutionError as error:
        last = re.sub(r"\x1b\[[\d;]*m", "", str(error)).strip().splitlines()[-1]
        told = [_told(lesson, found[1]) for found in _MISSING.finditer(last)]
        raise ValueError(
            f"{lesson.path}: sections {sorted(set(chosen) - {OPENING})} do not run by themselves: "
            + "; ".join(told or [last])
        ) from error
    return notebook


def _told(lesson: Lesson, name: str) -> str:
    """Say which sections set a name."""
    from classroom.teaching.needs import code

    found = [part for part in parts(lesson) if name in names(code(lesson, part)).sets]
    where = " and ".join(repr(part.title or "the opening") for part in found) or "no section"
    return f"{name} is missing, which {where} defines"

"""Puts the cells that nbgrader grades back in order, in submissions as they really come.

Learners copy, split, delete and retype cells. nbgrader ends with an error at a copied cell, and
waits for a person where a check is missing; with this step before it, it grades them all. Answers
are not touched: only what kind a cell is, which mark it carries, and the text of checks.
"""

from __future__ import annotations

from dataclasses import dataclass

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor

_KINDS = {
    "code": nbformat.v4.new_code_cell,
    "markdown": nbformat.v4.new_markdown_cell,
    "raw": nbformat.v4.new_raw_cell,
}


@dataclass(frozen=True)
class Source:
    """A cell as it was handed out; `points` is None where it is not graded."""

    kind: str
    text: str
    locked: bool
    solution: bool
    points: float | None
    checksum: str

    def mark(self, name: str) -> dict:
        """Return nbgrader's metadata for this cell."""
        found = {
            "schema_version": 3,
            "task": False,
            "grade": self.points is not None,
            "grade_id": name,
            "locked": self.locked,
            "solution": self.solution,
            "cell_type": self.kind,
            "checksum": self.checksum,
        }
        return found if self.points is None else found | {"points": self.points}


class Tidy(NbGraderPreprocessor):
    """Gives each cell that was handed out its mark once, and puts missing checks at the end.

    Of copies the last one counts, for what a notebook does last stands. A graded or locked cell
    gets the text that was handed out.
    """

    def preprocess(self, notebook: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        facts = resources["nbgrader"]
        sources = handed_out(facts["db_url"], facts["notebook"], facts["assignment"])
        for change in tidied(notebook, sources):
            self.log.warning("%s: %s", facts["student"], change)
        return notebook, resources


def handed_out(database: str, notebook: str, assignment: str) -> dict[str, Source]:
    """Return the marked cells of a notebook that was handed out, in order, by their grade_id."""
    with Gradebook(database) as gradebook:
        found = gradebook.find_notebook(notebook, assignment)
        points = {cell.name: cell.max_score for cell in found.grade_cells}
        solutions = {cell.name for cell in found.solution_cells}
        return {
            cell.name: Source(
                cell.cell_type,
                cell.source,
                cell.locked,
                cell.name in solutions,
                points.get(cell.name),
                cell.checksum,
            )
            for cell in found.source_cells
        }


def tidied(notebook: NotebookNode, sources: dict[str, Source]) -> list[str]:
    """Put the marked cells of a submission in order, in place; return the changes in words."""
    said, seen = [], set()
    for index in reversed(range(len(notebook.cells))):
        cell = notebook.cells[index]
        name = cell.metadata.pop("nbgrader", {}).get("grade_id")
        if name is None:
            continue
        if name not in sources or name in seen:
            reason = "a copy" if name in sources else "not of this assignment"
            said.append(f"cell {index + 1}, {name}, is {reason}: it is run and not graded")
            continue
        seen.add(name)
        if cell.cell_type != sources[name].kind:
            said.append(f"cell {index + 1}, {name}, had become {cell.cell_type}")
        notebook.cells[index] = _restored(cell, name, sources[name])
    for name, source in sources.items():
        if name not in seen and source.points is not None:
            said.append(f"{name} was missing: it is put at the end")
            empty = nbformat.v4.new_code_cell()
            notebook.cells.append(_restored(empty, name, source))
    if notebook.nbformat_minor < 5:  # ids came with 5
        for cell in notebook.cells:
            cell.pop("id", None)
    return said


def _restored(cell: NotebookNode, name: str, source: Source) -> NotebookNode:
    """Return a cell of the kind and with the mark that was handed out."""
    text = source.text if source.locked else cell.source
    new = _KINDS[source.kind](text, metadata={"nbgrader": source.mark(name)})
    new.id = cell.get("id", new.id)
    return new

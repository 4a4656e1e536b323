"""Make the notebooks of a lesson: with the solutions, and without them for learners."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.builder.exercise_cells import HEADING, ExerciseCell, exercises
from classroom.builder.markdown import headings
from classroom.builder.source import Lesson

if TYPE_CHECKING:
    from nbformat import NotebookNode

STUB = "# Your turn: replace the next line with your answer.\nraise NotImplementedError"
"""What stands in the place of a solution, in learners' notebooks."""

CHECK = 'from classroom import check\n\ncheck("{name}")'
"""A check's cell: it imports what it calls, since a learner may have a function of that name, and
looks its answer up by name, so that it can say kindly that there is none yet."""

ANSWER = "answer"
"""The tag of a Markdown cell that answers a question: folded in solutions, absent for learners."""

_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def solution_notebook(lesson: Lesson, measured: dict | None) -> NotebookNode:
    """Return the notebook of a lesson with its solutions and their marks.

    `measured` is what the lesson took ({"seconds": int, "memory_mib": int}), or None. Cells have
    fixed ids, no outputs and no trace of a run. Exercises and checks carry nbgrader's metadata, so
    that `nbgrader generate_assignment` can take the notebook as it is.
    """
    import nbformat

    v4 = nbformat.v4
    cells = [v4.new_markdown_cell(_introduction(lesson.facts, measured))]
    for cell in lesson.cells:
        new = {"code": v4.new_code_cell, "markdown": v4.new_markdown_cell, "raw": v4.new_raw_cell}
        source = _folded(cell.source) if cell.has_tag(ANSWER) else cell.source
        cells.append(new[cell.kind](source, metadata=dict(cell.metadata)))
    for exercise in exercises(lesson):
        _mark_exercise(lesson, exercise, cells[1:])
    if lesson.following:
        cells.append(v4.new_markdown_cell(_next(lesson.following)))
    for number, cell in enumerate(cells):
        cell.id = f"{lesson.slug.replace('_', '-')}-{number:02d}"  # nbformat draws ids otherwise
    note = f"generated from {lesson.path}; edit there, then python -m classroom build"
    metadata = {
        "_source": note,
        "kernelspec": _KERNEL,
        "language_info": {"name": "python"},
        "steady_frames": dict(lesson.facts),
    }
    notebook = v4.new_notebook(cells=cells, metadata=nbformat.from_dict(metadata))
    notebook.nbformat_minor = 5  # the first with cell ids
    return notebook


def learner_notebook(solution: NotebookNode) -> NotebookNode:
    """Return a copy without answers in which nbgrader's own code has replaced the solutions."""
    from copy import deepcopy

    notebook = deepcopy(solution)
    notebook.cells = [c for c in notebook.cells if ANSWER not in c.metadata.get("tags", [])]
    if any("nbgrader" in cell.metadata for cell in notebook.cells):  # the import takes a second
        from nbgrader.preprocessors import ClearSolutions

        notebook, _ = ClearSolutions(code_stub={"python": STUB}).preprocess(notebook, {})
    return notebook


def as_text(notebook: NotebookNode) -> str:
    """Return a notebook as the text of an .ipynb file, the same for the same notebook."""
    import nbformat

    nbformat.validate(notebook)
    return nbformat.writes(notebook, version=4).rstrip("\n") + "\n"


def _folded(answer: str) -> str:
    """Return an answer as a block that opens by a click."""
    return f"<details><summary>Answer</summary>\n\n{answer}\n\n</details>"


def _mark_exercise(lesson: Lesson, exercise: ExerciseCell, cells: list[NotebookNode]) -> None:
    """Tell nbgrader what the cells of an exercise are, and the learner what it takes."""
    facts = lesson.cells[exercise.cell].metadata
    minutes, difficulty = facts["minutes"], facts["difficulty"]
    line = f"*About {minutes} minute{'s' * (minutes > 1)}, difficulty {difficulty} of 3.*"
    cells[exercise.text].source = _under_title(cells[exercise.text].source, line)
    shared = {"schema_version": 3, "task": False}
    cells[exercise.cell].metadata["nbgrader"] = shared | {
        "grade": False,
        "grade_id": exercise.name,
        "locked": False,
        "solution": True,
    }
    cells[exercise.check].source = CHECK.format(name=exercise.name)
    cells[exercise.check].metadata["nbgrader"] = shared | {
        "grade": True,
        "grade_id": f"check_{exercise.name}",
        "locked": True,
        "points": difficulty,
        "solution": False,
    }


def _under_title(source: str, text: str) -> str:
    """Return a cell's source with a paragraph more, under the heading of its exercise."""
    at = next(found.line for found in headings(source) if found.text.startswith(HEADING)) + 1
    lines = source.splitlines()
    return "\n".join([*lines[:at], "", text, *lines[at:]])


def _next(lesson: Lesson) -> str:
    """Return the last cell: where to go on."""
    return f"Next: [lesson {lesson.number:02d}, {lesson.facts['title']}]({lesson.slug}.ipynb)."


def _introduction(facts: dict, measured: dict | None) -> str:
    """Return the first cell: what the lesson is about, what it takes, what comes of it."""
    needs = "; ".join(facts["prerequisites"]) or "nothing"
    objectives = "\n".join(f"- {objective}" for objective in facts["objectives"])
    took, limit = "not measured yet", facts["limit_seconds"]
    if measured:
        took = f"{measured['seconds']} seconds and {measured['memory_mib']} MiB on two CPU cores"
    return (
        f"# {facts['title']}\n\n"
        f"**Time:** about {facts['minutes']} minutes.  \n"
        f"**Measured:** {took} (a run of all cells; limit: {limit} seconds).  \n"
        f"**In the paper:** {facts['paper']}  \n"
        f"**You need:** {needs}\n\n"
        f"After this lesson you can\n\n{objectives}"
    )

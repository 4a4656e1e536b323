"""What the notebook of a class says of the class: its minutes, what it leaves out, what is next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.builder.source import Lesson
from classroom.teaching.plans import Plan
from classroom.teaching.steps import Step

if TYPE_CHECKING:
    from nbformat import NotebookNode


def fit(notebook: NotebookNode, lesson: Lesson, plan: Plan) -> None:
    """Change the notebook of a cut, with its solutions, so that it tells what the class does."""
    steps = [step for step in plan.steps if step.lesson is lesson]
    _tell_in_first_cell(notebook.cells[0], lesson, sum(step.minutes for step in steps))
    for step in steps:
        _tell_minutes(notebook, step)
        for name in step.later:
            _mark_later(notebook, name)
    notebook.cells.append(_last_cell(lesson, plan))


def _tell_in_first_cell(cell: NotebookNode, lesson: Lesson, minutes: int) -> None:
    whole = lesson.facts["minutes"]
    for old, new in (
        (f"about {whole} minutes.", f"{minutes} minutes of this class; the whole lesson {whole}."),
        ("(a run of all cells;", "(a run of the whole lesson;"),
        ("After this lesson you can", "After the whole lesson you can"),
    ):
        cell.source = cell.source.replace(old, new, 1)


def _tell_minutes(notebook: NotebookNode, step: Step) -> None:
    """Give a section's heading the minutes that the class has for it."""
    old, new = (f"## {step.title} ({n} min)" for n in (step.part.minutes, step.minutes))
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.partition("\n")[0] == old:
            cell.source = cell.source.replace(old, new, 1)


def _mark_later(notebook: NotebookNode, name: str) -> None:
    """Say above an exercise that the class leaves it out."""
    for text, cell in zip(notebook.cells, notebook.cells[1:]):
        if cell.metadata.get("nbgrader", {}).get("grade_id") == name:
            text.source = text.source.replace("*About", "**Left for later.** *About", 1)


def _last_cell(lesson: Lesson, plan: Plan) -> NotebookNode:
    import nbformat

    slugs = [each.slug for each in plan.run_lessons()]
    following = slugs[slugs.index(lesson.slug) + 1 :][:1]
    rest = f"The whole lesson is `notebooks/{lesson.slug}.ipynb`, in the folder of the course."
    words = f"Next: `{following[0]}.ipynb`" if following else "This was the last notebook"
    cell = nbformat.v4.new_markdown_cell(f"{words} of this class. {rest}")
    cell.id = f"{lesson.slug.replace('_', '-')}-next"
    return cell

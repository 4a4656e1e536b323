"""A lesson's page: its notebook as it ran, with exercises that open to answers and reports."""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from classroom.builder.exercise_cells import BEGIN, END
from classroom.builder.notebook import learner_notebook
from classroom.site import explorers
from classroom.site.outputs import cleaned, with_formulas
from classroom.site.pictures import Pictures, one_block

if TYPE_CHECKING:
    from nbformat import NotebookNode

FIGURES = "../_static/figures"
"""Where the pictures lie, seen from a lesson's page."""

_DOCTOR = "(On your machine: a line for each check, which begins with ok or with PROBLEM.)\n"
_ABSENT = ("colab",)  # tags of cells that have nothing to do on a page
_PREDICT = re.compile(r"^\*\*Predict\.\*\*.*?(?=\n\n|\Z)", re.M | re.S)


@dataclass(frozen=True)
class Extras:
    """What is computed for a page beside its run: by name, wrong answers and drawn explorers.

    `answers` are lists of {"title", "code", "card"}.
    """

    answers: Mapping[str, Sequence[Mapping]] = field(default_factory=dict)
    explorers: Mapping[str, Mapping] = field(default_factory=dict)


def page(notebook: NotebookNode, extras: Extras, pictures: Pictures) -> NotebookNode:
    """Return the page of a solutions notebook, for MyST-NB, which need not run it.

    Without outputs (a lesson that this build leaves out) the page holds its text and code.
    Raises ValueError for an output that tells of this machine.
    """
    import nbformat

    stubs = {_grade_id(cell): cell.source for cell in learner_notebook(notebook).cells}
    made = []
    for cell in notebook.cells:
        if any(tag in cell.metadata.get("tags", []) for tag in _ABSENT) or _calls(cell, "progress"):
            continue
        made += _made(cell, stubs, extras, pictures, len(made))
    metadata = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}
    book = nbformat.v4.new_notebook(cells=_in_order(made), metadata=metadata)
    for number, cell in enumerate(book.cells):
        cell.id = f"cell-{number:03d}"  # nbformat draws them; the same lesson gives the same page
    return book


def _made(
    cell: NotebookNode, stubs: Mapping, extras: Extras, pictures: Pictures, number: int
) -> list[NotebookNode]:
    """Return what stands on the page for a cell of the notebook."""
    import nbformat

    v4, tags = nbformat.v4, cell.metadata.get("tags", [])
    if cell.cell_type != "code":
        return [v4.new_markdown_cell(_PREDICT.sub(_boxed, cell.source))]
    if "exercise" in tags:
        return [v4.new_code_cell(stubs[_grade_id(cell)]), _solution_later(cell)]
    if "check" in tags:
        name = _grade_id(cell).removeprefix("check_")
        return [v4.new_markdown_cell(_wrong(extras.answers.get(name, ()), pictures))]
    name = _calls(cell, "explore")
    if name and name in extras.explorers:
        found = extras.explorers[name]
        pictures.used |= explorers.files(found)
        markup = explorers.markup(found, f"{name}-{number}", FIGURES)
        return [v4.new_markdown_cell(markup)]
    if "course.doctor" in cell.source and cell.outputs:
        outputs = [v4.new_output("stream", text=_DOCTOR)]
    else:
        outputs = cleaned(cell.outputs, pictures, FIGURES)
    metadata = {"tags": ["hide-input"]} if _only_imports(cell.source) else {}
    return [v4.new_code_cell(cell.source, outputs=outputs, metadata=metadata)]


def _in_order(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Put each solution behind the wrong answers that follow it."""
    found = list(cells)
    for at in range(len(found) - 1):
        if found[at].metadata.pop("solution", False):
            found[at], found[at + 1] = found[at + 1], found[at]
    return found


def _solution_later(cell: NotebookNode) -> NotebookNode:
    import nbformat

    lines = [line for line in cell.source.splitlines() if line.strip() not in (BEGIN, END)]
    code = "\n".join(lines)
    source = _fold("A solution", f"```python\n{code}\n```", "solution")
    return nbformat.v4.new_markdown_cell(source, metadata={"solution": True})


def _wrong(answers: Sequence[Mapping], pictures: Pictures) -> str:
    """Return the folded block of typical wrong answers, each with the card of its check."""
    if not answers:
        return ""
    parts = []
    for answer in answers:
        card = pictures.taken_out(with_formulas(answer["card"]), FIGURES)
        # A live region speaks when something changes; here nothing does.
        card = card.replace('role="status"', 'role="group"')
        code = f"```python\n{answer['code']}\n```\n\n" if answer["code"] else ""
        title = html.escape(answer["title"])
        parts.append(
            f'<p class="wrong-title">{title}</p>\n\n{code}'
            f'<div class="check-card">{one_block(card)}</div>'
        )
    count = {1: "A typical wrong answer", 2: "Two typical wrong answers"}
    summary = count.get(len(answers), "Three typical wrong answers")
    return _fold(f"{summary}, and what the check says", "\n\n".join(parts), "wrong-answers")


def _fold(summary: str, text: str, kind: str) -> str:
    return f'<details class="{kind}"><summary>{summary}</summary>\n\n{text}\n\n</details>'


def _boxed(found: re.Match) -> str:
    return f'<div class="predict">\n\n{found[0]}\n\n</div>'


def _grade_id(cell: NotebookNode) -> str | None:
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def _calls(cell: NotebookNode, function: str) -> str:
    """Return the first argument of a cell that is one call of a function, or the call's name."""
    if cell.cell_type != "code":
        return ""
    try:
        body = ast.parse(cell.source).body
    except SyntaxError:
        return ""
    match body:
        case [ast.Expr(ast.Call(ast.Name(name), arguments, keywords=[]))] if name == function:
            return arguments[0].value if arguments else name
    return ""


def _only_imports(source: str) -> bool:
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return False
    return bool(body) and all(isinstance(each, (ast.Import, ast.ImportFrom)) for each in body)

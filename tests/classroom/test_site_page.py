"""A lesson's page: stubs, folded answers and solutions, and no trace of how the course is built."""

from __future__ import annotations

import sys

import nbformat
import pytest
from lesson_texts import TINY, write_course

from classroom.builder.build import read_lessons
from classroom.builder.notebook import as_text, solution_notebook
from classroom.site.page import Extras, page
from classroom.site.pictures import Pictures

MORE = """
+++

**Predict.** What comes?
In one word.

```{code-cell} ipython3
explore("line")
```

```{code-cell} ipython3
import math
```

```{code-cell} ipython3
progress()
```
"""
ANSWERS = {
    "double": [
        {"title": "gave one", "code": "def double(x): ...", "card": '<p role="status">No</p>'}
    ]
}
EXPLORER = {"begin": {"file": "a.webp", "alt": "A line.", "style": ""}, "controls": []}


@pytest.fixture
def notebook(tmp_path):
    lesson = next(iter(read_lessons(write_course(tmp_path, TINY + MORE)).values()))
    return solution_notebook(lesson, None)


@pytest.fixture
def made(notebook, tmp_path):
    return page(notebook, Extras(ANSWERS, {"line": EXPLORER}), Pictures(tmp_path))


def place(made, text):
    """Return where the only cell with this text stands."""
    (found,) = [number for number, cell in enumerate(made.cells) if text in cell.source]
    return found


def test_an_exercise_is_its_stub_then_wrong_answers_then_the_solution(made):
    stub = place(made, "raise NotImplementedError")
    wrong, solution = made.cells[stub + 1].source, made.cells[stub + 2].source
    assert wrong.startswith('<details class="wrong-answers">') and "gave one" in wrong
    assert solution.startswith('<details class="solution">') and "return x + x" in solution


def test_no_marks_of_the_builder_are_left(made):
    text = as_text(made)
    for mark in ("BEGIN SOLUTION", "END SOLUTION", "nbgrader", "check(", "progress()"):
        assert mark not in text


def test_a_card_that_does_not_change_is_no_live_region(made):
    assert 'role="status"' not in as_text(made)


def test_a_question_to_predict_stands_in_a_box_of_its_own(made):
    cell = made.cells[place(made, "**Predict.**")].source
    assert '<div class="predict">\n\n**Predict.** What comes?\nIn one word.\n\n</div>' in cell


def test_imports_are_folded_and_explorers_stand_without_their_code(made):
    assert made.cells[place(made, "import math")].metadata.tags == ["hide-input"]
    assert made.cells[place(made, 'class="explorer"')].cell_type == "markdown"


def test_what_the_doctor_says_of_the_builders_machine_is_not_shown(notebook, tmp_path):
    output = nbformat.v4.new_output("stream", text=f"ok  Python in {sys.prefix}")
    source = "from course.doctor import report\nprint(report()[0])"
    notebook.cells.append(nbformat.v4.new_code_cell(source, outputs=[output]))
    text = as_text(page(notebook, Extras(), Pictures(tmp_path)))
    assert sys.prefix not in text and "On your machine" in text


def test_the_same_lesson_gives_the_same_page(notebook, tmp_path):
    first, second = (page(notebook, Extras(ANSWERS), Pictures(tmp_path)) for _ in range(2))
    assert as_text(first) == as_text(second)

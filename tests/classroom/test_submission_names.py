"""Submissions under another name: nbgrader skips them, and we say which, and what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from classroom.__main__ import main
from classroom.grading import programs_first
from classroom.grading.names import DATABASE, skipped

KNOWN = {"01_a": {"one", "two"}, "02_b": {"three"}}


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> Path:
    """A gradebook with an assignment of two notebooks: nbgrader takes seconds to make one."""
    from nbgrader.api import Gradebook

    path = tmp_path_factory.mktemp("database") / DATABASE
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.environ["PATH"])  # what the next line changes goes back
        programs_first()
        with Gradebook(f"sqlite:///{path}") as gradebook:
            gradebook.add_assignment("ps")
            for name, marks in KNOWN.items():
                gradebook.add_notebook(name, "ps")
                for mark in marks:
                    gradebook.add_source_cell(mark, name, "ps", cell_type="code")
    return path


@pytest.fixture
def course(database, tmp_path, monkeypatch) -> Path:
    """A course of nbgrader with that gradebook, and nbgrader's helpers within reach."""
    monkeypatch.setenv("PATH", os.environ["PATH"])
    programs_first()
    shutil.copy(database, tmp_path)
    return tmp_path


def hand_in(course: Path, name: str, *marks: str) -> Path:
    cells = [nbformat.v4.new_code_cell(metadata={"nbgrader": {"grade_id": m}}) for m in marks]
    path = course / "submitted" / "ada" / "ps" / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_a_renamed_notebook_is_known_by_its_cells_and_the_command_renames_it(course):
    path = hand_in(course, "02_b (1)", "three")
    (line,) = skipped(course, "ps")
    subprocess.run(line[line.index("mv ") :], shell=True, check=True)
    assert not path.exists() and skipped(course, "ps") == []


def test_a_copy_beside_the_notebook_is_for_a_person_to_choose(course):
    hand_in(course, "01_a", "one", "two")
    hand_in(course, "01_a-Copy1", "one", "two")
    (line,) = skipped(course, "ps")
    assert "01_a-Copy1.ipynb is not graded" in line and "keep the right one" in line


def test_a_notebook_of_something_else_is_said_to_be_none_of_the_assignment(course):
    hand_in(course, "mine").write_text("not a notebook")
    assert "none of its cells is of the assignment (01_a, 02_b)" in skipped(course, "ps")[0]


def test_the_command_ends_with_1_where_a_notebook_would_be_skipped(course, capsys):
    path = hand_in(course, "new", "one")
    arguments = ["submissions", "ps", "--course", str(course)]
    assert main(arguments) == 1
    path.rename(path.with_stem("01_a"))
    assert main(arguments) == 0 and "every notebook of ps" in capsys.readouterr().out


@pytest.mark.parametrize("assignment, message", [("none", "no notebook for"), ("other", "has no")])
def test_an_assignment_that_is_not_there_is_named(course, assignment, message):
    path = course / "submitted" / "ada" / "other" / "a.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text("")
    with pytest.raises(ValueError, match=message):
        skipped(course, assignment)


def test_autograde_with_our_configuration_says_so_first(course):
    hand_in(course, "02_b (1)", "three")
    config = Path(__file__).parents[2] / "deploy" / "nbgrader_config.py"
    (course / config.name).write_text(config.read_text())
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", "autograde", "ps", "--create"],
        cwd=course, capture_output=True, text=True, env=os.environ,
    )  # fmt: skip
    assert "02_b (1).ipynb is not graded under this name" in done.stderr

"""Submissions as they really come, graded by nbgrader with the configuration that ships.

Each exercise of one small assignment meets one mishap. A learner with all of them gets the points
of what is right, and no run of autograde fails.
"""

from __future__ import annotations

import copy
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import pytest
from lesson_texts import FRONT, NAMED_EXERCISE, write_course

from classroom.builder import build
from classroom.grading import run

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "deploy" / "nbgrader_config.py"
RIGHT = "def {name}(*a):\n    {first}\n    return get('{name}').reference(*a)\n"


@dataclass
class Mishap:
    """What happens to an exercise: to the answer, or to the cells; and whether it earns points."""

    exercise: str
    earns: bool
    answer: str = RIGHT.replace("{first}", "pass")
    cells: object = field(default=lambda cells, answer, check: None)


def copied(which: int):
    def change(cells, answer, check):
        cells.insert(cells.index(check) + 1, copy.deepcopy((answer, check)[which]))

    return change


def split(cells, answer, check):
    """Split as JupyterLab does: both halves keep the metadata."""
    first = copy.deepcopy(answer)
    first.source = "import math"
    cells.insert(cells.index(answer), first)


def deleted(*which: int):
    def change(cells, answer, check):
        for index in which:
            cells.remove((answer, check)[index])

    return change


def of_kind(which: int, kind: str):
    def change(cells, answer, check):
        cell = (answer, check)[which]
        cells[cells.index(cell)] = nbformat.NotebookNode(
            cell_type=kind, id=cell.id, metadata=cell.metadata, source=cell.source, attachments={}
        )

    return change


def first(statement: str) -> str:
    """Return a right answer whose first line is this statement."""
    return RIGHT.replace("{first}", statement)


OF_THE_COURSE = "from classroom.exercises import reference\n{name} = reference('{name}')"
OWN_CHECK = "def check(*a):\n    return 2.0\ndef {name}(*a):\n    return 0"
PATCHED = "import torch\ntorch.Tensor.flatten = lambda *a: 0 / 0\n" + RIGHT.replace(
    "{first}", "pass"
).replace("reference(*a)", "reference(*a) * 0")
PRINTS = "for i in range(10**6): print(i)\n"
MISHAPS = {
    "check copied": Mishap("neighbour_pairs", True, cells=copied(1)),
    "exercise copied": Mishap("cosine_of_frames", True, cells=copied(0)),
    "exercise split": Mishap("gradient_norm", True, cells=split),
    "check deleted": Mishap("cosine_gradient", True, cells=deleted(1)),
    "exercise deleted": Mishap("adjacent_similarity", False, cells=deleted(0)),
    "both deleted": Mishap("second_differences", False, cells=deleted(0, 1)),
    "check is Markdown": Mishap("stuck_clip", True, cells=of_kind(1, "markdown")),
    "exercise is raw": Mishap("invisible_flicker", True, cells=of_kind(0, "raw")),
    "renamed": Mishap("safe_step_size", False, "def my_answer(*a):\n    return 1"),
    "no Python": Mishap("lora_gradient", False, "def lora_gradient(:"),
    "loops": Mishap("spatial_weights", False, first("while True: pass")),
    "prints": Mishap("dark_pixel", True, first("for i in range(10**6): print(i)")),
    "prints outside": Mishap("forward_noise", True, PRINTS + first("pass")),
    "asks": Mishap("expanding_pair", False, first("input('how much? ')")),
    "exits": Mishap("sigma_for_displacement", False, first("exit()")),
    "exits outside": Mishap("signal_to_noise", True, first("pass") + "\nexit()"),
    "writes to stderr": Mishap("chain_variance", True, first("import sys; sys.stderr.write('x')")),
    "warns": Mishap("ddim_update", True, first("import warnings; warnings.warn('old')")),
    "the course's": Mishap("step_constant", False, OF_THE_COURSE),
    "own check": Mishap("accumulate", False, OWN_CHECK),
    "patched torch": Mishap("frame_changes", False, PATCHED),
}  # fmt: skip
CRASH = "import os\nos._exit(1)"
CRASHED = "neighbour_pairs"
ENDLESS = "while True:\n    try:\n        while True: pass\n    except BaseException: pass"


def nbgrader(course: Path, *command: str) -> str:
    """Run nbgrader as a teacher does, in the folder of the course; return what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *command], cwd=course, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


def hand_in(course: Path, student: str, notebook: nbformat.NotebookNode) -> None:
    folder = course / "submitted" / student / "ps"
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / "00_tiny.ipynb")
    (folder / "timestamp.txt").write_text("2030-01-02 12:00:00 UTC")


def cell_of(notebook: nbformat.NotebookNode, grade_id: str) -> nbformat.NotebookNode:
    return next(
        c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id
    )


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    """A course whose assignment has an exercise for each mishap, handed out."""
    folder = tmp_path_factory.mktemp("course")
    text = FRONT.replace("minutes: 9", f"minutes: {len(MISHAPS)}")
    text += f"\n## Questions ({len(MISHAPS)} min)\n"
    text += "\n```{code-cell} ipython3\nfrom classroom.exercises import get\n```\n"
    for mishap in MISHAPS.values():
        text += NAMED_EXERCISE.format(name=mishap.exercise, difficulty=2)
    built = build(write_course(folder / "lesson", text))
    (folder / "source" / "ps").mkdir(parents=True)
    shutil.copy(built[1], folder / "source" / "ps")
    shutil.copy(CONFIG, folder)
    nbgrader(folder, "generate_assignment", "ps")
    nbgrader(folder, "db", "assignment", "add", "ps", "--duedate", "2030-01-01 12:00:00 UTC")
    return folder


@pytest.fixture(scope="module")
def graded(course) -> dict:
    """Two learners hand in, late: every mishap, and a crash. Return their scores by exercise."""
    from nbgrader.api import Gradebook

    released = nbformat.read(course / "release" / "ps" / "00_tiny.ipynb", 4)
    mishaps, crashes = copy.deepcopy(released), copy.deepcopy(released)
    mishaps.metadata.kernelspec = {"name": "mine", "display_name": "Mine", "language": "python"}
    for mishap in MISHAPS.values():
        answer = cell_of(mishaps, mishap.exercise)
        answer.source = mishap.answer.format(name=mishap.exercise)
        mishap.cells(mishaps.cells, answer, cell_of(mishaps, f"check_{mishap.exercise}"))
        cell_of(crashes, mishap.exercise).source = first("pass").format(name=mishap.exercise)
    cell_of(crashes, CRASHED).source = CRASH
    for student, notebook in {"all": mishaps, "crash": crashes}.items():
        hand_in(course, student, notebook)
    said = nbgrader(course, "autograde", "ps")
    assert "cannot be converted" not in said  # nbgrader's doubt of a result that is no number
    nbgrader(course, "export", "--to", "points.csv")
    found = {}
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        for student in ("all", "crash"):
            submission = gradebook.find_submission("ps", student)
            grades = submission.notebooks[0].grades
            assert not any(grade.needs_manual_grade for grade in grades)
            found[student] = {g.name.removeprefix("check_"): g.score for g in grades}
            assert submission.total_seconds_late == 24 * 3600
    return found


@pytest.mark.parametrize("name", MISHAPS)
def test_a_mishap_earns_what_is_right(graded, name):
    mishap = MISHAPS[name]
    assert graded["all"][mishap.exercise] == (2 if mishap.earns else 0)


def test_a_crash_costs_its_own_points_only(graded):
    assert {name for name, score in graded["crash"].items() if score == 0} == {CRASHED}


def test_a_loop_that_cannot_be_stopped_is_left_out(monkeypatch):
    monkeypatch.setattr(run, "_PATIENCE", 1)
    cells = [nbformat.v4.new_code_cell(source) for source in ("1", ENDLESS, "print('here')")]
    notebook, _ = run.Run(timeout=2).preprocess(nbformat.v4.new_notebook(cells=cells), {})
    assert notebook.cells[1].outputs[0].output_type == "error"
    assert notebook.cells[2].outputs[0].text == "here\n"


def test_the_feedback_shows_the_card_of_a_check_and_no_code_of_the_course(graded, course):
    nbgrader(course, "generate_feedback", "ps", "--student", "crash")
    page = (course / "feedback" / "crash" / "ps" / "00_tiny.html").read_text()
    before, told, _ = page.partition("There is no neighbour_pairs yet")
    assert told and before.rindex('role="status"') > before.rindex("Grade cell")
    assert "classroom/exercises" not in page


def test_the_table_of_points_has_every_learner(graded, course):
    rows = (course / "points.csv").read_text().splitlines()
    assert len(rows) == 3 and sum(",all," in row for row in rows) == 1

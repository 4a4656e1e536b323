"""A class with the real nbgrader: hand a lesson out, collect three submissions, grade them."""

from __future__ import annotations

import copy
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from lesson_texts import FRONT, NAMED_EXERCISE, write_course

from classroom.builder import build
from classroom.builder.build import FOLDERS, read_lessons, read_measured
from classroom.builder.exercise_cells import exercises
from classroom.exercises import misconceptions, names

# nbgrader's own use of its database.
pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Class:
    """A graded class: the exercises of the lesson, the one done wrongly, and the scores."""

    exercises: list[str]
    wrong: str
    points: dict[str, float]  # what each exercise is worth
    scores: dict[str, dict[str, float]]  # by student and exercise
    total: dict[str, float]  # by student
    errors: dict[str, list[str]]  # by student: the cells that raised
    release: str


def lesson_folder(tmp_path: Path) -> tuple[Path, str]:
    """Return a root and the slug of a lesson with exercises: the quickest, else a small one."""
    took = read_measured(ROOT)
    built = {path.stem for path in (ROOT / "solutions").glob("*.ipynb")}
    lessons = {slug: x for slug, x in read_lessons(ROOT).items() if slug in built}
    real = [slug for slug, lesson in lessons.items() if len(exercises(lesson)) >= 2]
    if real:
        return ROOT, min(real, key=lambda slug: took.get(slug[3:], {}).get("seconds", 1000))
    text = FRONT.replace("minutes: 9", "minutes: 2") + "\n## Two questions (2 min)\n"
    text += "\n```{code-cell} ipython3\nfrom classroom.exercises import check, get\n```\n"
    for difficulty, name in enumerate(sorted(names())[:2], 1):
        text += NAMED_EXERCISE.format(name=name, difficulty=difficulty)
    build(write_course(tmp_path, text))
    return tmp_path, "00_tiny"


def submissions(root: Path, slug: str, wrong: str) -> dict[str, nbformat.NotebookNode]:
    """Return what three learners hand in: nothing, everything, everything but one exercise."""
    empty, full = (nbformat.read(root / f / f"{slug}.ipynb", as_version=4) for f in FOLDERS)
    mistaken = copy.deepcopy(full)
    (cell,) = (c for c in mistaken.cells if c.metadata.get("nbgrader", {}).get("grade_id") == wrong)
    name = next(iter(misconceptions(wrong)))
    cell.source = (
        "from classroom.exercises import misconceptions\n"
        f'{wrong} = misconceptions("{wrong}")["{name}"]'
    )
    return {"empty": empty, "full": full, "mistaken": mistaken}


@pytest.fixture(scope="module")
def nbgrader_path():
    """Let nbgrader find its helper `alembic`, which it calls by its bare name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        yield


@pytest.fixture(scope="module")
def graded(nbgrader_path, tmp_path_factory) -> Class:
    """Hand out, collect and grade one lesson."""
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import Config

    root, slug = lesson_folder(tmp_path_factory.mktemp("lesson"))
    found = [exercise.name for exercise in exercises(read_lessons(root)[slug])]
    wrong = found[-1]
    course = tmp_path_factory.mktemp("course")
    (course / "source" / "ps").mkdir(parents=True)
    source = root / "solutions" / f"{slug}.ipynb"
    (course / "source" / "ps" / source.name).write_bytes(source.read_bytes())
    config = Config()
    config.CourseDirectory.root = str(course)
    config.Execute.timeout = 120
    (course / "exchange").mkdir()
    config.Exchange.root = str(course / "exchange")  # else nbgrader asks for one in /usr
    api = NbGraderAPI(config=config)
    succeed(api.generate_assignment("ps"))
    for student, notebook in submissions(root, slug, wrong).items():
        folder = course / "submitted" / student / "ps"
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / source.name)
        succeed(api.autograde("ps", student))
    with api.gradebook as gradebook:
        return result(gradebook, course, slug, found, wrong)


def succeed(answer: dict) -> None:
    assert answer["success"], f"{answer.get('log')}\n{answer.get('error')}"


def result(gradebook, course: Path, slug: str, found: list[str], wrong: str) -> Class:
    scores, total, errors, points = {}, {}, {}, {}
    for student in ("empty", "full", "mistaken"):
        submission = gradebook.find_submission("ps", student)
        (notebook,) = submission.notebooks
        scores[student] = {g.name.removeprefix("check_"): g.score for g in notebook.grades}
        points = {g.name.removeprefix("check_"): g.max_score for g in notebook.grades}
        total[student] = submission.score
        run = nbformat.read(course / "autograded" / student / "ps" / f"{slug}.ipynb", 4)
        errors[student] = [
            cell.metadata.get("nbgrader", {}).get("grade_id", cell.source)
            for cell in run.cells
            if any(output.output_type == "error" for output in cell.get("outputs", []))
        ]
    release = (course / "release" / "ps" / f"{slug}.ipynb").read_text()
    return Class(found, wrong, points, scores, total, errors, release)


def test_nbgrader_hands_out_a_lesson_without_its_solutions(graded):
    assert "SOLUTION" not in graded.release
    assert graded.release.count("NotImplementedError") >= len(graded.exercises) >= 2


def test_every_exercise_is_graded_and_worth_something(graded):
    assert set(graded.points) == set(graded.exercises) and min(graded.points.values()) >= 1


def test_the_solutions_get_every_point(graded):
    assert graded.scores["full"] == graded.points
    assert graded.total["full"] == sum(graded.points.values())


def test_the_notebook_as_it_was_handed_out_gets_no_point(graded):
    assert graded.total["empty"] == 0 and set(graded.scores["empty"].values()) == {0}


def test_a_wrong_answer_costs_its_own_points_and_no_others(graded):
    assert graded.scores["mistaken"] == graded.points | {graded.wrong: 0}
    assert graded.total["mistaken"] == graded.total["full"] - graded.points[graded.wrong]


def test_nothing_but_the_checks_of_wrong_answers_raises(graded):
    assert graded.errors["full"] == []
    assert graded.errors["mistaken"] == [f"check_{graded.wrong}"]
    assert graded.errors["empty"] == [f"check_{name}" for name in graded.exercises]

"""Properties of the lesson machine, and of the lessons and notebooks of the repository."""

from __future__ import annotations

import ast
import json
import re
import shutil
from functools import cache
from pathlib import Path

import pytest
from lesson_texts import KNOWN, TINY, write_contents, write_course

from classroom.__main__ import main
from classroom.builder import build, measure
from classroom.builder.build import notebooks, read_lessons, read_measured
from classroom.builder.exercise_cells import exercises
from classroom.builder.saved import HASH
from classroom.builder.source import lesson_path
from classroom.contents import read_contents, slug

ROOT = Path(__file__).parents[2]
NAMES = read_contents(ROOT)
FOLDERS = ("notebooks", "solutions")
ANSWER = '\n+++ {"tags": ["answer"]}\n\nTwo.\n\n+++\n'
LINKS = "[lesson {lesson:last}](last.ipynb)"
NOTEBOOKS = [
    ROOT / folder / f"{slug(number, name)}.ipynb"
    for number, name in enumerate(NAMES)
    for folder in FOLDERS
]

for_each_notebook = pytest.mark.parametrize(
    "path", NOTEBOOKS, ids=lambda path: f"{path.parent.name}/{path.stem}"
)


@pytest.fixture
def folder(tmp_path):
    """A folder with one small lesson."""
    return write_course(tmp_path)


def both(folder: Path) -> tuple[dict, dict]:
    """Build, and return the learner's notebook and the one with solutions."""
    build(folder, known=KNOWN)
    paths = [folder / name / "00_tiny.ipynb" for name in FOLDERS]
    return tuple(json.loads(path.read_text()) for path in paths)


def text(cell: dict) -> str:
    return "".join(cell["source"])


def cells(notebook: dict, kind: str) -> list[str]:
    return [text(cell) for cell in notebook["cells"] if cell["cell_type"] == kind]


@cache
def made(path: Path) -> dict:
    """What the builder makes: in the file itself somebody may have worked."""
    return json.loads(_made()[path])


@cache
def _made() -> dict[Path, bytes]:
    return notebooks(ROOT, read_lessons(ROOT))


# What is built.


def test_the_notebooks_of_the_repository_are_up_to_date():
    assert build(check=True) == [], "run: python -m classroom build"


def test_the_same_lesson_gives_the_same_bytes(folder):
    paths = build(folder, known=KNOWN)
    first = [path.read_bytes() for path in paths]
    for path in paths:
        path.unlink()
    assert build(folder, known=KNOWN) == paths
    assert [path.read_bytes() for path in paths] == first


def test_a_second_build_changes_nothing(folder):
    assert len(build(folder, known=KNOWN)) == 2
    assert build(folder, known=KNOWN) == []


def test_a_check_writes_nothing(folder):
    paths = build(folder, check=True, known=KNOWN)
    assert [path.parent.name for path in paths] == list(FOLDERS)
    assert not any(path.exists() for path in paths)


@pytest.mark.parametrize("name", FOLDERS)
def test_an_edited_notebook_is_out_of_date_and_made_anew_only_on_demand(folder, name):
    build(folder, known=KNOWN)
    path = folder / name / "00_tiny.ipynb"
    wanted = path.read_bytes()
    path.write_bytes(wanted.replace(b"Some words", b"Other words"))
    assert build(folder, check=True, known=KNOWN) == [path]
    with pytest.raises(ValueError, match=f"{name}/00_tiny.ipynb: saved by somebody.*--overwrite"):
        build(folder, known=KNOWN)
    build(folder, overwrite=True, known=KNOWN)
    assert path.read_bytes() == wanted


def saved_answer(folder: Path) -> Path:
    """Answer the exercise in the learner's notebook as JupyterLab would save it."""
    build(folder, known=KNOWN)
    path = folder / "notebooks" / "00_tiny.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"][5]["source"] = "def double(x):\n    return 2 * x"
    notebook["cells"][5]["execution_count"] = 3
    path.write_text(json.dumps(notebook))
    return path


def test_a_saved_answer_is_up_to_date_and_no_build_takes_it_away(folder):
    path = saved_answer(folder)
    assert build(folder, check=True, known=KNOWN) == [] == build(folder, known=KNOWN)
    assert "return 2 * x" in path.read_text()


def test_a_saved_answer_is_not_in_what_the_builder_makes_which_is_what_the_tests_look_at(folder):
    path = saved_answer(folder)
    wanted = notebooks(folder, read_lessons(folder))[path]
    assert b"return 2 * x" not in wanted and b'"execution_count": 3' not in wanted


@pytest.mark.parametrize("kernel", [{}, {"version": "3.11.2"}])
def test_a_notebook_that_was_only_run_is_up_to_date(folder, kernel):
    build(folder, known=KNOWN)
    path = folder / "notebooks" / "00_tiny.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"][2]["execution_count"] = None if kernel else 1
    notebook["metadata"]["language_info"] |= kernel
    path.write_text(json.dumps(notebook))
    assert build(folder, check=True, known=KNOWN) == []
    write_course(folder, TINY.replace("Some words", "Other words"))
    assert len(build(folder, known=KNOWN)) == 2  # nobody's work is lost


def test_a_lesson_that_changes_refuses_to_lose_a_saved_answer(folder):
    path = saved_answer(folder)
    write_course(folder, TINY.replace("Some words", "Other words"))
    with pytest.raises(ValueError, match="notebooks/00_tiny.ipynb"):
        build(folder, known=KNOWN)
    assert "return 2 * x" in path.read_text()


def test_a_lesson_without_changes_is_written_anew_where_nobody_saved(folder):
    build(folder, known=KNOWN)
    write_course(folder, TINY.replace("Some words", "Other words"))
    assert len(build(folder, known=KNOWN)) == 2


def test_the_notebooks_of_a_lesson_that_is_gone_go_and_others_stay(folder):
    paths = build(folder, known=KNOWN)
    mine = paths[0].with_name("my_notes.ipynb")
    shutil.copy(paths[0], mine)
    (folder / "lessons" / "tiny" / "lesson.md").unlink()
    write_contents(folder)
    write_course(folder, TINY.replace("00_tiny", "00_new"), "new")
    assert set(paths) < set(build(folder, known=KNOWN))
    assert not any(path.exists() for path in paths) and mine.exists()


def test_cells_keep_their_tags_and_get_fixed_ids(folder):
    learner, _ = both(folder)
    assert [cell["id"] for cell in learner["cells"]] == [f"00-tiny-{n:02d}" for n in range(7)]
    assert learner["cells"][2]["metadata"] == {"tags": ["keep"]}


def test_the_first_cell_is_made_from_the_front_matter(folder):
    for notebook in both(folder):
        first = text(notebook["cells"][0])
        assert first.startswith("# Tiny\n") and "- see it" in first and "Eq. 3" in first
        assert "9 minutes" in first and "30 seconds" in first and "not measured yet" in first


def test_the_first_cell_says_what_was_measured(folder):
    took = {"tiny": {"seconds": 25, "memory_mib": 900}}
    (folder / "lessons" / "measured.json").write_text(json.dumps(took))
    for notebook in both(folder):
        assert "25 seconds and 900 MiB on two CPU cores" in text(notebook["cells"][0])


def test_a_folder_without_lessons_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="lessons"):
        build(tmp_path)


def test_a_lesson_between_two_others_renames_none(folder):
    write_course(folder, TINY.replace("double", "half"), "last")
    write_contents(folder, "tiny", "new", "last")
    text = TINY.replace("double", "third").replace("[first](00_tiny.ipynb)", LINKS)
    write_course(folder, text, "new")
    names = {path.name for path in build(folder, known=[*KNOWN, "third"])}
    assert names == {"00_tiny.ipynb", "01_new.ipynb", "02_last.ipynb"}
    assert "[lesson 02](02_last.ipynb)" in (folder / "notebooks" / "01_new.ipynb").read_text()


def test_a_lesson_that_the_contents_do_not_name_is_refused(folder):
    write_course(folder, TINY, "stray")
    write_contents(folder, "tiny")
    with pytest.raises(ValueError, match=r"lessons/stray/lesson.md:1: .*contents.toml"):
        build(folder, known=KNOWN)


# Exercises.


def test_learners_get_a_stub_in_the_place_of_the_solution(folder):
    learner, solution = both(folder)
    stub, answer = (text(notebook["cells"][5]) for notebook in (learner, solution))
    assert "SOLUTION" not in stub and "x + x" not in stub
    scope = {}
    exec(stub, scope)
    with pytest.raises(NotImplementedError):
        scope["double"](1)
    exec(answer, scope)
    assert scope["double"](2) == 4 and "    ### BEGIN SOLUTION\n" in answer


def test_a_stub_invites_in_a_comment(folder):
    stub = text(both(folder)[0]["cells"][5])
    assert re.search(r"\n    # Your turn: .*\n    raise NotImplementedError$", stub)


def test_only_the_solution_differs_between_the_folders(folder):
    learner, solution = both(folder)
    learner["cells"][5]["source"] = solution["cells"][5]["source"]
    for notebook in (learner, solution):
        del notebook["metadata"]["steady_frames"][HASH]
    assert learner == solution


def test_answers_are_folded_in_solutions_and_absent_for_learners(tmp_path):
    asked = "**Predict.** What is it?\n\n```{code-cell}\n1 + 1\n```\n" + ANSWER
    learner, solution = both(write_course(tmp_path, TINY.replace("Some words.", asked)))
    assert not any("Two." in text(cell) for cell in learner["cells"])
    (answer,) = (text(cell) for cell in solution["cells"] if "Two." in text(cell))
    assert answer == "<details><summary>Answer</summary>\n\nTwo.\n\n</details>"


def test_an_exercise_says_under_its_heading_what_it_takes(folder):
    told = (
        "### Exercise: Twice as much\n\n*About 4 minutes, difficulty 2 of 3.*\n\nDouble a number."
    )
    for notebook in both(folder):
        assert text(notebook["cells"][4]).startswith(told)


def test_both_folders_carry_what_nbgrader_needs(folder):
    from nbformat import from_dict
    from nbgrader.nbgraderformat.v3 import MetadataValidatorV3

    for notebook in both(folder):
        MetadataValidatorV3().validate_nb(from_dict(notebook))
        answer, check = (cell["metadata"]["nbgrader"] for cell in notebook["cells"][5:7])
        assert (answer["grade_id"], answer["solution"], answer["grade"]) == ("double", True, False)
        assert (check["grade_id"], check["solution"], check["grade"]) == (
            "check_double",
            False,
            True,
        )
        assert check["locked"] and not answer["locked"] and check["points"] == 2


# Measuring, and the command line.


@pytest.fixture
def plain(tmp_path):
    """A folder with a lesson without exercises, which runs in a moment."""
    short = TINY[: TINY.index("## Your turn")].replace("minutes: 9", "minutes: 2")
    return write_course(tmp_path, short.replace("[The next section](#Your-turn-(7-min)), ", ""))


def test_a_measurement_runs_the_solutions_and_is_told_in_both_notebooks(plain):
    ((name, result),) = measure(["00"], plain, known=KNOWN)
    assert name == "00_tiny" and read_measured(plain) == {"tiny": result}
    assert 0 < result["seconds"] < 120 and 10 < result["memory_mib"] < 1000
    told = f"{result['seconds']} seconds and {result['memory_mib']} MiB"
    built = [json.loads((plain / name / "00_tiny.ipynb").read_text()) for name in FOLDERS]
    assert all(told in cells(notebook, "markdown")[0] for notebook in built)
    assert build(plain, check=True, known=KNOWN) == []


@pytest.mark.parametrize("code", ["1 / 0", "from PIL import Image as I\nI.new('L', (4, 4))"])
def test_a_lesson_that_raises_or_shows_a_bare_picture_is_not_measured(plain, code):
    path = plain / "lessons" / "tiny" / "lesson.md"
    path.write_text(path.read_text().replace("1 + 1", code))
    with pytest.raises(ValueError, match=r"solutions/00_tiny.ipynb"):
        list(measure((), plain, known=KNOWN))
    assert read_measured(plain) == {}


def test_a_lesson_that_is_not_there_is_not_measured(plain):
    with pytest.raises(ValueError, match="'07'; there are 00_tiny"):
        list(measure(["07"], plain, known=KNOWN))


def run(folder: Path, monkeypatch, *options: str) -> int:
    """Run the command line as if the classroom lay in a folder."""
    monkeypatch.setattr("classroom.__file__", str(folder / "classroom" / "__init__.py"))
    return main(["build", *options])


def test_a_check_names_what_is_out_of_date_and_ends_in_1(plain, monkeypatch, capsys):
    assert run(plain, monkeypatch, "--check") == 1
    assert "solutions/00_tiny.ipynb" in capsys.readouterr().out
    assert run(plain, monkeypatch) == 0 and run(plain, monkeypatch, "--check") == 0


def test_a_refusal_prints_a_line_for_each_fault_and_ends_in_2(plain, monkeypatch, capsys):
    path = plain / "lessons" / "tiny" / "lesson.md"
    path.write_text(
        path.read_text().replace("An arrow that points up.", "").replace(" (2 min)", "")
    )
    assert run(plain, monkeypatch) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 2 and all(line.startswith("lessons/tiny/lesson.md:") for line in lines)


# The lessons of the repository.


@for_each_notebook
def test_notebooks_say_what_made_them_in_the_first_line_of_their_metadata(path):
    metadata = made(path)["metadata"]
    assert metadata[next(iter(metadata))].startswith(
        f"generated from lessons/{path.stem[3:]}/lesson.md;"
    )


@for_each_notebook
def test_notebooks_hold_no_outputs_and_no_trace_of_a_run(path):
    code = [c for c in made(path)["cells"] if c["cell_type"] == "code"]
    assert code and all(not c["outputs"] and c["execution_count"] is None for c in code)
    assert all("execution" not in c["metadata"] for c in code)


def length(source: str) -> int:
    """Count the lines that a learner has to read: neither blank nor imports."""
    imports = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Import | ast.ImportFrom)]
    skipped = {line for node in imports for line in range(node.lineno, node.end_lineno + 1)}
    lines = enumerate(source.splitlines(), 1)
    return len([line for number, line in lines if line.strip() and number not in skipped])


@for_each_notebook
def test_code_cells_are_short_enough_to_read_at_a_glance(path):
    for cell in made(path)["cells"]:
        if cell["cell_type"] == "code" and "exercise" not in cell["metadata"].get("tags", []):
            assert length(text(cell)) <= 12, text(cell)


@for_each_notebook
def test_code_lines_fit_a_notebook(path):
    lines = [line for cell in cells(made(path), "code") for line in cell.splitlines()]
    assert max(map(len, lines)) <= 100


@for_each_notebook
def test_what_a_cell_shows_stands_last_in_it_or_nobody_would_see_it(path):
    shows = ("show", "show_clips", "play", "explore", "claim", "check", "Markdown")
    for cell in cells(made(path), "code"):
        for node in ast.parse(re.sub("^%.*", "", cell, flags=re.M)).body[:-1]:
            called = node.value.func if isinstance(getattr(node, "value", None), ast.Call) else None
            assert not (isinstance(node, ast.Expr) and getattr(called, "id", "") in shows), cell


@for_each_notebook
def test_each_prediction_is_followed_by_the_code_that_settles_it(path):
    found = made(path)["cells"]
    asked = [
        n for n, c in enumerate(found) if re.search(r"^\*\*Predict\.\*\*", text(c), flags=re.M)
    ]
    assert asked and all(found[n + 1]["cell_type"] == "code" for n in asked)


@for_each_notebook
def test_every_lesson_but_the_last_ends_with_a_link_to_the_next(path):
    number = int(path.stem[:2]) + 1
    following = f"]({slug(number, NAMES[number])}.ipynb)." if number < len(NAMES) else None
    said = [words for words in cells(made(path), "markdown") if "Next: [" in words]
    assert [words[words.index("](") :] for words in said] == [following] * bool(following)
    assert not following or said[0] == text(made(path)["cells"][-1])


@pytest.mark.parametrize("name", NAMES)
def test_every_lesson_is_measured_and_keeps_its_limit(name):
    measured = read_measured(ROOT).get(name)
    assert measured, f"run: python -m classroom build --measure {name}"
    (lesson,) = (lesson for lesson in read_lessons(ROOT).values() if lesson.name == name)
    assert measured["seconds"] <= lesson.facts["limit_seconds"]


def test_the_readme_gives_every_lesson_its_minutes_and_what_it_needs():
    text = (ROOT / "README.md").read_text()
    for lesson in read_lessons(ROOT).values():
        row = next(
            line for line in text.splitlines() if f"](solutions/{lesson.slug}.ipynb)" in line
        )
        assert row.endswith(f" {lesson.facts['minutes']} |"), row
        needs = " ".join(lesson.facts["prerequisites"])
        lessons_in = re.compile(r"\b\d\d\b").findall
        assert set(lessons_in(row.split(" | ")[2])) == set(lessons_in(needs)), row


def test_the_readme_says_how_long_the_course_is():
    minutes = sum(lesson.facts["minutes"] for lesson in read_lessons(ROOT).values())
    assert f"## The lessons: {minutes / 60:.0f} hours" in (ROOT / "README.md").read_text()


def test_every_exercise_of_the_course_is_in_its_lesson():
    from classroom.exercises import get, names

    lessons = read_lessons(ROOT).values()
    found = {e.name: lesson.name for lesson in lessons for e in exercises(lesson)}
    assert found == {name: get(name).lesson for name in names()}


@pytest.mark.parametrize("name", NAMES)
def test_an_editor_that_saves_a_lesson_keeps_its_front_matter(name):
    import jupytext

    text = (ROOT / lesson_path(name)).read_text()
    saved = jupytext.writes(jupytext.reads(text, fmt="md:myst"), fmt="md:myst")
    facts = [jupytext.reads(t, fmt="md:myst").metadata["steady_frames"] for t in (text, saved)]
    assert facts[0] == facts[1]

"""Progress outlives the kernel, is never lost to a second one, and never breaks a check."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from classroom import contents, exercises
from classroom.builder.build import read_lessons
from classroom.exercises import Case, Exercise, check, progress, reset_progress
from classroom.exercises.progress import progress_file, record


def one(name: str) -> Exercise:
    return Exercise(
        name=name,
        lesson="90_made_up",
        title=f"The {name} one",
        reference=lambda x: x + 1,
        cases=lambda generator: [Case("one number", (torch.rand(1, generator=generator),))],
        misconceptions=(),
    )


@pytest.fixture(autouse=True)
def two_exercises(monkeypatch):
    """Replace the exercises of the course by two."""
    found = {name: one(name) for name in ("first", "second")}
    monkeypatch.setattr(sys.modules["classroom.exercises.registry"], "registry", lambda: found)
    monkeypatch.setattr(exercises, "registry", lambda: found)


def states() -> list[str]:
    return [row[-1] for row in progress().rows]


def right(x):
    return x + 1


def wrong(x):
    return x - 1


def stub(x):
    raise NotImplementedError


def test_progress_goes_from_open_to_tried_to_done_and_stays_there():
    seen = [states()]
    for answer in (stub, wrong, right, wrong):
        check("first", answer)
        seen.append(states())
    assert [pair[0] for pair in seen] == ["open", "open", "tried", "done", "done"]
    assert all(pair[1] == "open" for pair in seen)


def test_progress_is_shown_in_words(monkeypatch):
    check("first", right)
    monkeypatch.setitem(globals(), "first", right)  # as in a notebook that has the exercise
    assert "1 of 2 exercises done" in repr(progress())
    assert "<strong>done</strong>" in progress()._repr_html_()
    assert "90_made_up: 1 of 2 done" in progress()._repr_html_()


def test_a_lesson_that_the_notebook_does_not_hold_has_one_line():
    assert repr(progress()).splitlines()[1:] == ["90_made_up: 0 of 2 done"]
    assert "The first one" not in progress()._repr_html_()


def test_lessons_have_the_titles_of_their_texts():
    lessons = read_lessons(Path(__file__).parents[3]).values()
    wanted = {each.name: f"{each.number:02d}, {each.facts['title']}" for each in lessons}
    assert contents.titles() == wanted


def test_progress_is_reset_by_one_call():
    check("first", right)
    reset_progress()
    assert states() == ["open", "open"]
    reset_progress()  # and again, where there is nothing


def test_progress_lives_in_the_file_and_not_in_the_kernel(progress_path):
    check("first", right)
    kept = progress_path.read_text()
    reset_progress()
    progress_path.write_text(kept)  # as a new kernel finds it
    assert states() == ["done", "open"]


def test_many_writers_lose_nothing():
    with ThreadPoolExecutor(8) as pool:
        notes = list(pool.map(lambda index: record(f"e{index}", "passed"), range(40)))
    assert set(notes) == {""}
    assert len(json.loads(progress_file().read_text())["exercises"]) == 40


def test_no_temporary_file_is_left(progress_path):
    check("first", right)
    assert {path.name for path in progress_path.parent.iterdir()} <= {
        "progress.json",
        "progress.json.lock",
    }


@pytest.mark.parametrize(
    "content", [b"not json", b"[]", b'{"exercises": {"a": 7}}', b"\xff\xfe\x00"]
)
def test_a_broken_file_is_set_aside_and_said(progress_path, content):
    progress_path.write_bytes(content)
    assert "cannot be read" in repr(progress())
    report = check("first", right)
    assert report.passed and "could not be read" in report.text
    assert states() == ["done", "open"]
    assert progress_path.with_name("progress.json.unreadable").read_bytes() == content


def test_a_place_that_cannot_be_written_does_not_break_a_check(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STEADY_FRAMES_PROGRESS", str(tmp_path / "file" / "progress.json"))
    report = check("first", right)
    assert report.passed and "was not saved" in report.text and "not saved" in report._repr_html_()
    assert states() == ["open", "open"]


def test_a_lock_that_is_held_does_not_break_a_check(monkeypatch, progress_path):
    monkeypatch.setattr(sys.modules["classroom.exercises.progress"], "_WAIT", 0.05)
    with FileLock(f"{progress_path}.lock"):
        assert "another program" in check("first", right).text


def test_a_folder_gets_a_file(monkeypatch, tmp_path):
    monkeypatch.setenv("STEADY_FRAMES_PROGRESS", str(tmp_path))
    assert progress_file() == tmp_path / "progress.json"


def test_without_the_variable_it_lies_in_the_users_data_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("STEADY_FRAMES_PROGRESS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert progress_file().name == "progress.json"
    assert "steady-frames" in progress_file().parts


@pytest.mark.parametrize("answer", [wrong, stub])
def test_under_nbgrader_an_answer_that_does_not_pass_raises(monkeypatch, progress_path, answer):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    with pytest.raises(AssertionError, match="The first one"):
        check("first", answer)
    assert check("first", right).passed
    assert not os.path.exists(progress_path)

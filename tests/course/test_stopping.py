"""A command that is stopped at any moment: one line, exit code 2, nothing half-written."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from course import files
from course.__main__ import main
from course.clips import read_clip
from course.commands import editing, stopping
from course.commands.results import FILE

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("signals_come")
PROMPTS = ["--source", "a red circle", "--target", "a green star"]
QUICK = ["--method", "frame_by_frame", "--steps", "1", "--no-baselines", "--quiet"]
STOPPED = "stopped; no half-written file is left\n"
EACH = 5  # files of an edit: clip, sheet, figures twice, curve
MOMENTS = {
    "the empty table": (1, 0), "the first clip": (2, 0), "its curve": (1 + EACH, 0),
    "its line": (2 + EACH, 0), "the second sheet": (4 + EACH, 1), "the last line": (19, 2),
}  # fmt: skip
"""Writes of a folder of three edits, counted from 1, and how many edits are finished by then."""


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    assert main(["render", "--frames", "3", "--output", str(folder / "a.mp4")]) == 0
    for name in "bc":
        shutil.copy(folder / "a.mp4", folder / f"{name}.mp4")
    return folder


@pytest.fixture(scope="module")
def made(clips, embedded, tmp_path_factory):
    """Return what one edit gives, to be written again and again."""
    kept, edited = [], editing.edited
    output = str(tmp_path_factory.mktemp("made") / "o.mp4")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("course.models.load", lambda *_, **__: embedded)
        patch.setattr(editing, "edited", lambda *given: kept.append(edited(*given)) or kept[0])
        assert main(["edit", str(clips / "a.mp4"), *PROMPTS, *QUICK, "--output", output]) == 0
    return kept[0]


@pytest.fixture
def stop_at(made, embedded, monkeypatch):
    """Return a function that lets a signal come in the middle of a write (0: never)."""
    monkeypatch.setattr(editing, "edited", lambda *_: made)
    monkeypatch.setattr("course.models.load", lambda *_, **__: embedded)
    fsync = os.fsync

    def stop(moment: int, number: int = signal.SIGTERM) -> None:
        written = []

        def come(file: int) -> None:
            written.append(file)
            if len(written) == moment:
                signal.raise_signal(number)
            fsync(file)

        monkeypatch.setattr(files.os, "fsync", come)

    return stop


def look_at(folder: Path) -> None:
    """Read every file of a folder: none is hidden, cut off, or of a run's own."""
    for file in folder.rglob("*"):
        assert not file.name.startswith(".")
        if file.suffix == ".mp4":
            assert read_clip(file).n_frames == 3
        elif file.suffix == ".png":
            Image.open(file).load()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_folder_that_is_stopped_is_whole_and_goes_on(
    clips, stop_at, tmp_path, capsys, moment, number
):
    write, n_done = MOMENTS[moment]
    table, output = tmp_path / "table.csv", tmp_path / "out"
    lines = [f"{name}.mp4,a red circle,a green star" for name in "abc"]
    table.write_text("\n".join(["clip,source,target", *lines]))
    folders = ["--clips", str(clips), "--prompts", str(table), "--output", str(output)]
    stop_at(write, number)
    assert main(["edit", *folders, *QUICK]) == 2 and capsys.readouterr().err == STOPPED
    look_at(output)
    stop_at(0)
    assert main(["edit", *folders, *QUICK, "--resume"]) == 0
    assert f"{n_done} of 3 edits are finished" in capsys.readouterr().out
    look_at(output)
    with open(output / FILE, newline="", encoding="utf-8") as file:
        assert [record["state"] for record in csv.DictReader(file)] == 3 * ["done"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("moment", range(1, EACH + 1))
def test_an_edit_that_is_stopped_leaves_whole_files_only(
    clips, stop_at, tmp_path, capsys, moment, number
):
    stop_at(moment, number)
    output = ["--output", str(tmp_path / "o.mp4")]
    assert main(["edit", str(clips / "a.mp4"), *PROMPTS, *QUICK, *output]) == 2
    assert capsys.readouterr().err == STOPPED
    assert len(list(tmp_path.iterdir())) == moment - 1
    look_at(tmp_path)


def test_a_command_runs_and_stops_where_only_posix_has_more(stop_at, tmp_path, monkeypatch, capsys):
    """As on Windows: no such signals, no timer, no limits to ask for, no number of a user."""
    for name in ("SIGHUP", "SIGALRM", "setitimer"):
        monkeypatch.delattr(signal, name)
    for name in ("pathconf", "getuid"):
        monkeypatch.delattr(os, name)
    clip, edit = tmp_path / "a.mp4", tmp_path / "o.mp4"
    assert main(["render", "--frames", "3", "--output", str(clip)]) == 0
    command = ["edit", str(clip), *PROMPTS, *QUICK, "--output", str(edit)]
    stop_at(1, signal.SIGINT)
    assert main(command) == 2 and not edit.exists()
    assert capsys.readouterr().err.endswith(STOPPED)
    stop_at(0)
    assert main(command) == 0 and edit.exists()


class Swallowing:
    """Python passes over what is raised where a thing ends."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


def test_an_interrupt_that_python_passes_over_comes_again(clips, stop_at, tmp_path, monkeypatch):
    def work(*_) -> None:
        Swallowing()
        time.sleep(60)

    stop_at(0)
    monkeypatch.setattr(editing, "edited", work)
    monkeypatch.setattr(stopping, "_AGAIN", 0.05)
    output = ["--output", str(tmp_path / "o.mp4")]
    assert main(["edit", str(clips / "a.mp4"), *PROMPTS, *QUICK, *output]) == 2
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_ctrl_c_twice_does_not_disturb_the_cleaning_up():
    cleaned = []
    with pytest.raises(KeyboardInterrupt), stopping.stoppable():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
            cleaned.append(True)
    assert cleaned


def test_a_signal_that_was_ignored_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    with stopping.stoppable():
        signal.raise_signal(signal.SIGHUP)


@pytest.mark.parametrize("passes", ["pass", "exec('import signal; signal.raise_signal(2)')"])
def test_the_exit_code_of_a_stopped_process_is_2_wherever_it_was(tmp_path, passes):
    script = "import sys\nfrom course.__main__ import main\nfrom course.commands import render\n"
    script += "from course.commands.stopping import leave\n"
    script += f"def run(options):\n  {passes}\n  raise KeyboardInterrupt\n"
    script += "render.run = run\nleave(main(['render', '--output', sys.argv[1]]))"
    command = [sys.executable, "-c", script, str(tmp_path / "a.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (2, STOPPED)


def test_nothing_but_the_means_of_stopping_is_imported_before_a_command_can_be_stopped():
    script = "import sys; import course.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    ours = {name for name in done.stdout.split() if name.startswith("course")}
    assert ours == {"course", "course.__main__", "course.commands", "course.commands.stopping"}
    assert "argparse" not in done.stdout.split()

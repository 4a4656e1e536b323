"""A disk that is full in the middle of a write: one line, exit code 2, nothing half-written.

The limit is that of the process on the size of a file: the system refuses the write as it does on a
full disk, and no rights are needed for it.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from course.__main__ import main

PROMPTS = ["--source", "a red circle", "--target", "a green star"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "in.mp4"
    assert main(["render", "--frames", "3", "--output", str(path)]) == 0
    return str(path)


def run(limit: int, *arguments: str) -> subprocess.CompletedProcess:
    """Run a command whose files may have this many bytes."""
    return subprocess.run(
        [sys.executable, "-m", "course", *arguments],
        capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip


def one_line(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    return line


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_training_onto_a_full_disk_leaves_nothing(clip, tmp_path):
    options = ["--steps", "1", "--window", "3", "--quiet"]
    done = run(
        9000,
        "finetune",
        clip,
        "--prompt",
        "a red circle",
        *options,
        "--output",
        str(tmp_path / "a"),
    )
    assert "checkpoint.safetensors could not be written" in one_line(done)
    assert not files(tmp_path)


@pytest.mark.parametrize(("limit", "left"), [(100, []), (20_000, ["o.mp4"])])
def test_an_edit_onto_a_full_disk_says_what_is_there(clip, tmp_path, limit, left):
    options = ["--method", "frame_by_frame", "--steps", "1", "--no-baselines", "--quiet"]
    output = ["--output", str(tmp_path / "o.mp4")]
    line = one_line(run(limit, "edit", clip, *PROMPTS, *options, *output))
    assert "could not be written" in line and all(str(tmp_path / name) in line for name in left)
    assert files(tmp_path) == left


def test_a_folder_of_edits_onto_a_full_disk_begins_nothing(clip, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("clip,source,target\nin.mp4,a red circle,a green star\n")
    folders = ["--clips", str(Path(clip).parent), "--prompts", str(table)]
    done = run(100, "edit", *folders, "--quiet", "--output", str(tmp_path / "out"))
    assert "results.csv could not be written" in one_line(done)
    assert not files(tmp_path / "out")

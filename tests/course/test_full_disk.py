"""A disk that is full in the middle of a write: one line, exit code 2, nothing half-written.

The limit is that of the process on the size of a file: the system refuses the write as it does on a
full disk, and no rights are needed for it.
"""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from course.__main__ import main

PROMPTS = ["--source", "a red circle", "--target", "a green star"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "in.mp4"
    assert main(["render", "--frames", "3", "--output", str(path)]) == 0
    return str(path)


@pytest.fixture
def refused(capsys):
    """Return a function that runs a command whose files may have so many bytes: its one line."""

    def run(limit: int, *arguments: str) -> str:
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        capsys.readouterr()
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
        try:
            status = main(list(arguments))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert status == 2
        return line

    return run


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_training_onto_a_full_disk_leaves_nothing(refused, clip, tmp_path):
    options = ["--steps", "1", "--window", "3", "--quiet"]
    output = ["--output", str(tmp_path / "a")]
    line = refused(9000, "finetune", clip, "--prompt", "a red circle", *options, *output)
    assert "checkpoint.safetensors could not be written" in line
    assert not files(tmp_path)


@pytest.mark.parametrize(("limit", "left"), [(100, []), (20_000, ["o.mp4"])])
def test_an_edit_onto_a_full_disk_says_what_is_there(refused, clip, tmp_path, limit, left):
    options = ["--method", "frame_by_frame", "--steps", "1", "--no-baselines", "--quiet"]
    output = ["--output", str(tmp_path / "o.mp4")]
    line = refused(limit, "edit", clip, *PROMPTS, *options, *output)
    assert "could not be written" in line and all(str(tmp_path / name) in line for name in left)
    assert files(tmp_path) == left


def test_a_folder_of_edits_onto_a_full_disk_begins_nothing(refused, clip, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("clip,source,target\nin.mp4,a red circle,a green star\n")
    folders = ["--clips", str(Path(clip).parent), "--prompts", str(table)]
    line = refused(100, "edit", *folders, "--quiet", "--output", str(tmp_path / "out"))
    assert "results.csv could not be written" in line
    assert not files(tmp_path / "out")

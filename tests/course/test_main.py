"""The command line: one clear line and exit code 2 for whatever goes wrong."""

from __future__ import annotations

import pytest

from course.__main__ import main
from course.clips import read_clip

PROMPTS = ["--source", "a red circle on a blue background"]
PROMPTS += ["--target", "a green star on a blue background"]
QUICK = ["--steps", "2", "--finetune", "0", "--frames", "3", "--no-baselines", "--quiet"]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "in.mp4"
    assert main(["render", "--frames", "4", "--output", str(path)]) == 0
    return path


def failure(arguments: list[str], capsys) -> str:
    assert main(arguments) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


def test_an_edit_from_the_command_line(source, tmp_path, capsys):
    output = tmp_path / "new folder" / "out.mp4"
    assert main(["edit", str(source), *PROMPTS, *QUICK, "--output", str(output)]) == 0
    assert read_clip(output).n_frames == 3 and str(output) in capsys.readouterr().out


def test_a_bad_input_file_is_one_clear_line(source, tmp_path, capsys):
    for name, content in {"empty.mp4": b"", "text.mp4": b"no video", "cut.mp4": None}.items():
        bad = tmp_path / name
        bad.write_bytes(source.read_bytes()[:700] if content is None else content)
        line = failure(["edit", str(bad), *PROMPTS, *QUICK, "--output", "out.mp4"], capsys)
        assert name in line


def test_a_missing_file_is_named(tmp_path, capsys):
    arguments = ["edit", str(tmp_path / "gone.mp4"), *PROMPTS, "--output", str(tmp_path / "o.mp4")]
    assert "gone.mp4" in failure(arguments, capsys)


def test_unknown_words_are_named_with_those_that_are_known(source, tmp_path, capsys):
    prompts = [*PROMPTS[:2], "--target", "a green zebra on a blue background"]
    arguments = ["edit", str(source), *prompts, *QUICK, "--output", str(tmp_path / "o.mp4")]
    line = failure(arguments, capsys)
    assert "zebra" in line and "circle" in line and not list(tmp_path.iterdir())


def test_an_unknown_model_is_an_error(source, tmp_path, capsys):
    arguments = ["edit", str(source), *PROMPTS, "--output", str(tmp_path / "o.mp4")]
    assert "no/such/folder" in failure([*arguments, "--model", "no/such/folder"], capsys)


def test_the_output_must_be_an_mp4(source, tmp_path, capsys):
    arguments = ["edit", str(source), *PROMPTS, "--output", str(tmp_path / "o.gif")]
    assert ".mp4" in failure(arguments, capsys)


def test_an_output_folder_that_is_a_file_is_an_error(source, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    arguments = ["edit", str(source), *PROMPTS, "--output", str(tmp_path / "file" / "o.mp4")]
    assert "file" in failure(arguments, capsys)


def test_ctrl_c_leaves_nothing_behind(source, tmp_path, capsys, monkeypatch):
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("course.editing.edit", interrupted)
    arguments = ["edit", str(source), *PROMPTS, *QUICK, "--output", str(tmp_path / "o.mp4")]
    assert "stopped" in failure(arguments, capsys) and not list(tmp_path.iterdir())


def test_render_is_deterministic(tmp_path):
    files = [tmp_path / f"{name}.mp4" for name in "ab"]
    for file in files:
        assert main(["render", "--seed", "3", "--frames", "3", "--output", str(file)]) == 0
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_doctor_says_what_was_checked(capsys):
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "torch" in text and "PROBLEM" not in text


def test_the_doctor_says_what_to_do(capsys, monkeypatch):
    monkeypatch.setattr("course.doctor._DISK_MIB", 10**12)
    assert main(["doctor"]) == 2
    assert "free" in capsys.readouterr().out

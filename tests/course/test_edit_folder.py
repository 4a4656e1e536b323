"""A folder of clips: the table that asks, the table that answers, and what comes between."""

from __future__ import annotations

import csv
import os
import re
import shutil
import time
from contextlib import ExitStack

import pytest
from launching import ended, started

from course import models
from course.__main__ import main
from course.commands.outputs import claimed
from course.commands.results import FILE
from course.commands.table import read_table
from course.methods import DEFAULT_METHOD

SOURCE, TARGET = "a red circle", "a green star"
HEADER = "clip,source,target\n"
# The table is in question here, not the method: this one takes a quarter of the time.
QUICK = ["--steps", "2", "--method", "paper", "--finetune", "0", "--no-baselines", "--quiet"]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    for seed, name in enumerate(("a", "b", "c")):
        path = str(folder / f"{name}.mp4")
        assert main(["render", "--seed", str(seed), "--frames", "3", "--output", path]) == 0
    return folder


@pytest.fixture
def clips(rendered, tmp_path):
    return shutil.copytree(rendered, tmp_path / "clips")


def table(tmp_path, *lines: str, header: str = HEADER):
    path = tmp_path / "table.csv"
    path.write_text(header + "\n".join(lines) + "\n")
    return path


def line(name: str, source: str = SOURCE, target: str = TARGET) -> str:
    return f"{name},{source},{target}"


def arguments(clips, path, output, *options: str, quick=QUICK) -> list[str]:
    folders = ["--clips", str(clips), "--prompts", str(path), "--output", str(output)]
    return ["edit", *folders, *quick, *options]


def answers(output) -> dict[str, dict[str, str]]:
    with open(output / FILE, newline="", encoding="utf-8") as file:
        return {record["output"]: record for record in csv.DictReader(file)}


FAULTS = {
    "no column": (HEADER.replace(",target", ""), ["a.mp4,x"], "has no column target"),
    "another column": (HEADER.replace("\n", ",seed\n"), ["a.mp4,x,y,1"], "'seed' too many"),
    "a column twice": (HEADER.replace("\n", ",clip\n"), ["a.mp4,x,y,b.mp4"], "'clip' too many"),
    "nothing in it": (HEADER, [], "no line below its header"),
    "unknown clip": (HEADER, [line("a.mp4"), line("aa.mp4")], "line 3: there is no clip aa.mp4"),
    "clip outside": (HEADER, [line("../a.mp4")], "inside the folder"),
    "clip by path": (HEADER, [line("/etc/passwd")], "inside the folder"),
    "no clip": (HEADER, [",x,y"], "line 2: clip is empty"),
    "no prompt": (HEADER, ["a.mp4,x,  "], "line 2: target is empty"),
    "no word": (HEADER, ["a.mp4,x,..."], "line 2: target is empty"),
    "a comma": (HEADER, ["a.mp4,a circle, red,x"], "quotation marks"),
    "a cell too few": (HEADER, ["a.mp4,x"], "not as many cells"),
    "the same twice": (HEADER, [line("a.mp4")] * 2, "line 3 asks for the same edit as line 2"),
    "one name": (HEADER, [line("a.mp4"), line("a.mp4", "x")], "lines 2 and 3 would both write"),
    "a strange output": (HEADER.replace("\n", ",output\n"), ["a.mp4,x,y,../b.mp4"], "without a"),
    "no mp4": (HEADER.replace("\n", ",output\n"), ["a.mp4,x,y,b.avi"], "name of an mp4"),
    "a quotation mark": (HEADER, ['a.mp4,"x"y,z'], "no line of a table"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_bad_table_is_one_clear_line_and_leaves_nothing(clips, tmp_path, capsys, kind):
    header, lines, wanted = FAULTS[kind]
    path = table(tmp_path, *lines, header=header)
    assert main(arguments(clips, path, tmp_path / "out")) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1 and wanted in told[0]
    assert not (tmp_path / "out").exists()


def test_a_table_in_another_coding_is_refused(clips, tmp_path, capsys):
    path = tmp_path / "table.csv"
    path.write_bytes(HEADER.encode() + b"a.mp4,caf\xe9,x\n")
    assert main(arguments(clips, path, tmp_path / "out")) == 2
    assert "is not UTF-8 (byte 0xe9" in capsys.readouterr().err


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_what_spreadsheets_write_is_read(clips, tmp_path, delimiter):
    path = tmp_path / "table.csv"
    text = (
        (HEADER + '"a.mp4","a, b",c\n').replace(",", delimiter).replace(f"a{delimiter} b", "a, b")
    )
    path.write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    (row,) = read_table(path, clips, tmp_path)
    assert (row.name, row.source, row.target) == ("a.mp4", "a, b", "c")


def test_names_that_differ_in_case_alone_collide(clips, tmp_path):
    shutil.copy(clips / "a.mp4", clips / "A.mov")
    path = table(tmp_path, line("a.mp4"), line("A.mov"))
    with pytest.raises(ValueError, match="would both write"):
        read_table(path, clips, tmp_path)


def test_a_name_that_another_edit_needs_beside_its_clip_collides(clips, tmp_path):
    header = HEADER.replace("\n", ",output\n")
    lines = ["a.mp4,x,y,b_reconstruction.mp4", "b.mp4,x,y,b.mp4"]
    with pytest.raises(ValueError, match="would both write"):
        read_table(table(tmp_path, *lines, header=header), clips, tmp_path)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["edit", "--output", "x.mp4"], "required: clip, --source, --target"),
        (["edit", "--clips", "x", "--output", "o"], "required: --prompts"),
        (["edit", "--resume", "--output", "o"], "required: --clips, --prompts"),
        (
            ["edit", "a.mp4", "--clips", "x", "--prompts", "p", "--output", "o"],
            "clip does not go with",
        ),
    ],
)
def test_half_of_either_form_is_refused(capsys, options, wanted):
    assert main(options) == 2
    assert wanted in capsys.readouterr().err


def test_one_clip_that_fails_does_not_end_the_rest(clips, tmp_path, capsys):
    (clips / "b.mp4").write_bytes(b"no video at all" * 99)
    path = table(tmp_path, line("a.mp4"), line("b.mp4"), line("c.mp4", "a zebra"))
    assert main(arguments(clips, path, tmp_path / "out")) == 2
    assert "2 of 3 edits failed (b.mp4, c.mp4)" in capsys.readouterr().err
    found = answers(tmp_path / "out")
    assert [found[f"{n}.mp4"]["state"] for n in "abc"] == ["done", "failed", "failed"]
    assert "no video" in found["b.mp4"]["note"] and "zebra" in found["c.mp4"]["note"]
    assert float(found["a.mp4"]["source_psnr"]) > 5


def test_resume_makes_what_is_left_and_leaves_the_rest(clips, tmp_path, capsys):
    output = tmp_path / "out"
    path = table(tmp_path, line("a.mp4"), line("b.mp4", "a zebra"))
    assert main(arguments(clips, path, output)) == 2
    before = (output / "a.mp4").stat().st_mtime_ns
    assert main(arguments(clips, path, output)) == 2  # what is there is not overwritten
    assert "--resume" in capsys.readouterr().err
    path = table(tmp_path, line("a.mp4"), line("b.mp4"), line("c.mp4"))
    assert main(arguments(clips, path, output, "--resume")) == 0
    assert "1 of 3 edits are finished" in capsys.readouterr().out
    assert {record["state"] for record in answers(output).values()} == {"done"}
    assert (output / "a.mp4").stat().st_mtime_ns == before


@pytest.mark.parametrize("change", ["prompt", "clip", "file"])
def test_a_finished_edit_of_something_else_is_made_anew(clips, tmp_path, change):
    output, path = tmp_path / "out", table(tmp_path, line("a.mp4"))
    assert main(arguments(clips, path, output)) == 0
    before = (output / "a.mp4").stat().st_mtime_ns
    if change == "prompt":
        path = table(tmp_path, line("a.mp4", target="a blue ring"))
    elif change == "clip":
        os.utime(clips / "a.mp4", (2**32, 2**32))
    else:
        (output / "a_sheet.png").unlink()
    assert main(arguments(clips, path, output, "--resume")) == 0
    assert (output / "a.mp4").stat().st_mtime_ns > before


def test_resume_does_not_mix_settings(clips, tmp_path, capsys):
    output, path = tmp_path / "out", table(tmp_path, line("a.mp4"))
    assert main(arguments(clips, path, output, "--guidance", "3")) == 0
    assert main(arguments(clips, path, output, "--resume", "--guidance", "5")) == 2
    assert "--guidance 3.0, now 5.0" in capsys.readouterr().err


def test_a_default_that_is_typed_is_no_other_setting(clips, tmp_path, capsys):
    output, path = tmp_path / "out", table(tmp_path, line("a.mp4"))
    untyped = ["--steps", "2", "--no-baselines", "--quiet"]
    assert main(arguments(clips, path, output, quick=untyped)) == 0
    typed = ["--resume", "--guidance", "3", "--skip", "0", "--learning-rate", "0.001"]
    typed += ["--method", DEFAULT_METHOD, "--finetune", "0"]
    assert main(arguments(clips, path, output, *typed, quick=untyped)) == 0
    assert "1 of 1 edits are finished" in capsys.readouterr().out


def test_files_of_the_user_are_kept_in_a_resumed_run_too(clips, tmp_path, capsys):
    output, path = tmp_path / "out", table(tmp_path, line("a.mp4"))
    output.mkdir()
    (output / "a_sheet.png").write_text("precious")
    for options in ([], ["--resume"]):
        assert main(arguments(clips, path, output, *options)) == 2
        assert "a_sheet.png exists already" in capsys.readouterr().err
    assert (output / "a_sheet.png").read_text() == "precious"


@pytest.mark.parametrize("ended", [False, True])
def test_an_edit_of_another_run_is_kept(clips, tmp_path, monkeypatch, ended):
    output, path = tmp_path / "out", table(tmp_path, line("a.mp4"))
    other, load = output / "a.mp4", models.load
    stack = ExitStack()

    def loaded(*arguments, **options):  # the other run writes, or has written, meanwhile
        other.write_text("precious") if ended else stack.enter_context(claimed(other))
        return load(*arguments, **options)

    monkeypatch.setattr(models, "load", loaded)
    with stack:
        assert main(arguments(clips, path, output)) == 2
    (note,) = (record["note"] for record in answers(output).values())
    assert "exists already" in note if ended else "another run is writing" in note
    other.write_text("precious")  # by now, whichever it was
    assert main(arguments(clips, path, output, "--resume")) == 2
    assert other.read_text() == "precious"


def test_no_clip_is_written_over(clips, tmp_path, capsys):
    path = table(tmp_path, line("a.mp4"))
    assert main(arguments(clips, path, clips, "--overwrite")) == 2
    assert "would write over" in capsys.readouterr().err


def test_two_processes_take_the_lines_in_turn_and_write_one_table(clips, tmp_path):
    path = table(tmp_path, line("a.mp4"), line("b.mp4", "a zebra"), line("c.mp4"))
    together = started(2, tmp_path / "told", main, arguments(clips, path, tmp_path / "two"))
    codes, said, errors = ended(together, tmp_path / "told")
    assert codes == [2, 0] and "1 of 3 edits failed (b.mp4)" in errors[0]
    assert [re.findall(r"(?<=/3\] )\w", each) for each in said] == [["a", "c"], ["b"]]
    assert main(arguments(clips, path, tmp_path / "one")) == 2
    one, two = answers(tmp_path / "one"), answers(tmp_path / "two")
    assert list(one) == list(two) and sorted(
        file.name for file in (tmp_path / "one").iterdir()
    ) == sorted(file.name for file in (tmp_path / "two").iterdir())
    for name, record in one.items():
        assert {**record, "seconds": ""} == {**two[name], "seconds": ""}


def test_two_processes_that_are_killed_go_on_where_they_were(clips, tmp_path):
    path, output = table(tmp_path, *map(line, ("a.mp4", "b.mp4", "c.mp4"))), tmp_path / "out"
    command = arguments(clips, path, output)
    together = started(2, tmp_path / "told", main, command)
    while all(p.is_alive() for p in together) and not (output / "a_similarity.png").exists():
        time.sleep(0.01)
    for process in together:
        process.kill()
    ended(together, tmp_path / "told")
    assert len(answers(output)) == 3  # never half a table
    again = started(2, tmp_path / "again", main, [*command, "--resume"])
    codes, _, errors = ended(again, tmp_path / "again")
    assert codes == [0, 0], errors
    assert {record["state"] for record in answers(output).values()} == {"done"}


def test_ctrl_c_ends_the_rest_even_where_a_library_swallows_it(clips, tmp_path, monkeypatch):
    def swallowed(*args, **kwargs):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise RuntimeError("something else") from error

    monkeypatch.setattr("course.commands.editing.edited", swallowed)
    path = table(tmp_path, line("a.mp4"), line("b.mp4"))
    with pytest.raises(RuntimeError):  # only a signal turns this into a stop of the command
        main(arguments(clips, path, tmp_path / "out"))
    assert {record["state"] for record in answers(tmp_path / "out").values()} == {"waiting"}

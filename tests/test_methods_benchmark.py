"""The methods' benchmark: its lines, its log and its table; the edits themselves are left out."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import pytest
import torch

from benchmarks import methods as benchmark
from benchmarks import methods_memory as memory
from benchmarks.edit import Swap
from benchmarks.methods_table import (
    CEILING,
    ENTRIES,
    FLOOR,
    against_clips,
    entry,
    joined,
    markdown,
    summary,
)
from benchmarks.scenes import KINDS
from course import methods
from course.clips import Scene, render
from course.clips.grammar import SHAPES

ROOT = Path(__file__).parent.parent
RED = Swap(Scene(colour="red", background="blue"), "colour", "green")


def line(name: str, scene: int, psnr: float = 20.0, **figures: object) -> dict:
    base = {"kind": "colour", "moves": True, "asked": 100.0, "kept": 100.0, "warping": 0.002}
    return {"name": name, "scene": scene, "target_psnr": psnr} | base | figures


def options(tmp_path, **given: object) -> Namespace:
    base = {
        "model": "embedded",
        "steps": 2,
        "scenes": 2,
        "methods": ["a", "b"],
        "sheet": None,
        "after": 0,
    }
    base |= {"shapes": SHAPES, "kinds": KINDS}
    return Namespace(log=tmp_path / "log", **(base | given))


@pytest.fixture
def no_edits(monkeypatch):
    """Let nothing be edited, and return the list of what would have been."""
    asked = []

    def measure(pipe, swap, seed, options):
        asked.append((options["method"], seed))
        return {"target_psnr": 1.0}, None

    monkeypatch.setattr(benchmark, "measure", measure)
    monkeypatch.setattr(benchmark, "bounds", lambda pipe, swap: {CEILING: {}, FLOOR: {}})
    monkeypatch.setattr(benchmark, "entry", lambda name: {"method": name})
    return asked


def test_every_method_is_measured_and_every_entry_is_a_recipe():
    assert set(methods.names()) <= set(ENTRIES)
    for options in ENTRIES.values():
        assert methods.recipe(options["method"])


def test_a_recipe_needs_no_entry_but_must_be_one():
    assert entry("flow_edit+first_frame") == {"method": "flow_edit+first_frame"}
    with pytest.raises(ValueError, match="no method 'glue'"):
        entry("glue")


def test_an_interrupted_run_goes_on_and_repeats_nothing(tmp_path, no_edits):
    benchmark.run(None, options(tmp_path, scenes=1, methods=["a"]))
    lines = benchmark.run(None, options(tmp_path))
    assert no_edits == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert len(lines) == 8  # two methods and two bounds on two scenes
    logged = (tmp_path / "log").read_text().splitlines()[1:]
    assert [json.loads(each) for each in logged] == lines


def test_a_log_of_another_run_is_refused(tmp_path, no_edits):
    benchmark.run(None, options(tmp_path))
    with pytest.raises(ValueError, match="another --log"):
        benchmark.run(None, options(tmp_path, steps=25))


def test_the_true_target_itself_has_nothing_to_lose():
    source, target = render(RED.scene), render(RED.target)
    figures = benchmark.figures_of(target.frames, RED, source, target)
    assert figures["asked"] == figures["kept"] == 100
    assert figures["target_psnr"] is None and figures["warping"] < 1e-3
    worse = benchmark.figures_of(source.frames, RED, source, target)
    assert worse["asked"] == 0 and worse["kept"] == 100 and worse["target_psnr"] < 30


def test_methods_are_compared_on_the_scenes_that_all_have():
    lines = [line("a", 0, 20), line("a", 1, 40), line("b", 0, 22)]
    table = summary(lines, ["a", "b"])
    assert table["a"]["target_psnr"] == 20 and table["a"]["scenes"] == 1


def test_the_warping_error_is_a_multiple_of_the_ceiling_s_on_moving_scenes():
    lines = [line("a", 0, warping=0.004), line("a", 1, warping=0.0, moves=False)]
    lines += [line(CEILING, 0, warping=0.001), line(CEILING, 1, warping=0.0, moves=False)]
    table = summary(lines, ["a", CEILING])
    assert table["a"]["warping_ratio"] == 4 and table[CEILING]["warping_ratio"] == 1


def test_against_the_true_clips_themselves_the_multiple_has_another_divisor():
    table = summary([line("a", 0, warping=0.004), line(CEILING, 0, warping=0.002)], ["a", CEILING])
    assert against_clips(table, [0.001]) == {"a": 4.0, CEILING: 2.0}
    with pytest.raises(ValueError, match="has 1 scenes that move and these are 2"):
        against_clips(table, [0.001, 0.001])


def test_what_the_text_says_of_the_true_clips_themselves_is_what_is_printed(capsys):
    benchmark.main(["--table", str(ROOT / "benchmarks/results/methods_60.json")])
    printed = capsys.readouterr().out.splitlines()
    text = (ROOT / "docs/measurements.md").read_text()
    assert any("44 that move: 0.000217" in row for row in printed) and "2.17e-4" in text
    for name in ("the default", "the default, estimated flow", "paper", CEILING):
        (row,) = [row.split() for row in printed if row.split(maxsplit=1)[1:] == [name]]
        assert f"{float(row[0]):.2f}" in text


def test_the_best_comes_first_and_says_how_far_it_reaches():
    lines = [line("flow_edit", 0, 26), line("flow_edit+all_frames", 0, 27), line(FLOOR, 0, 17)]
    rows = markdown(summary(lines, ["flow_edit", "flow_edit+all_frames", FLOOR])).splitlines()
    assert [row.split(" | ")[0].strip("| ") for row in rows[2:]] == [
        "flow_edit+all_frames", "flow_edit", FLOOR
    ]  # fmt: skip
    assert rows[2].endswith("| clip |") and rows[3].endswith("| frame |")
    assert "| - |" in rows[4]


def test_the_memory_of_a_method_is_its_own_and_counts_each_time_anew():
    for _ in range(2):
        before = benchmark._restart_peak()
        blocks = [torch.ones(2**18) for _ in range(50)]  # 50 MiB in pieces that are kept when freed
        assert 40 < benchmark.peak_memory() - before < 150 and len(blocks) == 50
        del blocks


def test_memory_is_told_as_growth_a_frame():
    short, long = {"peak": 500.0}, {"peak": 500.0 + 2 * (memory.LONG - memory.SHORT)}
    assert memory.row("all_frames", short, long) == ["all_frames", "clip", "500", "596", "2.00"]


def test_a_run_can_leave_scenes_to_another_table(tmp_path, no_edits):
    benchmark.run(None, options(tmp_path, scenes=3, after=2, methods=["a"]))
    assert no_edits == [("a", 2)]


def test_a_run_can_keep_to_one_kind_of_swap_and_some_shapes(tmp_path, no_edits):
    given = options(tmp_path, scenes=4, kinds=("shape",), shapes=("ring", "cross"), methods=["a"])
    assert {line["scene"] for line in benchmark.run(None, given)} == {1}
    with pytest.raises(ValueError, match="give another --log"):
        benchmark.run(None, options(tmp_path))


def test_two_tables_of_different_scenes_join_to_the_table_of_all():
    lines = [
        line(name, scene, 20.0 + scene, moves=scene != 1, warping=0.001 * (scene + 1), kind=kind)
        for name in ("a", CEILING)
        for scene, kind in enumerate(("colour", "shape", "background") * 3)
    ]
    whole = summary(lines, ["a", CEILING])
    parts = [
        summary([each for each in lines if (each["scene"] < 3) == first], ["a", CEILING])
        for first in (True, False)
    ]
    for name, row in joined(*parts).items():
        assert row == pytest.approx(whole[name])

"""What the lessons show of the benchmarks is what the benchmarks measured."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from benchmarks.edit_figures import rank_rows

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks/results"


@pytest.mark.parametrize(
    ("shown", "measured"),
    [
        ("frames_together/methods.json", "methods_60.json"),
        ("video_edit/figure_4.json", "figure_4.json"),
    ],
)
def test_a_lesson_ships_the_file_that_the_benchmark_wrote(shown, measured):
    assert (ROOT / "lessons" / shown).read_bytes() == (RESULTS / measured).read_bytes()


def test_the_rank_correlations_of_lesson_10_are_those_of_the_benchmark_of_edits():
    report = json.loads((RESULTS / "edit_60.json").read_text())[0]
    shown = json.loads((ROOT / "lessons/video_edit/ranks.json").read_text())
    measured = {name: value for name, value, *_ in rank_rows(report["ranks"])}
    assert shown["ranks"] == pytest.approx(measured, abs=1e-3) and shown["scenes"] == 44


def test_what_the_text_says_of_the_adapter_is_what_was_measured():
    few = json.loads((RESULTS / "edit_18_adapter.json").read_text())[0]["adapter"]["target_psnr"]
    more = json.loads((RESULTS / "figure_4.json").read_text())["ablations"]["paper"]["target_psnr"]
    text = " ".join((ROOT / "docs/measurements.md").read_text().split())
    chance = sum(math.comb(few["of"], n) for n in range(few["better"], few["of"] + 1))
    assert 1 / chance * 2 ** few["of"] == pytest.approx(5, abs=0.5) and "one case of five" in text
    change = more["with"] - more["without"]
    assert f"on 14 clips: fair coins would help {few['better']} of them" in text
    assert f"by {change:.2f} dB, with a spread of {more['spread']:.1f} dB" in text


def test_what_lesson_12_says_of_rings_is_what_was_measured():
    rows = json.loads((RESULTS / "methods_rings.json").read_text())
    asked = [rows[name]["asked"] for name in ("the default, no check", "the default")]
    text = (ROOT / "lessons/frames_together/lesson.md").read_text()
    assert "from {:.0f} to {:.0f} %".format(*asked) in text
    assert {row["scenes"] for row in rows.values()} == {12}

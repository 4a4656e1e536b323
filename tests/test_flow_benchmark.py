"""The benchmark of estimated flow: its figures are those of a perfect and of a blind estimate."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmarks import flow
from course.clips import Scene, render

CLIP = render(Scene(texture="striped"), n_frames=4)


def test_a_perfect_estimate_has_no_error(monkeypatch):
    monkeypatch.setattr(flow, "with_estimated_motion", lambda clip: clip)
    found = flow.compare(CLIP)
    assert (found["inside"], found["outside"], found["overlap"]) == (0, 0, 1)
    assert found["hidden"] == found["found"] and found["exact"] == found["estimated"]


def test_an_estimate_that_sees_no_motion_is_wrong_by_the_motion_and_only_inside(monkeypatch):
    blind = replace(CLIP, flow=torch.zeros_like(CLIP.flow))
    monkeypatch.setattr(flow, "with_estimated_motion", lambda clip: blind)
    found = flow.compare(CLIP)
    assert found["inside"] == pytest.approx(found["motion"]) and found["outside"] == 0


def test_the_table_leaves_out_what_is_known_nowhere():
    shown = flow.table([flow.compare(CLIP) | {"overlap": float("nan")}])
    assert flow.ROWS["overlap"] not in shown and flow.ROWS["inside"] in shown

"""The README's moving picture, and where swaps of shape lose: parts of two benchmarks."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

from PIL import Image

from benchmarks import size_of_swaps
from benchmarks.pictures import side_by_side, write_gif
from benchmarks.scenes import draw_swaps
from course.clips import Scene, render


def test_the_moving_picture_plays_three_times_and_then_stands(tmp_path):
    clip = render(Scene(), n_frames=3)
    write_gif(side_by_side({"source": clip, "edit": clip.frozen()}), 4, tmp_path / "edit.gif")
    gif = Image.open(tmp_path / "edit.gif")
    assert (gif.n_frames, gif.info["loop"]) == (3, 2)
    gif.seek(2)
    assert gif.info["duration"] > 1000


def test_the_true_target_has_the_true_radius_and_a_larger_one_does_not(monkeypatch):
    (swap,) = [swap for swap in draw_swaps(3) if swap.kind == "shape"]
    shown = []
    monkeypatch.setattr(
        "course.editing.edit", lambda *given, **options: SimpleNamespace(clip=shown[-1])
    )
    for factor in (1.0, 1.2):
        scene = replace(swap.target, radius=factor * swap.target.radius)
        shown.append(render(scene, n_frames=8))
        (row,) = size_of_swaps.measure(None, 3, "shape", "paper")
        assert abs(row["radius_ratio"] - factor) < 0.02 and row["nearest_db"] > 35

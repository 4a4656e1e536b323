"""Explorers without a kernel: each figure is the explorer's own at the value that is told."""

from __future__ import annotations

import re

import pytest
from matplotlib.figure import Figure

from classroom.display.explorer import Choice, Explorer, Slider, explorers
from classroom.site.explorers import MOST, drawn, files, markup, positions
from classroom.site.pictures import Pictures


def figure(turn: float, kind: str) -> Figure:
    made = Figure(figsize=(1, 1))
    made.add_subplot().plot([0, turn])
    made.set_label(f"A line of kind {kind} that rises to {turn:g}.")
    return made


EXPLORER = Explorer(
    figure, {"turn": Slider("turn", 0, 40, 5, 15), "kind": Choice("kind", ("a", "b"), "a")}
)


@pytest.fixture
def pictures(tmp_path):
    return Pictures(tmp_path)


@pytest.mark.parametrize("name", explorers())
def test_every_slider_has_its_ends_its_start_and_few_positions(name):
    for control in explorers()[name].controls.values():
        values, place = positions(control)
        assert values[place] == control.value and len(set(values)) == len(values) <= MOST
        if isinstance(control, Slider):
            n_steps = round((control.maximum - control.minimum) / control.step)
            assert len(values) >= min(7, n_steps + 1) and values == sorted(values)
            assert values[0] == control.minimum
            assert abs(values[-1] - control.maximum) <= control.step


def test_each_picture_shows_the_value_that_is_told_and_the_others_at_their_start(pictures):
    turn, kind = drawn(EXPLORER, pictures)["controls"]
    assert [p["alt"] for p in turn["pictures"]] == [
        f"A line of kind a that rises to {text}." for text in turn["texts"]
    ]
    assert kind["pictures"][1]["alt"] == "A line of kind b that rises to 15."
    assert turn["pictures"][turn["start"]] == kind["pictures"][kind["start"]]


def test_one_picture_stands_where_no_script_runs(pictures):
    html = markup(drawn(EXPLORER, pictures), "line", "figures")
    images = re.findall(r"<img[^>]*>", html)
    assert [" hidden" not in image for image in images] == [True] + [False] * (len(images) - 1)
    assert len(images) == 9 + 1 and all('alt="A line' in image for image in images)
    assert '<div class="explorer-controls" hidden>' in html


def test_every_control_has_a_label_of_its_own(pictures):
    html = markup(drawn(EXPLORER, pictures), "line", "figures")
    labelled = re.findall(r'<label for="([^"]+)">', html)
    assert labelled == re.findall(r'<(?:input|select)[^>]* id="([^"]+)"', html)
    assert len(set(labelled)) == 2


def test_the_pictures_are_files_and_their_names_are_known(pictures):
    found = drawn(EXPLORER, pictures)
    assert files(found) == pictures.used == {path.name for path in pictures.folder.iterdir()}

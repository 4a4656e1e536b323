"""Properties of classroom.display's pictures and players."""

from __future__ import annotations

import re

import pytest
import torch
from PIL import Image

from classroom.display import play, show, show_clips, similarity_figure, training_figure
from classroom.display.seen import seen
from course.clips import BACKGROUNDS, COLOURS, SHAPES, Clip, Scene, render
from course.finetune import FinetuneStep


@pytest.fixture
def clip(generator):
    return Clip(torch.rand(3, 3, 16, 16, generator=generator), 8.0, "a <red> circle")


def training(n_steps: int) -> list[FinetuneStep]:
    return [FinetuneStep(i, 0.1 / (i + 1), 1.0, 1.0, 0.5 + 0.01 * i, 1.0) for i in range(n_steps)]


@pytest.fixture(params=["similarity", "training"])
def figure(request, generator):
    if request.param == "training":
        return training_figure(training(12), window=4)
    curves = {name: torch.rand(6, 3, generator=generator) for name in ("source", "edit", "frozen")}
    return similarity_figure(curves)


def test_every_axis_of_a_figure_has_a_label_and_every_panel_a_title(figure):
    for axes in figure.axes:
        assert axes.get_xlabel() and axes.get_ylabel() and axes.get_title()


def test_lines_differ_in_more_than_colour():
    names = "abcdefg"
    (axes,) = similarity_figure({name: torch.rand(6) for name in names}).axes
    looks = {(line.get_linestyle(), line.get_marker()) for line in axes.lines}
    assert len(looks) == len(axes.lines) == len(names)


@pytest.mark.parametrize("letters", (3, 20, 75))
@pytest.mark.parametrize("count", (1, 4, 7))
def test_a_legend_lies_within_its_figure(letters, count):
    figure = similarity_figure({f"{i}{'x' * letters}": torch.rand(5) for i in range(count)})
    figure.canvas.draw()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width and box.y0 >= 0


def test_a_curve_is_the_mean_over_the_pairs_of_frames():
    pairs = torch.tensor([[0.0, 1.0], [0.5, 1.0]])
    (axes,) = similarity_figure({"edit": pairs}).axes
    assert axes.lines[0].get_ydata() == pytest.approx([0.5, 0.75])


def test_the_variation_is_drawn_over_full_windows_only():
    line = training_figure(training(12), window=4).axes[2].lines[0]
    assert line.get_xdata()[0] == 3
    # Four neighbours of a straight line of slope 0.01.
    assert line.get_ydata() == pytest.approx([0.01 * 1.25**0.5] * 9, rel=1e-4)


def test_a_shown_figure_carries_its_description(figure):
    shown = show(figure)
    assert figure.get_label() in repr(shown) and re.search(r'<img alt="[^"]{40,}"', shown.data)


def test_a_picture_without_words_is_refused():
    with pytest.raises(ValueError, match="alt text"):
        show(Image.new("RGB", (4, 4)))


def test_words_cannot_break_out_of_the_alt_text():
    shown = show(Image.new("RGB", (4, 4)), 'a "quoted" <b>word</b>')
    assert "<b>" not in shown.data and shown.data.count('"') == 6


def test_a_zero_in_words_has_no_sign():
    said = show(Image.new("RGB", (2, 2)), alt="from -0.00 to -0.5, -0, -0% and 1e-05, -0.01.").alt
    assert said == "from 0.00 to -0.5, 0, 0% and 1e-05, -0.01."


def test_contact_sheets_name_their_rows_in_the_alt_text(clip):
    shown = show_clips({"before": clip, "after": clip.frozen()})
    assert "before" in repr(shown) and "after" in repr(shown) and "3 frames" in repr(shown)


def moving_square(columns: list[int], colour: tuple = COLOURS["red"]) -> Clip:
    frames = torch.tensor(BACKGROUNDS["blue"])[:, None, None].repeat(len(columns), 1, 32, 32)
    for frame, column in zip(frames, columns):
        frame[:, 12:20, column - 4 : column + 4] = torch.tensor(colour)[:, None, None]
    return Clip(frames, 8.0, "a green star moving right")


def test_alt_text_says_what_the_pixels_show_and_not_what_was_asked_for():
    text = repr(show_clips({"edit": moving_square([10, 14, 12, 20])}))
    assert "background near blue, an object near red, its centre at column 10" in text
    assert "at 20 of 32 at last, in steps from -2.0 to 8.0" in text


def test_the_frames_of_a_sheet_are_evenly_spaced():
    columns = list(range(6, 26))
    text = repr(show_clips({"walk": moving_square(columns)}))
    assert "7 frames a row" in text and "in steps from 3.0 to 3.0" in text


def test_colours_that_change_are_all_named():
    clip = moving_square([10, 12])
    other = torch.full_like(clip.frames[0], 0.5)
    flicker = Clip(torch.stack([clip.frames[0], other]), 8.0)
    assert "background near blue and gray" in repr(show_clips({"twin": flicker}))


def test_a_colour_far_from_the_whole_palette_gets_no_name():
    text = seen(moving_square([10, 14], (0.40, 0.60, 0.40)))
    assert "background near blue, an object near none of the palette's colours" in text


@pytest.mark.parametrize("colour", COLOURS)
def test_whatever_is_drawn_in_a_colour_is_given_its_name(colour):
    for shape in SHAPES:
        text = seen(render(Scene(shape, colour, background="yellow", texture="gradient")))
        assert f"background near yellow, an object near {colour}, " in text


def test_a_frame_without_an_object_is_described_as_such():
    blank = Clip(torch.full((2, 3, 16, 16), 0.5), 8.0)
    assert "not in every frame something that stands out" in repr(show_clips({"grey": blank}))


def test_a_curve_is_described_with_its_least_and_largest_value():
    text = similarity_figure({"dip": torch.tensor([0.8, 0.4, 0.9, 0.7])}).get_label()
    assert "begins at 0.8, ends at 0.7, least 0.4, largest 0.9" in text


def test_a_player_has_controls_and_never_starts_or_repeats_by_itself(clip):
    (video,) = re.findall(r"<video[^>]*>", play(clip).data)
    assert " controls" in video and 'aria-label="' in video
    assert not re.search(r"autoplay|loop", video.split(" src=")[0])


def test_a_player_holds_the_clip_and_a_picture_for_where_no_video_plays(clip):
    data = play(clip, "Mine").data
    assert "data:video/mp4;base64,AAAA" in data and re.search(r'<img alt="[^"]*Mine', data)


@pytest.mark.parametrize("curves", [{}, {"edit": torch.rand(2, 3, 4)}, {"edit": torch.rand(0)}])
def test_curves_of_another_shape_are_an_error(curves):
    with pytest.raises(ValueError, match="n_points"):
        similarity_figure(curves)


def test_one_step_is_no_course_of_training():
    with pytest.raises(ValueError, match="2 steps"):
        training_figure(training(1))

"""Properties of course.clips.sheets: what the pictures show, and how often they play."""

from __future__ import annotations

import io

import numpy
import pytest
import torch
from PIL import Image

from course.clips.clip import Clip
from course.clips.sheets import alt_text, contact_sheet, gif_bytes, write_gif, write_image


def grey_clip(n_frames: int = 9, size: tuple[int, int] = (64, 64), fps: float = 8.0) -> Clip:
    """Frame k is grey of level k / 10."""
    levels = torch.arange(n_frames).view(-1, 1, 1, 1) / 10
    return Clip(levels.expand(n_frames, 3, *size), fps)


def levels_of_row(sheet: Image.Image, x: int, y: int, step: int, n: int) -> list[int]:
    return [round(sheet.getpixel((x + k * step, y))[0] / 25.5) for k in range(n)]


def test_columns_are_evenly_chosen_with_both_ends():
    sheet = contact_sheet(grey_clip(9), n_columns=5)
    assert levels_of_row(sheet, 60, 100, 132, 5) == [0, 2, 4, 6, 8]


def test_a_shorter_clip_shows_all_it_has_and_then_white():
    sheet = contact_sheet([grey_clip(9), grey_clip(2)], n_columns=4)
    assert levels_of_row(sheet, 60, 4 + 132 + 60, 132, 4) == [0, 1, 10, 10]


def test_the_scale_sets_the_size_of_the_frames():
    small, large = (contact_sheet(grey_clip(2), scale=s, n_columns=2) for s in (1, 3))
    assert large.width - small.width == 2 * 64 * 2 and large.height - small.height == 64 * 2


def test_pixels_are_enlarged_as_squares():
    frames = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    sheet = numpy.asarray(contact_sheet(Clip(frames, 8), scale=4))
    part = sheet[-4 - 32 : -4, -4 - 32 : -4]
    assert (part == Clip(frames, 8).to_uint8()[0].repeat(4, 0).repeat(4, 1)).all()


def test_large_frames_are_shrunk():
    sheet = contact_sheet(grey_clip(2, (720, 1280)), n_columns=2)
    assert sheet.height < 200 and sheet.width < 500


def test_labels_stand_at_the_left_of_their_row():
    bare, named = (contact_sheet([grey_clip()] * 2, labels=t) for t in (["", ""], ["", "edited"]))
    column = numpy.asarray(named)[:, : named.width - bare.width]
    dark = numpy.flatnonzero((column < 128).any(axis=(1, 2)))
    assert len(dark) and dark.min() >= 158 and dark.max() < 158 + 30


def test_captions_are_the_labels_unless_others_come():
    clip = Clip(torch.zeros(2, 3, 16, 16), 8, caption="a red circle")
    assert contact_sheet(clip) == contact_sheet(clip, labels=["a red circle"])
    assert contact_sheet(clip).width > contact_sheet(clip, labels=[""]).width


def test_a_long_label_makes_its_row_higher_instead_of_being_cut():
    label = "word " * 60
    sheet = contact_sheet(grey_clip(2), labels=[label], n_columns=2)
    assert sheet.height > contact_sheet(grey_clip(2), labels=["word"], n_columns=2).height


@pytest.mark.parametrize(
    ("clips", "options"),
    [([], {}), ([grey_clip()], {"labels": ["a", "b"]}), (grey_clip(), {"n_columns": 0}),
     (grey_clip(), {"scale": 0}), (grey_clip(), {"scale": float("nan")}),
     (grey_clip(), {"scale": 1e9}), (grey_clip(), {"scale": "2"}), ([1], {}),
     (grey_clip(), {"labels": [3]}), (grey_clip(), {"n_columns": 2.0})],
)  # fmt: skip
def test_a_layout_that_cannot_be_is_refused(clips, options):
    with pytest.raises((ValueError, TypeError), match="wanted"):
        contact_sheet(clips, **options)


def test_a_png_holds_the_picture_exactly(tmp_path):
    sheet = contact_sheet(grey_clip())
    write_image(sheet, tmp_path / "sheet.png")
    assert Image.open(tmp_path / "sheet.png").tobytes() == sheet.tobytes()


def test_a_tensor_is_written_too(tmp_path):
    picture = torch.rand(3, 5, 7, generator=torch.Generator().manual_seed(0))
    write_image(picture, tmp_path / "a.png")
    found = torch.from_numpy(numpy.array(Image.open(tmp_path / "a.png"))).permute(2, 0, 1) / 255
    torch.testing.assert_close(found, picture, atol=0.5 / 255 + 1e-6, rtol=0)


def test_other_pictures_and_suffixes_are_refused(tmp_path):
    for sheet, name, error in (
        (torch.zeros(2, 3, 4, 4), "a.png", ValueError),
        ("picture", "a.png", TypeError),
        (torch.zeros(3, 4, 4), "a.jpg", ValueError),
    ):
        with pytest.raises(error):
            write_image(sheet, tmp_path / name)
    with pytest.raises(ValueError, match=".gif"):
        write_gif(grey_clip(), tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())


def test_a_picture_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(self, file, format):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_image(Image.new("RGB", (4, 4)), tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("loop", "stored"), [(1, None), (3, 2), (0, 0)])
def test_a_gif_plays_as_often_as_asked_and_once_by_default(loop, stored):
    assert Image.open(io.BytesIO(gif_bytes(grey_clip(), loop=loop))).info.get("loop") == stored
    assert gif_bytes(grey_clip()) == gif_bytes(grey_clip(), loop=1)


@pytest.mark.parametrize("fps", [8, 24, 29.97])
def test_a_gif_lasts_as_long_as_the_clip(fps):
    gif = Image.open(io.BytesIO(gif_bytes(grey_clip(9, fps=fps))))
    total = 0
    for index in range(gif.n_frames):
        gif.seek(index)
        total += gif.info["duration"]
    assert gif.n_frames == 9 and abs(total - 9000 / fps) <= 5.01


def test_a_still_region_stays_still_in_a_gif():
    noise = torch.rand(1, 3, 32, 16, generator=torch.Generator().manual_seed(0))
    moving = torch.rand(6, 3, 32, 16, generator=torch.Generator().manual_seed(1))
    clip = Clip(torch.cat([noise.expand(6, -1, -1, -1), moving], dim=3), 8)
    gif = Image.open(io.BytesIO(gif_bytes(clip)))
    frames = []
    for index in range(6):
        gif.seek(index)
        frames.append(numpy.asarray(gif.convert("RGB"))[:, :16])
    assert all((frame == frames[0]).all() for frame in frames)


@pytest.mark.parametrize("loop", [2**17, 1.5, None, float("nan")])
def test_what_is_no_number_of_plays_is_refused(loop):
    with pytest.raises((ValueError, TypeError), match="loop: .* came; wanted is a whole number"):
        gif_bytes(grey_clip(), loop=loop)


def test_a_negative_loop_is_refused(tmp_path):
    with pytest.raises(ValueError, match="loop"):
        write_gif(grey_clip(), tmp_path / "a.gif", loop=-1)
    assert not list(tmp_path.iterdir())


def test_the_alternative_text_says_what_there_is():
    clip = Clip(torch.zeros(8, 3, 64, 48), 4.0, "a red circle.")
    assert alt_text(clip) == (
        "Video clip of a red circle: 8 frames of 48 by 64 pixels, 2 seconds long."
    )
    assert alt_text(Clip(clip.frames[:1], 1.0)) == (
        "Video clip: 1 frame of 48 by 64 pixels, 1 second long."
    )

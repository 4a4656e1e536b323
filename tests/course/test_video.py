"""Properties of course.clips.video: round trips, clips from phones, errors, failed writes."""

from __future__ import annotations

import errno
import os

import av
import numpy
import pytest
import torch
from av.video.reformatter import Interpolation
from clip_files import add_sound, encode, psnr, smooth_clip
from PIL import Image

from course import files
from course.clips import decoding, picture, source, writing
from course.clips.clip import Clip
from course.clips.video import read_clip, write_clip
from course.files import safe_output


def test_a_round_trip_keeps_pictures_rate_and_caption(tmp_path):
    clip = smooth_clip(caption="a red circle moving right")
    write_clip(clip, tmp_path / "clip.mp4")
    back = read_clip(tmp_path / "clip.mp4")
    assert psnr(back.frames, clip.frames) > 40
    assert (back.fps, back.caption, back.size) == (clip.fps, clip.caption, clip.size)


def test_colour_edges_survive_better_than_with_the_defaults_of_the_encoder(tmp_path, monkeypatch):
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    disc = (16.5 - (x - 31.5).hypot(y - 31.5)).clamp(0, 1)
    red, blue = (torch.tensor(c).view(3, 1, 1) for c in ([0.9, 0.1, 0.1], [0.0, 0.0, 0.8]))
    clip = Clip((disc * red + (1 - disc) * blue).expand(4, 3, 64, 64), 8.0)

    def error_in_decibel() -> float:
        write_clip(clip, tmp_path / "clip.mp4")
        return psnr(read_clip(tmp_path / "clip.mp4").frames, clip.frames)

    ours = error_in_decibel()
    monkeypatch.setattr(writing, "CHROMA", "BILINEAR")
    monkeypatch.setitem(writing._ENCODERS, "libx264", {"crf": "12"})
    assert ours > error_in_decibel() + 2


def test_the_scaler_gets_the_numbers_that_newer_versions_have_names_for():
    named = "LANCZOS", "ACCURATE_RND", "FULL_CHR_H_INT", "FULL_CHR_H_INP"
    if not set(named) <= set(Interpolation.__members__):
        pytest.skip("PyAV before 18 has no names for them")
    assert sum(Interpolation[name] for name in named) == picture.CHROMA
    assert type(picture.CHROMA) is int  # PyAV 17 takes no other kind


def test_writing_twice_gives_the_same_bytes(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        write_clip(smooth_clip(), tmp_path / name)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_the_file_is_one_that_browsers_play(tmp_path):
    write_clip(smooth_clip(), tmp_path / "clip.mp4")
    with av.open(str(tmp_path / "clip.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")


def test_without_h264_the_other_codec_does(tmp_path, monkeypatch):
    monkeypatch.delitem(writing._ENCODERS, "libx264")
    clip = smooth_clip()
    write_clip(clip, tmp_path / "clip.mp4")
    assert psnr(read_clip(tmp_path / "clip.mp4").frames, clip.frames) > 35


@pytest.mark.parametrize("fps", [8, 24, 29.97, 30000 / 1001, 0.5, 120])
def test_the_frame_rate_is_kept(tmp_path, fps):
    write_clip(smooth_clip(4, 16, 16, fps), tmp_path / "clip.mp4")
    back = read_clip(tmp_path / "clip.mp4")
    assert back.fps == pytest.approx(fps, rel=1e-6) and back.n_frames == 4


def test_half_precision_and_values_outside_are_written_clipped(tmp_path):
    frames = torch.full((2, 3, 16, 16), 1.5, dtype=torch.float16)
    write_clip(Clip(frames, 8), tmp_path / "clip.mp4")
    assert float(read_clip(tmp_path / "clip.mp4").frames.min()) > 0.97


def test_an_odd_side_gets_its_last_pixels_twice(tmp_path):
    clip = smooth_clip(height=33, width=47)
    write_clip(clip, tmp_path / "clip.mp4")
    back = read_clip(tmp_path / "clip.mp4")
    assert back.size == (34, 48) and psnr(back.frames[..., :33, :47], clip.frames) > 37
    assert read_clip(tmp_path / "clip.mp4", size=clip.size).size == clip.size


def test_n_frames_takes_the_first_ones(tmp_path):
    clip = smooth_clip(12)
    write_clip(clip, tmp_path / "clip.mp4")
    back = read_clip(tmp_path / "clip.mp4", n_frames=5)
    assert back.n_frames == 5 and psnr(back.frames, clip.frames[:5]) > 40


def test_no_more_is_decoded_than_asked_for(tmp_path, monkeypatch):
    write_clip(smooth_clip(100, 16, 16), tmp_path / "clip.mp4")
    frames, original = [], decoding.decoded

    def counted(*given):
        for frame in original(*given):
            frames.append(frame)
            yield frame

    monkeypatch.setattr(source, "decoded", counted)
    read_clip(tmp_path / "clip.mp4", n_frames=8)
    assert len(frames) <= 9


def test_a_size_cuts_the_centre_and_keeps_the_shape_of_things(tmp_path):
    frames = torch.zeros(2, 3, 64, 128)
    frames[..., 32:96] = 1  # the centred square is white, both sides of it black
    write_clip(Clip(frames, 8), tmp_path / "clip.mp4")
    assert float(read_clip(tmp_path / "clip.mp4", size=16).frames[..., 1:-1].min()) > 0.9
    wide = read_clip(tmp_path / "clip.mp4", size=(16, 32)).frames
    assert wide.shape == (2, 3, 16, 32) and float(wide[..., :7].max()) < 0.1


def test_shrinking_averages_what_it_skips(tmp_path):
    stripes = (torch.arange(64) % 2).float().expand(2, 3, 64, 64)
    write_clip(Clip(stripes, 8), tmp_path / "clip.mp4")
    small = read_clip(tmp_path / "clip.mp4", size=8).frames
    torch.testing.assert_close(small, torch.full_like(small, 0.5), atol=0.05, rtol=0)


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_a_phone_clip_stands_upright(tmp_path, rotation):
    upright = smooth_clip(4, 64, 40)
    lying = torch.rot90(upright.frames, -rotation // 90, dims=(2, 3))
    pictures = Clip(lying, 8).to_uint8()
    back = read_clip(encode(tmp_path / "phone.mp4", pictures, rotation=rotation))
    assert back.size == (64, 40) and psnr(back.frames, upright.frames) > 35


def test_an_odd_size_is_read_as_it_is(tmp_path):
    clip = smooth_clip(4, 51, 33)
    back = read_clip(encode(tmp_path / "odd.mp4", clip.to_uint8()))
    assert back.size == (51, 33) and psnr(back.frames, clip.frames) > 35


def test_colours_in_full_range_are_read_right(tmp_path):
    clip = smooth_clip(4)
    path = encode(tmp_path / "full.mp4", clip.to_uint8(), colour_range=2)
    assert psnr(read_clip(path).frames, clip.frames) > 35


def test_a_sound_track_is_ignored(tmp_path):
    clip = smooth_clip(6)
    back = read_clip(encode(tmp_path / "sound.mp4", clip.to_uint8(), sound=True))
    assert back.n_frames == 6 and psnr(back.frames, clip.frames) > 35


def test_a_gif_reads_too(tmp_path):
    pictures = [Image.new("RGB", (16, 16), (shade, 0, 0)) for shade in (0, 90, 180)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=100)
    assert read_clip(tmp_path / "a.gif").frames.shape == (3, 3, 16, 16)


def test_a_missing_file_a_folder_and_an_empty_file_are_told_apart(tmp_path):
    (tmp_path / "empty.mp4").touch()
    for name, error in (("no.mp4", FileNotFoundError), ("", IsADirectoryError)):
        with pytest.raises(error, match="wanted a video file"):
            read_clip(tmp_path / name)
    with pytest.raises(ValueError, match="empty"):
        read_clip(tmp_path / "empty.mp4")


@pytest.mark.parametrize("content", [b"\x00", b"hello, this is a text\n" * 99, os.urandom(5000)])
def test_what_is_no_video_is_refused(tmp_path, content):
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(ValueError, match="no video|video stream|cannot be read"):
        read_clip(tmp_path / "clip.mp4")


@pytest.mark.parametrize("faststart", [False, True])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.97])
@pytest.mark.parametrize("n_frames", [None, 2])
def test_a_cut_off_file_is_refused(tmp_path, faststart, kept, n_frames):
    pictures = torch.rand(10, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    pictures = (255 * pictures).byte().numpy()
    flags = {"movflags": "faststart"} if faststart else {}
    path = encode(tmp_path / "clip.mp4", pictures, container_options=flags)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ValueError, match="cut off"):
        read_clip(path, n_frames=n_frames)


def test_a_song_is_refused(tmp_path):
    with av.open(str(tmp_path / "song.mp4"), "w") as container:
        add_sound(container, container.add_stream("aac", rate=44100, layout="mono"))
    with pytest.raises(ValueError, match="no video stream"):
        read_clip(tmp_path / "song.mp4")


def test_a_single_frame_is_refused(tmp_path):
    write_clip(smooth_clip(1), tmp_path / "clip.mp4")
    Image.new("RGB", (32, 32)).save(tmp_path / "photo.png")
    for name in ("clip.mp4", "photo.png"):
        with pytest.raises(ValueError, match="single frame; at least 2"):
            read_clip(tmp_path / name)


@pytest.mark.parametrize("side", [1, 7])
def test_a_video_of_few_pixels_is_refused(tmp_path, side):
    pictures = numpy.zeros((4, side, side, 3), dtype=numpy.uint8)
    path = encode(tmp_path / "tiny.mkv", pictures, codec="ffv1")
    with pytest.raises(ValueError, match=f"{side} x {side} pixels"):
        read_clip(path)


def test_asking_for_more_frames_than_there_are_is_refused(tmp_path):
    write_clip(smooth_clip(4), tmp_path / "clip.mp4")
    with pytest.raises(ValueError, match="4 frames"):
        read_clip(tmp_path / "clip.mp4", n_frames=5)


@pytest.mark.parametrize(
    "wanted", [{"n_frames": 1}, {"n_frames": -3}, {"size": 0}, {"size": (64, 4)}, {"size": (64,)}]
)
def test_numbers_out_of_range_are_refused_before_the_file_is_opened(wanted):
    with pytest.raises(ValueError, match=next(iter(wanted))):
        read_clip("missing.mp4", **wanted)


ODD = {
    "start": [-0.1, float("nan"), float("inf"), 2**2000, None, [0]],
    "fps": [0, float("nan"), 2**2000, "four", [4]],
    "size": [64.0, "64", b"64", True, numpy.array(2), (32.0, 32), {}],
    "n_frames": [True, 4.0, "4", numpy.array([4])],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, some in ODD.items() for v in some])
def test_an_odd_number_is_refused_by_its_name_and_as_it_came(name, value):
    with pytest.raises((ValueError, TypeError), match=f"^{name} is .*(wanted|needed)") as refusal:
        read_clip("missing.mp4", **{name: value})
    assert not isinstance(value, str | bytes) or repr(value) in str(refusal.value)


@pytest.mark.parametrize("wanted", [{"start": 1e300}, {"fps": 1e-300}, {"fps": 1e-9}])
def test_a_number_far_out_leaves_too_few_frames(tmp_path, wanted):
    write_clip(smooth_clip(4), tmp_path / "clip.mp4")
    with pytest.raises(ValueError, match=r"clip.mp4 holds .*at least 2 frames are needed"):
        read_clip(tmp_path / "clip.mp4", **wanted)


def test_a_path_may_be_bytes_and_nothing_that_is_no_path(tmp_path):
    path = os.fsencode(tmp_path / "clip.mp4")
    write_clip(smooth_clip(4), path)
    assert read_clip(path).n_frames == 4
    for other in (None, 3, ["clip.mp4"]):
        with pytest.raises(TypeError, match="path"):
            read_clip(other)


@pytest.mark.parametrize("fps", [1e-300, 0.0009, 1001, 1e5])
def test_a_rate_that_no_player_believes_is_not_written(tmp_path, fps):
    with pytest.raises(ValueError, match="at least one frame in 1000 s and at most 1000"):
        write_clip(Clip(smooth_clip(4).frames, fps), tmp_path / "clip.mp4")


def test_what_is_no_clip_is_not_written(tmp_path):
    with pytest.raises(TypeError, match="got a Tensor; wanted a Clip"):
        write_clip(smooth_clip(4).frames, tmp_path / "clip.mp4")


def test_another_suffix_is_refused(tmp_path):
    for name, hint in (("clip.avi", ".mp4"), ("clip.gif", "write_gif"), ("clip", ".mp4")):
        with pytest.raises(ValueError, match=hint):
            write_clip(smooth_clip(), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_the_place_is_looked_at_before_the_work_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_encoded", lambda clip: pytest.fail("work was done in vain"))
    (tmp_path / "taken.mp4").mkdir()
    (tmp_path / "file").touch()
    for name, error in (
        ("none/clip.mp4", FileNotFoundError),
        ("taken.mp4", IsADirectoryError),
        ("file/clip.mp4", NotADirectoryError),
    ):
        with pytest.raises(error):
            write_clip(smooth_clip(), tmp_path / name)


def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(PermissionError, match="could not be written"):
        write_clip(smooth_clip(), tmp_path / "clip.mp4")


def fail_at_third_frame(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    made, original = [], av.VideoFrame.from_ndarray

    class Failing:
        @staticmethod
        def from_ndarray(*given, **named):
            made.append(1)
            if len(made) == 3:
                raise error
            return original(*given, **named)

    monkeypatch.setattr(writing.av, "VideoFrame", Failing)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError("full")])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, error):
    (tmp_path / "clip.mp4").write_bytes(b"old")
    fail_at_third_frame(monkeypatch, error)
    with pytest.raises(type(error)):
        write_clip(smooth_clip(), tmp_path / "clip.mp4")
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]
    assert (tmp_path / "clip.mp4").read_bytes() == b"old"


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_is_named_and_leaves_nothing(tmp_path, monkeypatch, call):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, call, full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_clip(smooth_clip(), tmp_path / "clip.mp4")
    assert caught.value.errno == errno.ENOSPC and not list(tmp_path.iterdir())


def test_a_whole_file_replaces_the_old_one(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"old")
    with safe_output(tmp_path / "a.bin") as file:
        file.write(b"new")
        assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.bin", b"new")]

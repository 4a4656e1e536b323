"""A part of a clip is what the whole clip has there, and costs no more than it must."""

from __future__ import annotations

import gc
import os
import warnings

import av
import numpy
import pytest
import torch
from clip_files import encode, numbered

from course.clips import read_clip
from course.clips.decoding import _frames
from course.clips.findings import ClipWarning
from course.clips.video import clip_facts

N_FRAMES, GROUP = 48, 8
X264 = {"crf": "12", "g": str(GROUP), "bf": "3", "sc_threshold": "0"}
KINDS = {
    "B-frames": ("libx264", X264, ("mp4", "mkv", "ts", "mov", "flv")),
    "open groups": ("libx264", X264 | {"x264-params": "open-gop=1"}, ("mp4", "mkv", "ts")),
    "refreshed column by column": ("libx264", X264 | {"intra-refresh": "1"}, ("mp4", "ts")),
    "MPEG-4": ("mpeg4", {"g": str(GROUP), "b": "2M"}, ("avi", "mp4", "mkv")),
    "MPEG-4 with B-frames": ("mpeg4", {"g": str(GROUP), "bf": "2", "b": "2M"}, ("avi", "mkv")),
    "MPEG-2": ("mpeg2video", {"g": str(GROUP), "bf": "2", "b": "2M"}, ("ts", "mpg", "mkv")),
    "HEVC": (
        "libx265",
        {"x265-params": f"log-level=none:keyint={GROUP}:open-gop=1:bframes=3"},
        ("mp4", "mkv"),
    ),
    "VP8": ("libvpx", {"g": str(GROUP), "b": "1M", "auto-alt-ref": "1"}, ("webm",)),
    "VP9": ("libvpx-vp9", {"g": str(GROUP), "b": "1M", "cpu-used": "8"}, ("webm",)),
    "AV1": ("libsvtav1", {"g": str(GROUP), "preset": "12"}, ("mp4", "mkv")),
    "pictures alone": ("mjpeg", {"qmin": "2", "qmax": "2"}, ("avi", "mov")),
    "what changes": ("gif", {}, ("gif",)),
}
CASES = [(kind, suffix) for kind, (_, _, suffixes) in KINDS.items() for suffix in suffixes]


def written(tmp_path, kind: str, suffix: str):
    codec, options, _ = KINDS[kind]
    if codec not in av.codecs_available:
        pytest.skip(f"PyAV has no {codec} here")
    pix_fmt = {"mjpeg": "yuvj420p", "gif": "rgb8"}.get(codec, "yuv420p")
    return encode(
        tmp_path / f"a.{suffix}", numbered(N_FRAMES, 96), rate=25, codec=codec, pix_fmt=pix_fmt,
        options=options,
    )  # fmt: skip


@pytest.mark.parametrize(("kind", "suffix"), CASES)
@pytest.mark.filterwarnings("ignore::course.clips.findings.ClipWarning")
def test_a_part_is_what_the_whole_clip_has_there(tmp_path, kind, suffix):
    path = written(tmp_path, kind, suffix)
    whole = read_clip(path)
    for first in (1, 9, 23, 24, 25, 31, 40):
        part = read_clip(path, start=first / whole.fps)
        assert torch.equal(part.frames, whole.frames[first:])


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="schedulers are Linux's")
def test_writing_a_clip_leaves_the_priority_of_the_process_as_it_was(tmp_path):
    before = os.sched_getscheduler(0)
    written(tmp_path, "AV1", "mp4")
    assert os.sched_getscheduler(0) == before


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi"])
def test_what_lies_before_a_part_is_not_decoded(tmp_path, monkeypatch, suffix):
    kind = "MPEG-4" if suffix == "avi" else "B-frames"
    path, decoded = written(tmp_path, kind, suffix), []

    def counted(packet, context):
        decoded.append(packet)
        return _frames(packet, context)

    monkeypatch.setattr("course.clips.decoding._frames", counted)
    clip = read_clip(path, start=40 / 25, n_frames=3)
    assert clip.n_frames == 3 and len(decoded) < N_FRAMES / 2


@pytest.mark.parametrize("repeats", [True, False])
def test_stamps_that_lead_astray_are_not_followed(tmp_path, repeats):
    path = written(tmp_path, "B-frames", "ts")
    if repeats:
        path.write_bytes(2 * path.read_bytes())
    else:
        later = encode(
            tmp_path / "b.ts", numbered(N_FRAMES, 96), pix_fmt="yuv420p", options=X264,
            stamps=[*range(60_000, 60_000 + 40 * N_FRAMES, 40)],
        )  # fmt: skip
        path.write_bytes(later.read_bytes() + path.read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ClipWarning)
        whole = read_clip(path)
        part = read_clip(path, start=70 / whole.fps)
    assert torch.equal(part.frames, whole.frames[70:])


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_what_an_edit_list_cuts_off_is_not_counted(tmp_path, suffix):
    stamps = [40 * index - 300 for index in range(N_FRAMES)]  # a part lies before the beginning
    path = encode(
        tmp_path / f"a.{suffix}", numbered(N_FRAMES, 96), rate=25, pix_fmt="yuv420p", options=X264,
        stamps=stamps,
    )  # fmt: skip
    whole = read_clip(path)
    assert clip_facts(path).n_frames == whole.n_frames < N_FRAMES
    assert torch.equal(read_clip(path, start=30 / 25).frames, whole.frames[30:])


def test_a_part_of_joined_fields_is_that_of_the_whole(tmp_path):
    options = X264 | {"x264-params": "tff=1"}
    path = encode(
        tmp_path / "a.mkv", numbered(N_FRAMES, 96), rate=25, pix_fmt="yuv420p", options=options
    )
    with pytest.warns(ClipWarning, match="interlaced"):
        whole, part = read_clip(path), read_clip(path, start=30 / 25)
    assert torch.equal(part.frames, whole.frames[30:])


def test_damage_is_counted_from_the_start_of_the_file(tmp_path):
    path = written(tmp_path, "MPEG-4", "avi")
    content = bytearray(path.read_bytes())
    at = int(0.75 * len(content))
    content[at : at + 200] = numpy.random.default_rng(1).bytes(200)
    path.write_bytes(content)
    told = []
    for start in (0, 24 / 25):
        with pytest.warns(ClipWarning, match="damaged") as caught:
            read_clip(path, start=start)
        told.append(str(caught[0].message))
    assert told[0] == told[1]


def test_frames_do_not_lie_about_after_they_were_read(tmp_path, monkeypatch):
    path, alive = encode(tmp_path / "a.mp4", numbered(N_FRAMES)), []

    def counted(packet, context):
        alive.append(sum(isinstance(thing, av.VideoFrame) for thing in gc.get_objects()))
        return _frames(packet, context)

    monkeypatch.setattr("course.clips.decoding._frames", counted)
    gc.collect()
    gc.disable()  # a circle of frame and side data would wait for this
    try:
        clip = read_clip(path, size=16)
    finally:
        gc.enable()
    assert clip.n_frames == N_FRAMES and max(alive) - alive[0] < 5

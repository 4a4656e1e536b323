"""``python -m benchmarks.damage``: how many damaged clips are read without a word about it.

Clips of 60 noisy frames are made here, 200 bytes overwritten at eight places by noise and by
zeros, and each is read by `read_clip`. A clip counts as torn where a frame differs from that of
the whole file by more than 2 of 255 in the mean, or frames are missing.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import av
import numpy
import torch

from benchmarks.edit_figures import markdown
from course.clips import ClipWarning, read_clip

N_FRAMES, SIDE, N_BYTES = 60, 64, 200
PLACES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
TORN = 2 / 255
KINDS = {
    "H.264, mp4": ("libx264", "mp4", {}),
    "H.264, mkv": ("libx264", "mkv", {}),
    "H.264, ts": ("libx264", "ts", {}),
    "H.264 without CABAC, mov": ("libx264", "mov", {"x264-params": "cabac=0"}),
    "HEVC, mp4": ("libx265", "mp4", {"x265-params": "log-level=none"}),
    "MPEG-4, mp4": ("mpeg4", "mp4", {"b": "2M"}),
    "MPEG-4, avi": ("mpeg4", "avi", {"b": "2M"}),
    "VP9, webm": ("libvpx-vp9", "webm", {"b": "2M", "cpu-used": "8"}),
    "AV1, mp4": ("libsvtav1", "mp4", {"preset": "12", "crf": "20"}),
    "H.264, flv": ("libx264", "flv", {}),
    "MPEG-2, ts": ("mpeg2video", "ts", {"b": "2M"}),
    "WMV 2, wmv": ("wmv2", "wmv", {"b": "2M"}),
    "GIF": ("gif", "gif", {}),
}


def pictures() -> numpy.ndarray:
    """Return a white block that moves over dark noise, (T, H, W, 3) bytes."""
    found = numpy.random.default_rng(0).integers(0, 60, (N_FRAMES, SIDE, SIDE, 3), numpy.uint8)
    for index in range(N_FRAMES):
        found[index, 10:20, index % 50 : index % 50 + 8] = 255
    return found


def write(path: Path, codec: str, options: dict[str, str]) -> None:
    """Write the pictures with a codec; SVT-AV1 would keep the thread at a priority of its own."""
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        encode(path, codec, options)
    finally:
        os.sched_setscheduler(0, *before)


def encode(path: Path, codec: str, options: dict[str, str]) -> None:
    """Write the pictures with a codec."""
    # The same bytes each time, or the damage would hit something else.
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width = stream.height = SIDE
        stream.codec_context.thread_count = 1
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        for picture in pictures():
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
        container.mux(stream.encode())


def outcome(path: Path, whole: torch.Tensor) -> str:
    """Return what became of reading a damaged clip."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ClipWarning)
        try:
            frames = read_clip(path).frames
        except ValueError:
            return "refused"
    if caught:
        return "told"
    if len(frames) < len(whole):
        return "fewer frames, not told"
    same = frames.shape == whole.shape
    torn = not same or bool(((frames - whole).abs().mean((1, 2, 3)) > TORN).any())
    return "torn, not told" if torn else "whole"


def main() -> None:
    """Print the table."""
    columns, rows = ("told", "refused", "whole", "torn, not told", "fewer frames, not told"), []
    with tempfile.TemporaryDirectory() as folder:
        for name, (codec, suffix, options) in KINDS.items():
            path = Path(folder) / f"clip.{suffix}"
            write(path, codec, options)
            content, whole, found = path.read_bytes(), read_clip(path).frames, Counter()
            for seed, place in enumerate(PLACES):
                for noise in (numpy.random.default_rng(seed).bytes(N_BYTES), bytes(N_BYTES)):
                    at = int(place * len(content))
                    path.write_bytes(content[:at] + noise + content[at + N_BYTES :])
                    found[outcome(path, whole)] += 1
            rows.append([name, *(str(found[column]) for column in columns)])
    print(markdown(["clip", *columns], rows))


if __name__ == "__main__":
    main()

"""Clips out: an mp4 file that browsers play, the one that the paper's method gives back (Fig. 1).

PyAV does the encoding. What is decided here: colours that survive it, and that a failed write
leaves nothing behind.
"""

from __future__ import annotations

import io
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy

from course.files import safe_output

from .clip import Clip
from .picture import BT709, CHROMA
from .stamps import MOST_RATE

# Near lossless: the clips are tiny. Most browsers do not play mpeg4, other players do. swscale
# puts each colour sample in the middle of its four pixels, and chromaloc=1 tells the player so:
# with the default mark, colours read back shifted by half a pixel, which costs 2 dB. x264 with its
# tree of macroblocks (mbtree) does not write the same bytes twice.
_ENCODERS = {
    "libx264": {"crf": "12", "x264-params": "chromaloc=1:mbtree=0"},
    "mpeg4": {"qmin": "1", "qmax": "2"},
}
_LIMITED_RANGE = 1  # code point of FFmpeg


def write_clip(clip: Clip, path: str | os.PathLike[str]) -> None:
    """Write a clip as an mp4 file that browsers play: H.264, 4:2:0 colour, the clip's own rate.

    4:2:0 needs even sides: an odd one gets its last row or column twice, and reads back one pixel
    longer (`read_clip(..., size=clip.size)` gives the old size). The caption is stored as the
    description. Without libx264 the codec is MPEG-4 Part 2. Moves the frames to the host.

    The file appears under its name only when it is whole; after any error, or Ctrl-C, nothing is
    left behind. Raises TypeError for what is no clip, ValueError for a suffix other than .mp4, a
    rate that is not read back, or values that are not finite, FileNotFoundError,
    IsADirectoryError, PermissionError or OSError where nothing can be written.
    """
    path = Path(os.fsdecode(path))
    if not isinstance(clip, Clip):
        raise TypeError(f"got a {type(clip).__name__}; wanted a Clip, as Clip(frames, fps).")
    if path.suffix.lower() != ".mp4":
        hint = "write_gif writes .gif files." if path.suffix.lower() == ".gif" else "Rename it."
        raise ValueError(f"{path} ends in {path.suffix!r}; write_clip writes .mp4 files. {hint}")
    with safe_output(path) as file:
        # Encoding goes to memory: a full disk then shows as one plain error in Python's own write.
        file.write(_encoded(clip))


def _encoded(clip: Clip) -> bytes:
    if not 1e-3 <= clip.fps <= MOST_RATE:  # nor would it be read as what it is
        raise ValueError(
            f"fps is {clip.fps}; an mp4 file needs at least one frame in 1000 s and at most "
            f"{MOST_RATE} in one."
        )
    rate = Fraction(clip.fps).limit_denominator(1001)  # finds 30000/1001 in 29.97002997
    height, width = clip.size
    evened = [(0, 0), (0, height % 2), (0, width % 2), (0, 0)]
    pictures = numpy.pad(clip.to_uint8(), evened, mode="edge")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        container.metadata["description"] = clip.caption
        stream = _encoder(container, rate, *pictures.shape[1:3])
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                format="yuv420p", dst_colorspace="ITU709", interpolation=CHROMA
            )
            frame.pts, frame.time_base = index, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()


def _encoder(
    container: av.container.OutputContainer, rate: Fraction, height: int, width: int
) -> av.VideoStream:
    name = next(name for name in _ENCODERS if name in av.codecs_available)
    stream = container.add_stream(name, rate=rate, options=_ENCODERS[name])
    stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
    context = stream.codec_context
    context.thread_count = 1  # the same bytes whatever the number of cores
    # Untagged colours are guessed by players, and differently by size.
    context.colorspace = context.color_primaries = context.color_trc = BT709
    context.color_range = _LIMITED_RANGE
    return stream

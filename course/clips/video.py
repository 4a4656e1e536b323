"""mp4 in and out: the video that the paper's method takes (Fig. 1) and the one it gives back.

PyAV does the decoding and encoding. What is decided here: how any clip, also one from a phone,
becomes T upright frames at a constant rate, and that a failed write leaves nothing behind.
"""

from __future__ import annotations

import io
import operator
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import av
import numpy
import torch
from av.video.reformatter import Interpolation

from .clip import Clip

MIN_FRAMES = 2  # one frame has no neighbour to be consistent with
MIN_PIXELS = 8  # a side shorter than this shows nothing that could be edited

# Near lossless: the clips are tiny. Most browsers do not play mpeg4, other players do. swscale
# puts each colour sample in the middle of its four pixels, and chromaloc=1 tells the player so:
# with the default mark, colours read back shifted by half a pixel, which costs 2 dB.
_ENCODERS = {
    "libx264": {"crf": "12", "x264-params": "chromaloc=1"},
    "mpeg4": {"qmin": "1", "qmax": "2"},
}
# 4:2:0 halves the colour planes; the default, nearest colour, costs small pictures 4 dB more.
_CHROMA = Interpolation.LANCZOS | Interpolation.ACCURATE_RND
_CHROMA |= Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
_BT709, _LIMITED_RANGE, _ATTACHED_PICTURE = 1, 1, 1024  # code points of H.273 and FFmpeg


def read_clip(
    path: str | os.PathLike[str],
    *,
    n_frames: int | None = None,
    size: int | tuple[int, int] | None = None,
) -> Clip:
    """Read a video file as upright frames at a constant rate; sound is ignored.

    The rate is the file's average rate; where time stamps are uneven, each moment gets the frame
    nearest in time. n_frames: that many frames from the start, and no more is decoded (None: all
    of them, in memory). size: (height, width) in pixels, or one number for a square: the largest
    centred part of that shape is cut out and resized with antialiasing. frames: float32 on the
    CPU. caption: the description that `write_clip` stored, else "".

    Raises FileNotFoundError, IsADirectoryError or PermissionError for the path; ValueError for a
    file that is empty, cut off (seen in mp4 and mov files), no video, shorter than n_frames or
    2 frames, smaller than 8 x 8 pixels, and for n_frames or size out of range.
    """
    path = Path(path)
    n_frames, size = _checked_count(n_frames), _checked_size(size)
    with _open_for_reading(path) as file:
        try:
            with av.open(file, metadata_errors="replace") as container:
                stream = _video_stream(container, path)
                rate = _average_rate(stream, path)
                moments = _at_constant_rate(_timed_frames(container, stream, rate), rate)
                frames = [_upright(frame, size, path) for frame in islice(moments, n_frames)]
                caption = container.metadata.get("description", "")
        except av.error.FFmpegError as error:
            raise ValueError(
                f"{path} cannot be read as a video ({error.strerror}): it is no video or it was "
                "cut off. Copy it again, or convert it to mp4."
            ) from error
    return Clip(_stacked(frames, n_frames, path), float(rate), caption)


def write_clip(clip: Clip, path: str | os.PathLike[str]) -> None:
    """Write a clip as an mp4 file that browsers play: H.264, 4:2:0 colour, the clip's own rate.

    4:2:0 needs even sides: an odd one gets its last row or column twice, and reads back one pixel
    longer (`read_clip(..., size=clip.size)` gives the old size). The caption is stored as the
    description. Without libx264 the codec is MPEG-4 Part 2. Moves the frames to the host.

    The file appears under its name only when it is whole; after any error, or Ctrl-C, nothing is
    left behind. Raises ValueError for a suffix other than .mp4 or values that are not finite,
    FileNotFoundError, IsADirectoryError, PermissionError or OSError where nothing can be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".mp4":
        hint = "write_gif writes .gif files." if path.suffix.lower() == ".gif" else "Rename it."
        raise ValueError(f"{path} ends in {path.suffix!r}; write_clip writes .mp4 files. {hint}")
    with safe_output(path) as file:
        # Encoding goes to memory: a full disk then shows as one plain error in Python's own write.
        file.write(_encoded(clip))


@contextmanager
def safe_output(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file that takes its name only when its block ends well, and else vanishes.

    Raises FileNotFoundError, NotADirectoryError, IsADirectoryError or PermissionError before the
    block runs, and OSError when the disk is full.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; wanted the name of a file in it.")
    if not path.parent.exists():
        raise FileNotFoundError(f"{path} cannot be written: create the folder {path.parent} first.")
    temporary = path.parent / f".{uuid.uuid4().hex}.part"
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # some file systems report a full disk only here
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):  # where it could not be made it cannot be removed either
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(
                error.errno,
                f"{path} could not be written ({error.strerror}) and nothing was left behind. "
                "Free some room, or choose a folder that you may write to",
            ) from error
        raise


def _checked_count(n_frames: int | None) -> int | None:
    if n_frames is not None and operator.index(n_frames) < MIN_FRAMES:
        raise ValueError(f"n_frames is {n_frames}; at least {MIN_FRAMES} frames are needed.")
    return n_frames


def _checked_size(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2 or min(map(operator.index, sides)) < MIN_PIXELS:
        raise ValueError(f"size is {size}; wanted (height, width), each at least {MIN_PIXELS}.")
    return sides


def _open_for_reading(path: Path) -> BinaryIO:
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; wanted a video file. Check the name.")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; wanted a video file, such as clip.mp4.")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes); wanted a video file. Copy it again.")
    return open(path, "rb")


def _video_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    # The cover picture of a song is stored as a video stream of one frame.
    streams = [s for s in container.streams.video if not s.disposition & _ATTACHED_PICTURE]
    if not streams:
        raise ValueError(f"{path} holds no video stream; wanted a video, such as an mp4 file.")
    stream = streams[0]
    if stream.codec_context is None:
        raise ValueError(f"{path} is coded in a way that is not known here. Convert it to mp4.")
    if "mp4" in container.format.name and len(stream.index_entries):
        # The table of contents may be whole although the pictures it points to are missing.
        last = stream.index_entries[len(stream.index_entries) - 1]
        if last.pos + last.size > path.stat().st_size:
            raise ValueError(f"{path} was cut off: its last frames are missing. Copy it again.")
    return stream


def _average_rate(stream: av.VideoStream, path: Path) -> Fraction:
    rate = stream.average_rate or stream.guessed_rate
    if not rate or rate <= 0:
        raise ValueError(f"{path} has no frame rate; wanted a video. Convert it to mp4.")
    return Fraction(rate)


def _timed_frames(
    container: av.container.InputContainer, stream: av.VideoStream, rate: Fraction
) -> Iterator[tuple[Fraction, av.VideoFrame]]:
    for index, frame in enumerate(container.decode(stream)):
        # Raw streams carry no time stamps: then the frames follow each other at the rate.
        yield (index / rate if frame.pts is None else frame.pts * frame.time_base), frame


def _at_constant_rate(
    timed_frames: Iterable[tuple[Fraction, av.VideoFrame]], rate: Fraction
) -> Iterator[av.VideoFrame]:
    """Yield, for the moments 0, 1/rate, 2/rate ... after the first frame, the nearest frame."""
    index, start, before, nearest = 0, None, None, None
    for time, frame in timed_frames:
        start = time if start is None else start
        while nearest is not None and index / rate < (before + time) / 2 - start:
            yield nearest
            index += 1
        before, nearest = time, frame
    while nearest is not None and index / rate < before - start + 1 / (2 * rate):
        yield nearest
        index += 1


def _upright(frame: av.VideoFrame, size: tuple[int, int] | None, path: Path) -> torch.Tensor:
    if min(frame.height, frame.width) < MIN_PIXELS:
        found, least = f"{frame.width} x {frame.height}", f"{MIN_PIXELS} x {MIN_PIXELS}"
        raise ValueError(f"{path} is {found} pixels; wanted at least {least}. Use a larger video.")
    pixels = frame.to_ndarray(format="rgb24", interpolation=_CHROMA)
    picture = torch.from_numpy(pixels).permute(2, 0, 1)
    # Phones store the picture as the sensor lies and note by how much to turn it.
    picture = torch.rot90(picture, round(frame.rotation / 90), dims=(1, 2)).float() / 255
    return picture.contiguous() if size is None else _fitted(picture, size)


def _fitted(picture: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    height, width = picture.shape[1:]
    scale = min(height / size[0], width / size[1])
    kept_height, kept_width = (max(1, round(side * scale)) for side in size)
    top, left = (height - kept_height) // 2, (width - kept_width) // 2
    part = picture[None, :, top : top + kept_height, left : left + kept_width]
    resized = torch.nn.functional.interpolate(part, size, mode="bilinear", antialias=True)
    return resized[0].clamp(0, 1)


def _stacked(frames: list[torch.Tensor], n_frames: int | None, path: Path) -> torch.Tensor:
    if len(frames) < MIN_FRAMES:
        found = "a single frame" if frames else "no frame"
        raise ValueError(f"{path} holds {found}; at least {MIN_FRAMES} frames are needed.")
    if n_frames is not None and len(frames) < n_frames:
        raise ValueError(f"{path} holds {len(frames)} frames, fewer than n_frames={n_frames}.")
    if len({frame.shape for frame in frames}) > 1:
        raise ValueError(f"{path} changes its picture size on the way; give a size to read it in.")
    return torch.stack(frames)


def _encoded(clip: Clip) -> bytes:
    rate = Fraction(clip.fps).limit_denominator(1001)  # finds 30000/1001 in 29.97002997
    if not rate:
        raise ValueError(f"fps is {clip.fps}; an mp4 file needs at least one frame in 1000 s.")
    height, width = clip.size
    evened = [(0, 0), (0, height % 2), (0, width % 2), (0, 0)]
    pictures = numpy.pad(clip.to_uint8(), evened, mode="edge")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        container.metadata["description"] = clip.caption
        stream = _encoder(container, rate, *pictures.shape[1:3])
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                format="yuv420p", dst_colorspace="ITU709", interpolation=_CHROMA
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
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = _LIMITED_RANGE
    return stream

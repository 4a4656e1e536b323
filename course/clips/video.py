"""Clips in: the video that the paper's method takes (Fig. 1), as T upright frames at one rate.

PyAV and Pillow do the decoding. What is decided here: which frames are taken, and that they are
read once, one after the other, at the size that is wanted.
"""

from __future__ import annotations

import math
import operator
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import count, islice
from pathlib import Path

import torch
from torch import Tensor

from course.files import check_input, safe_output

from .clip import Clip
from .findings import Findings
from .fitting import FITS, Size, fitted, kept_size, shown_size
from .source import Source, source
from .writing import write_clip

__all__ = ["MIN_FRAMES", "MIN_PIXELS", "ClipFacts", "clip_facts", "read_clip"]
__all__ += ["safe_output", "write_clip"]

MIN_FRAMES = 2  # one frame has no neighbour to be consistent with
MIN_PIXELS = 8  # a side shorter than this shows nothing that could be edited
MAX_SIDE = 2**15
_MUCH = 4  # pixels that become one: finer colours could not be seen
_SAME_RATE = 0.005  # 30 asked of 29.97 frames a second means all of them


@dataclass(frozen=True)
class ClipFacts:
    """What is known about a clip before it is read.

    size: (height, width) as it is shown, upright and in square pixels. n_frames: how many coded
    pictures there are. fps: pictures per second. even: whether its time stamps are those of this
    rate. sound: the codec of its sound, or "".
    """

    size: Size
    n_frames: int
    fps: float
    even: bool
    sound: str


def clip_facts(path: str | os.PathLike[str]) -> ClipFacts:
    """Return what is known about a clip from its packets and its first frame.

    Raises as `read_clip` does.
    """
    path = check_input(path)
    with source(path, Findings()) as clip:
        frame = next(iter(clip.frames()), None)
        if frame is None:
            raise ValueError(f"{path} holds no frame; at least {MIN_FRAMES} frames are needed.")
        size = clip.picture(frame).shape[1:]
        timing = clip.timing
        shown = shown_size(tuple(size), clip.pixel_shape)
        return ClipFacts(shown, timing.n_packets, float(timing.rate), timing.even, clip.sound)


def read_clip(
    path: str | os.PathLike[str],
    *,
    n_frames: int | None = None,
    size: int | tuple[int, int] | None = None,
    start: float = 0.0,
    fps: float | None = None,
    fit: str = "crop",
) -> Clip:
    """Read a video file as upright frames at a constant rate; sound is ignored.

    Every picture of the file comes once, in order, at the file's typical rate; pauses and crowded
    time stamps do not change that. start: seconds at this rate that are left out. fps: frames per
    second to thin out to, at most the file's (None: all). n_frames: that many of these, and no
    more is decoded (None: all of them, in memory). size: (height, width) in square pixels, or one
    number for a square. fit: "crop" cuts out the largest centred part of that shape, "pad" puts
    black beside the whole picture, "stretch" bends it, "keep" keeps its shape: one number is then
    the shorter side, two are a box. Pictures are resized with antialiasing. frames: float32 on
    the CPU. caption: the description that `write_clip` stored, else "". Transparent parts lie
    over white, high dynamic range is mapped, fields are joined.

    Warns (`ClipWarning`) of damage, uneven time stamps and whatever else is not shown as stored.
    Raises FileNotFoundError, IsADirectoryError or PermissionError for the path; ValueError for a
    file that is empty, cut off (seen in mp4 and mov files), no video, encrypted, shorter than
    n_frames or 2 frames, smaller than 8 x 8 pixels, and for numbers out of range, TypeError for
    what is no number; MemoryError where the frames do not fit.
    """
    n_frames, size = _checked_count(n_frames), _checked_size(size)
    start, fps = _checked_seconds(start), _checked_fps(fps)
    if fit not in FITS:
        raise ValueError(f"fit is {fit!r}; wanted one of {', '.join(FITS)}.")
    path, findings = check_input(path), Findings()
    with source(path, findings) as clip:
        own = clip.timing.rate
        rate = _rate(own, fps, path)
        first = min(math.floor(Fraction(start) * own + Fraction(1, 2)), sys.maxsize)
        left = max(0, math.ceil((clip.timing.n_packets - first) * rate / own))
        most = None if n_frames is None else min(n_frames, sys.maxsize)
        frames = islice(_picked(clip.frames(first), own / rate), most)
        pictures = (_sized(clip, frame, size, fit, path) for frame in frames)
        stacked = _stacked(pictures, left if n_frames is None else min(left, n_frames), path)
        caption = clip.caption
    _check_length(len(stacked), n_frames, first, path)
    findings.warn(path)
    return Clip(stacked, float(rate), caption)


def _picked(frames: Iterator[object], step: Fraction) -> Iterator[object]:
    """Yield the frames nearest to 0, step, 2 step ... (step 1 or more)."""
    moments = (math.floor(index * step + Fraction(1, 2)) for index in count())
    wanted = next(moments)
    for index, frame in enumerate(frames):
        if index == wanted:
            yield frame
            wanted = next(moments)


def _sized(clip: Source, frame: object, size: Size | int | None, fit: str, path: Path) -> Tensor:
    largest = max(size) if isinstance(size, tuple) else size
    coarse = size is not None and min(frame.height, frame.width) >= _MUCH * largest
    picture = clip.picture(frame, coarse=coarse)
    height, width = shown_size(tuple(picture.shape[1:]), clip.pixel_shape)
    if min(height, width) < MIN_PIXELS:
        found, least = f"{width} x {height}", f"{MIN_PIXELS} x {MIN_PIXELS}"
        raise ValueError(f"{path} is {found} pixels; wanted at least {least}. Use a larger video.")
    if fit == "keep":
        size = kept_size((height, width), size)
    elif isinstance(size, int):
        size = size, size
    return fitted(picture, size, fit, clip.pixel_shape)


def _stacked(pictures: Iterable[Tensor], expected: int, path: Path) -> Tensor:
    """Put pictures into one tensor (T, 3, H, W) as they come.

    The tensor is made for `expected` of them at the first: small pictures kept one by one between
    large temporary ones would leave the memory full of holes, and stacking them needs it twice.
    """
    stack, n_frames = torch.empty(0), 0
    for picture in pictures:
        if n_frames and picture.shape != stack.shape[1:]:
            raise ValueError(
                f"{path} changes its picture size on the way; give a size to read it in."
            )
        if n_frames == len(stack):  # the first, or more than the packets promised
            larger = _room(max(expected, n_frames + n_frames // 2, MIN_FRAMES), picture, path)
            larger[:n_frames] = stack if n_frames else 0
            stack = larger
        stack[n_frames] = picture
        n_frames += 1
    return stack[:n_frames]


def _room(n_frames: int, picture: Tensor, path: Path) -> Tensor:
    try:
        return torch.empty(n_frames, *picture.shape)
    except RuntimeError as error:  # what torch raises where there is no memory
        height, width = picture.shape[1:]
        needed = n_frames * picture.numel() * 4 / 2**30
        raise MemoryError(
            f"{path}: {n_frames} frames of {width} x {height} pixels take {needed:.1f} GiB of "
            "memory, more than there is. Read fewer frames or a smaller size."
        ) from error


def _check_length(found: int, n_frames: int | None, first: int, path: Path) -> None:
    after = f" after its first {first}" if first else ""
    if found < MIN_FRAMES:
        holds = "a single frame" if found else "no frame"
        raise ValueError(f"{path} holds {holds}{after}; at least {MIN_FRAMES} frames are needed.")
    if n_frames is not None and found < n_frames:
        raise ValueError(
            f"{path} holds {found} frames{after} at this rate, fewer than n_frames={n_frames}."
        )


def is_own_rate(fps: float | None, own: float) -> bool:
    """Return whether a wanted rate is a clip's own, up to its last digits (None: it is)."""
    return fps is None or abs(fps / own - 1) < _SAME_RATE


def _rate(own: Fraction, fps: float | None, path: Path) -> Fraction:
    if is_own_rate(fps, float(own)):
        return own
    if fps > own:
        raise ValueError(
            f"fps is {fps:g} and {path} has {float(own):.4g} frames per second; pictures can be "
            "left out, not made. Take its own rate or less."
        )
    return Fraction(fps).limit_denominator(10**6) or Fraction(fps)


def _checked_count(n_frames: int | None) -> int | None:
    if n_frames is None:
        return None
    n_frames = _whole("n_frames", n_frames)
    if n_frames < MIN_FRAMES:
        raise ValueError(f"n_frames is {n_frames}; at least {MIN_FRAMES} frames are needed.")
    return n_frames


def _checked_size(size: int | tuple[int, int] | None) -> int | Size | None:
    if size is None:
        return None
    alone = isinstance(size, (str, bytes)) or getattr(size, "ndim", None) == 0
    alone = alone or not isinstance(size, Iterable)
    sides = tuple(_whole("size", side) for side in ((size,) if alone else size))
    if len(sides) != (1 if alone else 2) or not all(MIN_PIXELS <= s <= MAX_SIDE for s in sides):
        raise ValueError(
            f"size is {size}; wanted (height, width), each {MIN_PIXELS} to {MAX_SIDE}."
        )
    return sides[0] if alone else sides


def _whole(name: str, value: object) -> int:
    try:
        return operator.index(value)
    except TypeError as error:
        raise TypeError(f"{name} is {value!r}; wanted a whole number.") from error


def _checked_seconds(start: float) -> float:
    start = _number("start", start)
    if not 0 <= start < math.inf:
        raise ValueError(f"start is {start}; wanted 0 seconds or more.")
    return start


def _checked_fps(fps: float | None) -> float | None:
    if fps is None:
        return None
    fps = _number("fps", fps)
    if not 0 < fps < math.inf:
        raise ValueError(f"fps is {fps}; wanted a finite number above 0.")
    return fps


def _number(name: str, value: object) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number beyond all floats
        return math.inf
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} is {value!r}; wanted a number.") from error

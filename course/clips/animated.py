"""Animated WebP and AVIF: pictures that move, and that Pillow reads better than PyAV does."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import numpy
import torch
from PIL import Image, ImageOps

from .findings import Findings
from .opening import MAX_PIXELS, open_file
from .picture import UNSPECIFIED, mapped_colours, needs_mapping, over_white, planes
from .stamps import Timing, timing_of

_KINDS = ("WEBP", "AVIF")
_FLAGS, _MOVES, _IS_CLEAR = 20, 0x02, 0x10  # of a WebP file's VP8X chunk


def is_animated(path: Path) -> bool:
    """Return whether a file is a WebP or AVIF picture, by its first bytes."""
    with open_file(path) as file:
        head = file.read(32)
    is_webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    return is_webp or (head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis"))


def _too_large(path: Path, found: str) -> ValueError:
    return ValueError(
        f"{path} has pictures that are too large ({found}); at most {MAX_PIXELS} pixels are read."
    )


def _content(path: Path) -> io.BytesIO:
    """Return the file, as a picture with transparency where it is a WebP that moves.

    Its frames may cover a part of a clear canvas; none of them is clear then and the file does not
    say so, and Pillow would fill the rest with black.
    """
    with open_file(path) as file:
        content = bytearray(file.read())
    if content[12:16] == b"VP8X" and len(content) > _FLAGS and content[_FLAGS] & _MOVES:
        content[_FLAGS] |= _IS_CLEAR
    return io.BytesIO(content)


def _told_durations(content: bytes) -> list[int]:
    """Return the milliseconds that a WebP file tells for each picture; none in another file."""
    found, at = [], 12
    while content[:4] == b"RIFF" and at + 8 <= len(content):
        kind, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        if kind == b"ANMF" and at + 23 <= len(content):
            found.append(int.from_bytes(content[at + 20 : at + 23], "little"))
        at += 8 + size + size % 2
    return found


def _colour_tags(path: Path) -> tuple[int, int]:
    """Return the transfer function and primaries (H.273) that an AVIF file's colour box names."""
    with open_file(path) as file:
        _, found, box = file.read(2**16).partition(b"colrnclx")
    if not found or len(box) < 4:
        return UNSPECIFIED, UNSPECIFIED
    return int.from_bytes(box[2:4], "big"), int.from_bytes(box[:2], "big")


class Animation:
    """A file of Pillow's with the same parts as a video: see `course.clips.source.Source`."""

    sound = ""
    caption = ""
    pixel_shape = Fraction(1)

    def __init__(self, path: Path, findings: Findings) -> None:
        self.path, self.findings, self._tags = path, findings, _colour_tags(path)
        try:
            content = _content(path)
            with warnings.catch_warnings():  # this package has a limit of its own
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                self._image = Image.open(content, formats=_KINDS)
        except Image.DecompressionBombError as error:
            raise _too_large(path, str(error)) from error
        except Exception as error:  # Pillow's decoders raise kinds of their own
            raise self._damaged(error) from error
        width, height = self._image.size
        if width * height > MAX_PIXELS:
            raise _too_large(path, f"{width} x {height} pixels")
        try:
            self.timing = self._timing(_told_durations(content.getvalue()))
        except Exception as error:  # Pillow's decoders raise kinds of their own
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> ValueError:
        return ValueError(
            f"{self.path} cannot be read as a picture that moves ({error}): it was cut off or is "
            "damaged. Copy it again, or convert it to mp4."
        )

    def _timing(self, told: list[int]) -> Timing:
        """Return the timing from the milliseconds that each picture stands."""
        n_frames = getattr(self._image, "n_frames", 1)
        durations = told if len(told) == n_frames else self._decoded_durations(n_frames)
        ends = [0, *accumulate(duration or 100 for duration in durations)]
        return timing_of(ends[:-1], Fraction(1, 1000), n_frames)

    def _decoded_durations(self, n_frames: int) -> list[int]:
        """Return the milliseconds of each picture where only decoding tells them, as in AVIF."""
        found = []
        for index in range(n_frames):
            self._image.seek(index)
            self._image.load()
            found.append(round(self._image.info.get("duration") or 0))
        self._image.seek(0)
        return found

    def frames(self, first: int = 0) -> Iterator[Image.Image]:
        """Yield the pictures in the order of showing, from number `first` on."""
        for index in range(first, self.timing.n_packets):
            try:
                self._image.seek(index)
                yield ImageOps.exif_transpose(self._image).convert("RGBA")
            except Exception as error:  # as above
                raise self._damaged(error) from error

    def picture(self, frame: Image.Image, *, coarse: bool = False) -> torch.Tensor:
        """Return a frame as (3, H, W) in [0, 1], over white."""
        pixels = numpy.array(frame)
        colours = planes(pixels[..., :3], 255)
        if needs_mapping(*self._tags):
            colours = mapped_colours(colours, *self._tags, self.findings)
        return over_white(colours, pixels[..., 3], self.findings)

    def close(self) -> None:
        """Close the file."""
        self._image.close()

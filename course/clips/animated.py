"""Animated WebP and AVIF: pictures that move, and that Pillow reads better than PyAV does."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy
import torch
from PIL import Image, ImageOps

from .findings import Findings
from .opening import open_file
from .picture import over_white
from .stamps import Timing, timing_of

_KINDS = ("WEBP", "AVIF")


def is_animated(path: Path) -> bool:
    """Return whether a file is a WebP or AVIF picture, by its first bytes."""
    with open_file(path) as file:
        head = file.read(32)
    is_webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    return is_webp or (head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis"))


class Animation:
    """A file of Pillow's with the same parts as a video: see `course.clips.source.Source`."""

    sound = ""
    caption = ""
    pixel_shape = Fraction(1)

    def __init__(self, path: Path, findings: Findings) -> None:
        self.path, self.findings = path, findings
        try:
            self._image = Image.open(path, formats=_KINDS)
            self.timing = self._timing()
        except Exception as error:  # Pillow's decoders raise kinds of their own
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> ValueError:
        return ValueError(
            f"{self.path} cannot be read as a picture that moves ({error}): it was cut off or is "
            "damaged. Copy it again, or convert it to mp4."
        )

    def _timing(self) -> Timing:
        """Read the milliseconds that each picture stands; only decoding tells them."""
        ends, n_frames = [0], getattr(self._image, "n_frames", 1)
        for index in range(n_frames):
            self._image.seek(index)
            self._image.load()
            ends.append(ends[-1] + round(self._image.info.get("duration") or 100))
        self._image.seek(0)
        return timing_of(ends[:-1], Fraction(1, 1000), n_frames)

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
        return over_white(numpy.array(frame), self.findings)

    def close(self) -> None:
        """Close the file."""
        self._image.close()

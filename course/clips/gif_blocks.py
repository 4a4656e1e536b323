"""Whether the blocks of a GIF file follow each other up to its end.

FFmpeg reads what it can find of a damaged one, which may be a few of many pictures, without a word.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

_EXTENSION, _IMAGE, _END = b"!", b",", b";"
_CONTROL = b"!\xf9\x04"  # stands before a picture
_HEADER, _DESCRIPTOR = 13, 9  # bytes, without what introduces them


def gif_fault(path: Path) -> str:
    """Return a sentence where a GIF file was cut off or its blocks do not join, or ""."""
    with open(path, "rb") as file:
        _skip_colours(file, file.read(_HEADER)[10:11])
        while kind := file.read(1):
            if kind == _END:
                # One byte of a damaged file may look like its end.
                return _broken() if _CONTROL in file.read() else ""
            if kind == _EXTENSION:
                file.read(1)
            elif kind == _IMAGE:
                _skip_colours(file, file.read(_DESCRIPTOR)[8:])
                file.read(1)
            else:
                return _broken()
            while size := file.read(1)[:1]:
                if size == b"\0":
                    break
                file.seek(size[0], 1)
    return "its end is missing: it was cut off"


def _broken() -> str:
    return "it is damaged within: pictures may be missing or torn"


def _skip_colours(file: BinaryIO, flags: bytes) -> None:
    if flags and flags[0] & 0x80:
        file.seek(3 * 2 ** ((flags[0] & 7) + 1), 1)

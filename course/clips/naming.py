"""How a file calls the coding of its pictures, for an error that says what nobody here can decode.

PyAV gives no decoder for such a stream and no name either; the container holds it in plain letters.
"""

from __future__ import annotations

import re
import string
from pathlib import Path

_SEARCHED = 2**20  # bytes at either end: a table of contents is at the one or at the other
# A track's handler, some boxes, and in the sample description the size and name of its first entry.
_MP4 = re.compile(rb"vmhd.{0,4096}?stsd.{12}(.{4})", re.DOTALL)
# A stream's header names its kind, the format that follows it is a BITMAPINFOHEADER.
_AVI = re.compile(rb"strh.{4}vids.{0,256}?strf.{20}(.{4})", re.DOTALL)
_MATROSKA = re.compile(rb"\x86[\x81-\xff](V_[A-Z0-9_/]+)")
_ENCRYPTED = (b"encv", b"drmi")  # what mp4 calls pictures that need a key
_LETTERS = (string.ascii_letters + string.digits + " ._/-").encode()


def coding_names(path: Path) -> list[str]:
    """Return the names of the codings of a file's pictures, in its order; none where it has none.

    They are the four letters of mp4, mov and avi, or the words of matroska and webm; letters that
    cannot be shown are told as a hexadecimal number. Other containers hold numbers alone, and
    nothing is found.
    """
    parts = _ends(path)
    head = parts[0][:12]
    kind = _AVI if head[:4] == b"RIFF" else _MATROSKA if head[:1] == b"\x1a" else _MP4
    return list(dict.fromkeys(_readable(name) for part in parts for name in kind.findall(part)))


def _ends(path: Path) -> list[bytes]:
    """Return the first and the last part of a file; of a short file the whole as one."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        parts = [file.read(_SEARCHED)]
        if size > _SEARCHED:
            file.seek(max(_SEARCHED, size - _SEARCHED))
            parts.append(file.read())
    return parts


def _readable(name: bytes) -> str:
    if all(letter in _LETTERS for letter in name):
        return name.decode("ascii").strip()
    return "0x" + name.hex()


def known_by_name(path: Path) -> str:
    """Return " (called zzz9 in the file)", or "" where nothing is found."""
    names = coding_names(path)
    return f" (called {', '.join(names)} in the file)" if names else ""


def is_encrypted(path: Path) -> bool:
    """Return whether an mp4 file's table of contents speaks of pictures that need a key."""
    return any(mark in part for part in _ends(path) for mark in _ENCRYPTED)

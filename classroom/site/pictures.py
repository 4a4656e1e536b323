"""Pictures and clips of a page as files of their own: a page stays light and loads them late."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import re
from pathlib import Path

_DATA = re.compile(r'src="data:(?P<kind>image/png|video/mp4);base64,(?P<data>[A-Za-z0-9+/=\s]+)"')
_ENDINGS = {"image/png": "webp", "video/mp4": "mp4"}
_IMAGE = re.compile(r"<img\b(?![^>]*\bloading=)")


class Pictures:
    """A folder of pictures and clips, each named after its content; `used` are those of a build."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.used = folder, set()

    def keep(self, data: bytes, kind: str = "image/png") -> str:
        """Write a PNG (as lossless WebP, which is smaller) or an mp4; return the file's name.

        Raises KeyError for another kind.
        """
        name = f"{hashlib.sha256(data).hexdigest()[:20]}.{_ENDINGS[kind]}"
        path = self.folder / name
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            part.write_bytes(_as_webp(data) if kind == "image/png" else data)
            part.replace(path)
        self.used.add(name)
        return name

    def taken_out(self, markup: str, where: str) -> str:
        """Return HTML whose embedded pictures and clips are files, seen from a page at `where`.

        Pictures are told to load when they come into sight.
        """

        def moved(found: re.Match) -> str:
            name = self.keep(base64.b64decode(found["data"]), found["kind"])
            return f'src="{where}/{name}"'

        return _IMAGE.sub('<img loading="lazy"', _DATA.sub(moved, markup))


def attribute(markup: str, name: str) -> str:
    """Return the first value of an attribute in HTML, "" where there is none."""
    found = re.search(rf'\b{name}="([^"]*)"', markup)
    return html.unescape(found[1]) if found else ""


def one_block(markup: str) -> str:
    """Return HTML without line ends, which a Markdown cell would take for the end of it."""
    return markup.strip().replace("\n", "&#10;")


def _as_webp(png: bytes) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(buffer, "WEBP", lossless=True, method=3)
    return buffer.getvalue()

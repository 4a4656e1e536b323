"""What a cell showed, for a slide: its figures and clips and, below a question, what it printed."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from PIL import Image

from classroom.site.outputs import cleaned
from classroom.site.pictures import Pictures, attribute, one_block

if TYPE_CHECKING:
    from nbformat import NotebookNode

FIGURES = "figures"
"""Where the pictures lie, seen from a lesson's slides."""

FIGURE, PRINTED = '<div class="figure', "<pre"
"""What the two kinds begin with."""

LINES = 12
"""What was printed goes on a slide up to so many lines."""

WIDE, HIGH = 1184, 580
"""The room for a figure, in pixels: docs/slides/slides.css has the same."""

_SMALLEST, _HIGHEST = 0.9, 1.5 * HIGH
"""A picture that would be shrunk to less goes over several slides, as wide as each of them, if it
is then higher than this. A film of five rows is not, and stays whole."""

_LETTERS = ((56, "printed"), (70, "printed wide"), (80, "printed wide dense"))
"""The longest line, in characters, that each size of letters in docs/slides/slides.css holds."""

_WORDS_A_LINE, _LINE = 84, 37  # of a figure's description, in characters and in pixels
_SHOWN = re.compile(r"<img\b[^>]*>|<video\b.*?</video>", re.S)


def shown(cell: NotebookNode, pictures: Pictures, *, printed: bool) -> Iterator[str]:
    """Yield each figure and clip of a cell, and before them what it printed if that is wanted.

    Raises ValueError as `cleaned` does.
    """
    wanted = [out for out in cell.outputs if printed or out.output_type != "stream"]
    for output in cleaned(wanted, pictures, FIGURES):
        if output.output_type == "stream":
            yield from _printed(output.text)
        for found in _SHOWN.findall(output.get("data", {}).get("text/html", "")):
            yield from _clip(found) if found.startswith("<video") else _figure(found, pictures)


def _printed(text: str) -> Iterator[str]:
    lines = _narrowed(text.strip("\n").splitlines())
    longest = max(map(len, lines), default=0)
    most, kind = next((one for one in _LETTERS if longest <= one[0]), (70, "printed wide"))
    if 0 < sum(1 + max(0, len(line) - 1) // most for line in lines) <= LINES:
        yield one_block(f'{PRINTED} class="{kind}">{html.escape(chr(10).join(lines))}</pre>')


def _narrowed(lines: list[str]) -> list[str]:
    """Return a table with at most two spaces between its columns."""
    width = max(map(len, lines), default=0)
    blank = [all(line[i : i + 1].strip() == "" for line in lines) for i in range(width)]
    kept = [i for i in range(width) if not all(blank[max(0, i - 2) : i + 1]) or i < 2]
    return ["".join(line[i : i + 1] for i in kept) for line in lines]


def _clip(markup: str) -> Iterator[str]:
    words, source = html.escape(attribute(markup, "aria-label")), attribute(markup, "src")
    yield f'{FIGURE}"><video controls aria-label="{words}" src="{source}"></video></div>'


def _figure(markup: str, pictures: Pictures) -> Iterator[str]:
    """Yield a picture; below a low one there is room for its words, which the last row can read.

    A high one comes in parts that overlap, from its top to its bottom.
    """
    source, words = attribute(markup, "src"), attribute(markup, "alt")
    if not words:
        return
    with Image.open(pictures.folder / source.rpartition("/")[2]) as picture:
        whole, high = WIDE * picture.height / picture.width, picture.height
    if _SMALLEST * high > HIGH and whole > _HIGHEST:
        count = math.ceil(whole / HIGH)
        for part in range(count):
            alt = html.escape(f"{words} Part {part + 1} of {count}.")
            place = f"object-fit: cover; object-position: 0 {100 * part / (count - 1):.0f}%"
            image = f'<img alt="{alt}" src="{source}" style="{place}">'
            yield one_block(f'{FIGURE}">{image}</div>')
        return
    image = f'<img alt="{html.escape(words)}" src="{source}">'
    if HIGH - whole > _LINE * (1 + len(words) // _WORDS_A_LINE):
        said = html.escape(words[0].upper() + words[1:])
        image = f'{image}<p class="words" aria-hidden="true">{said}</p>'
        yield one_block(f'{FIGURE} low">{image}</div>')
    else:
        yield one_block(f'{FIGURE}">{image}</div>')

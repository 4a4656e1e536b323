"""What the options of the commands take: one line says which option had which value."""

from __future__ import annotations

import argparse
import math
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

_MOST = 2**31 - 1  # of what is counted: torch complains of larger sizes without naming them


class UsageError(ValueError):
    """A command line that cannot be understood; the message begins with the command."""


class Parser(argparse.ArgumentParser):
    """A parser that raises `UsageError` instead of printing its usage and leaving."""

    def error(self, message: str) -> NoReturn:
        """Raise the message with the command before it and the way to its help."""
        raise UsageError(f"{self.prog}: {message} (help: {self.prog} --help)")


def number(
    low: float = -math.inf, high: float = math.inf, *, above: bool = False, below: bool = False
) -> Callable[[str], float]:
    """Return a reader of finite numbers from low to high, without the ends where told."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        fits = low < value if above else low <= value
        fits = fits and (value < high if below else value <= high)
        if not (fits and math.isfinite(value)):
            raise argparse.ArgumentTypeError(f"{text!r} is not {_range(low, high, above, below)}")
        return value

    return read


def _range(low: float, high: float, above: bool, below: bool) -> str:
    words = []
    if low > -math.inf:
        words.append(f"above {low:g}" if above else f"{low:g} or more")
    if high < math.inf:
        words.append(f"below {high:g}" if below else f"{high:g} or less")
    return " ".join(["a finite number", *([" and ".join(words)] if words else [])])


def whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """Return a reader of whole numbers from low to high, or to what a size in torch can be."""
    most = _MOST if high is None else high

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= most:
            upper = "" if high is None and value < low else f" and {most} or less"
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number, {low} or more{upper}"
            )
        return value

    return read


seed = whole(0, 2**64 - 1)
"""What torch's generators take."""


def is_wordless(text: str) -> bool:
    """Return whether a text is nothing but spaces, punctuation and what is not seen at all."""
    return all(unicodedata.category(letter)[0] in "ZPC" for letter in text)


def words(text: str) -> str:
    """Return a prompt that is not empty."""
    if is_wordless(text):
        raise argparse.ArgumentTypeError("it is empty; say in words what is to be seen")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no text in UTF-8") from error
    return text


def place(text: str) -> Path:
    """Return the path of a file or folder on this disk: a `Path` would shorten an address."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty; wanted the name of a file or folder")
    if "\0" in text:
        raise argparse.ArgumentTypeError(f"{text!r} has a null character in it; no file can")
    if "://" in text:
        raise argparse.ArgumentTypeError(
            f"{text} is an address; wanted a file or folder on this disk. Download it first"
        )
    return Path(text)


def size(text: str) -> int | tuple[int, int]:
    """Return "64" as a side and "48x64" as (height, width)."""
    try:
        sides = tuple(int(side) for side in text.lower().replace("×", "x").split("x"))
    except ValueError:
        sides = ()
    if len(sides) not in (1, 2) or not all(8 <= side <= 2**15 for side in sides):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no size; wanted a side such as 64 or HEIGHTxWIDTH such as 48x64"
        )
    return sides[0] if len(sides) == 1 else sides

"""What a clip turned out to be while it was read, and how that is told in a sentence each."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_LISTED = 5  # more numbers than these would be no sentence


class ClipWarning(UserWarning):
    """A clip was read, and not quite as it is stored: damaged, uneven, transparent, interlaced."""


@dataclass
class Findings:
    """What decoding met on its way; frames are counted from 0 over the whole file."""

    damaged: list[int] = field(default_factory=list)
    undecoded: list[int] = field(default_factory=list)
    transparent: bool = False
    interlaced: bool = False
    reshaped: bool = False
    mapped: str = ""
    timing: str = ""
    missing: str = ""

    def forget_damage(self) -> None:
        """Begin to count anew, for what is decoded once more."""
        self.damaged.clear()
        self.undecoded.clear()

    def sentences(self) -> list[str]:
        """Return one sentence for each thing that a user should know."""
        damaged = f"{_frames(self.damaged)} damaged and shown as far as possible"
        lost = f"what is left out near {_frames(self.undecoded)} too damaged to be decoded"
        return [
            sentence
            for true, sentence in (
                (self.timing, self.timing),
                (self.missing, self.missing),
                (self.damaged, damaged),
                (self.undecoded, lost),
                (self.transparent, "it is transparent in part: shown over white"),
                (self.interlaced, "it is interlaced: deinterlaced"),
                (
                    self.reshaped,
                    "the shape of its pixels changes on the way: that of its start is kept",
                ),
                (self.mapped, self.mapped),
            )
            if true
        ]

    def warn(self, path: Path) -> None:
        """Tell the findings as one `ClipWarning`."""
        if sentences := self.sentences():
            warnings.warn(f"{path}: {'; '.join(sentences)}.", ClipWarning, stacklevel=3)


def _frames(numbers: Sequence[int]) -> str:
    listed = ", ".join(map(str, numbers[:_LISTED]))
    if len(numbers) == 1:
        return f"frame {listed} is"
    more = f" and {len(numbers) - _LISTED} more" if len(numbers) > _LISTED else ""
    return f"frames {listed}{more} are"

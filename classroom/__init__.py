"""The machine that makes a course of lessons: checks, figures, explorers, progress, notebooks.

A notebook's first cell takes what it needs from here. Names are imported when first used, so that
`import classroom` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from classroom.display import explore, play, show, show_clips
    from classroom.exercises import check, progress
    from course.claims import claim

_HOMES = {
    "check": "classroom.exercises",
    "claim": "course.claims",
    "explore": "classroom.display",
    "play": "classroom.display",
    "progress": "classroom.exercises",
    "show": "classroom.display",
    "show_clips": "classroom.display",
}

__all__ = ["check", "claim", "explore", "play", "progress", "show", "show_clips"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"classroom has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)

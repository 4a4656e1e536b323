"""Lessons to notebooks: `lessons/` is edited, `notebooks/` and `solutions/` are generated.

A lesson, `NN_slug.md`, is a MyST Markdown notebook. `source` reads it with jupytext, `refusals` and
`exercise_cells` say what is wrong with it, `notebook` makes the two notebooks, `build` writes them,
and `measure` runs the solutions to tell what a lesson takes.
"""

from __future__ import annotations

from classroom.builder.build import build
from classroom.builder.measure import measure

__all__ = ["build", "measure"]

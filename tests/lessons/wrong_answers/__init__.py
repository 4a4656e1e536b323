"""Wrong answers that are no misconception of their exercise, and what may be said of them.

SLIPS are what people plausibly write: each comes with the names of misconceptions that fit it, most
with none. ESCAPES fit the inputs of a check and not the question: a fixed number of rounds, a huge
constant, a clamp, a grid, one coordinate only. None was made from the cases or the misconceptions.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

Slip = Callable | tuple
_MODULES = ("temporal", "chains", "attention", "editing")


def _joined(table: str) -> dict[str, list[Slip]]:
    modules = [import_module(f"{__name__}.{name}") for name in _MODULES]
    return {name: each for module in modules for name, each in getattr(module, table).items()}


SLIPS: dict[str, list[Slip]] = _joined("SLIPS")
ESCAPES: dict[str, list[Slip]] = _joined("ESCAPES")

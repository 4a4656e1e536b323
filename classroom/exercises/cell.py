"""What a notebook holds under an exercise's name, and whether the cell that defines it ran.

A check is often run before its cell, after a cell with a slip in it, or after a function got
another name. Then there is no function, or an old one, and the card says so.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping

NOWHERE = object()
"""What stands for an answer that the notebook does not hold."""

_DEFINED = re.compile(r"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)


class Watch:
    """Follows the cells of a notebook: which functions did a cell fail to define?"""

    def __init__(self) -> None:
        # By the function's name: what the notebook held before, and the error.
        self.broken: dict[str, tuple[object, str]] = {}
        self._before: dict[str, object] = {}

    def begin(self, text: str, held: Mapping) -> None:
        """Note what a notebook holds before a cell with this text runs."""
        self._before = {name: held.get(name, NOWHERE) for name in _DEFINED.findall(text)}

    def end(self, error: BaseException | None, held: Mapping) -> None:
        """Note what came of the functions of that cell."""
        for name, before in self._before.items():
            if error is not None and held.get(name, NOWHERE) is before:
                self.broken[name] = before, _told(error)
            else:
                self.broken.pop(name, None)
        self._before = {}


_watch = Watch()


def follow_cells() -> None:
    """Follow the cells of this notebook from now on; outside of one do nothing."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        return
    held = shell.user_ns

    def begin(info: object) -> None:
        _watch.begin(info.raw_cell or "", held)

    def end(result: object) -> None:
        _watch.end(result.error_before_exec or result.error_in_exec, held)

    shell.events.register("pre_run_cell", begin)
    shell.events.register("post_run_cell", end)


def missing(name: str, held: Mapping) -> tuple[str, str] | None:
    """Return the state and the words of a report where there is no function to judge, else None.

    `held` is what the notebook holds by name.
    """
    before, error = _watch.broken.get(name, (None, ""))
    if error and held.get(name, NOWHERE) is before:
        return "failed", (
            f"The cell that defines {name} stopped before it had done so: {error}\n"
            "Put that right, run the cell, then run this one."
        )
    if name not in held:
        return "not attempted", (
            f"There is no {name} yet. Run the cell above (Shift+Enter), then this one. The check "
            "looks for this name: keep it as it is."
        )
    return None


def _told(error: BaseException) -> str:
    """Return an error in a line, with the line of the cell where Python names one."""
    line = f" in line {error.lineno}" if getattr(error, "lineno", None) else ""
    said = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
    return f"{type(error).__name__}{line}: {said}"

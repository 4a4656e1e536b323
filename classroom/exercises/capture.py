"""What an answer prints, shows and asks for: caught, shortened, and shown once.

An answer must not flood the page, end the kernel with exit(), or wait for a person at input().
What it writes to stderr is shown as plain output, for nbgrader gives no point to a cell with a line
on stderr.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import sys
from collections.abc import Iterator

_MOST = 2_000  # characters of output that a learner can use
_MOST_SHOWN = 2  # figures and other displays


class _Shortened(io.StringIO):
    """A stream that keeps the first characters and counts the others."""

    dropped = 0

    def write(self, text: str) -> int:
        room = max(0, _MOST - self.tell())
        super().write(text[:room])
        self.dropped += len(text[room:])
        return len(text)

    def text(self) -> str:
        more = f"\n... and {self.dropped} characters more, not shown\n" if self.dropped else ""
        return self.getvalue() + more


class _Nothing(io.StringIO):
    """A stream that keeps nothing, quickly: of many inputs only the first is loud."""

    write = staticmethod(len)


@contextlib.contextmanager
def caught(*, loud: bool) -> Iterator[None]:
    """Catch what is printed and shown; `loud` shows the beginning of it afterwards."""
    stream = _Shortened() if loud else _Nothing()
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(stream))
        stack.enter_context(contextlib.redirect_stderr(stream))
        shown = stack.enter_context(_displays())
        stack.enter_context(_no_exit_and_no_input())
        yield
    if loud:
        print(stream.text(), end="")
        for each in shown.outputs[:_MOST_SHOWN] if shown else ():
            each.display()


def keep_the_kernel() -> None:
    """Make exit() and quit() raise in every cell from now on: for a kernel that grades."""
    if (shell := _shell()) is not None:
        type(shell).ask_exit = lambda self: _refuse_exit()


def _displays() -> contextlib.AbstractContextManager:
    """Return what catches display() and plt.show() in a notebook."""
    if _shell() is None:
        return contextlib.nullcontext()
    from IPython.utils.capture import capture_output

    return capture_output(stdout=False, stderr=False, display=True)


def _shell():
    """Return the notebook's shell, None outside of one."""
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None


@contextlib.contextmanager
def _no_exit_and_no_input() -> Iterator[None]:
    """Make exit(), quit() and input() raise. `os._exit` cannot be stopped from inside."""
    shell, before = _shell(), builtins.input
    builtins.input = _refuse_input
    if shell is not None:
        shell.ask_exit = _refuse_exit  # IPython's exit asks the kernel to end, without raising
    try:
        yield
    finally:
        builtins.input = before
        if shell is not None:
            del shell.ask_exit


def _refuse_input(*_: object) -> str:
    raise RuntimeError("input() waits for a person; a function gets its values as arguments")


def _refuse_exit() -> None:
    raise SystemExit("exit() would end the notebook; use return")

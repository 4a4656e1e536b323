"""How a command ends that does not end well: one line, exit code 2, nothing half-written."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

STOPPED = "stopped; no half-written file is left"
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM")  # Windows has the first two
_AGAIN = 2.0  # seconds until an interrupt that did not end the block is raised once more
_ALARM = getattr(signal, "SIGALRM", None)


class Stop:
    """Whether a signal asked the command to stop: a library may swallow the interrupt."""

    asked = False


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Let Ctrl-C, SIGTERM and SIGHUP end the block by KeyboardInterrupt, so that it cleans up.

    An interrupt that is swallowed, as Python does in callbacks, comes again until one ends the
    block; a second Ctrl-C does not disturb the cleaning up. Names that standard output cannot show
    are written with backslashes. A closed output is no error.
    """
    stop = Stop()
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # a notebook's stream cannot be set up anew
            stream.reconfigure(errors="backslashreplace")
    with _handled(stop):
        try:
            yield stop
            sys.stdout.flush()
        except BrokenPipeError:
            # Python would try once more at its exit, and complain.
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise


@contextmanager
def _handled(stop: Stop) -> Iterator[None]:
    """Turn signals into KeyboardInterrupt while the block runs, and note that one came."""
    before, complain = {}, sys.unraisablehook

    def interrupt(number: int, frame: FrameType | None) -> None:
        if stop.asked and number != _ALARM:  # Ctrl-C twice: cleaning up goes on
            return
        stop.asked = True
        _interrupt_after(_AGAIN)
        raise KeyboardInterrupt

    def passed_over(swallowed: sys.UnraisableHookArgs) -> None:
        if swallowed.exc_type is not KeyboardInterrupt:
            complain(swallowed)

    if threading.current_thread() is threading.main_thread():
        for number in (getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)):
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup stays as it is
                before[number] = signal.signal(number, interrupt)
        sys.unraisablehook = passed_over
    try:
        yield
    finally:
        if stop.asked:
            _interrupt_after(0)
        sys.unraisablehook = complain
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt_after(seconds: float) -> None:
    """Let an interrupt come again after some seconds, where the system can; 0: not any more."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def leave(status: int) -> NoReturn:
    """End the process with this status, at once.

    Python would end by the signal, whatever the status, where an interrupt has passed through
    `exec`, as it may while libraries are imported. Nothing of ours waits for the interpreter's end.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # nobody reads on
            stream.flush()
    os._exit(status)


def told(line: str) -> int:
    """Print a line on standard error; return the exit code 2."""
    print(line, file=sys.stderr)
    return 2


def message(error: Exception, name: str) -> str | None:
    """Return an error as one line that begins with the command; None for a fault of ours."""
    from .values import UsageError

    if isinstance(error, UsageError):
        return str(error)
    if isinstance(error, OSError):
        text = error.strerror or str(error)
        if error.filename is not None and str(error.filename) not in text:
            text = f"{os.fsdecode(error.filename)}: {text}"
    elif isinstance(error, MemoryError) or is_memory(error):
        text = f"out of memory ({error}); take fewer --frames, or a smaller --size"
    elif isinstance(error, (ValueError, TypeError)):
        text = str(error)
    else:
        return None
    return f"{name}: {' '.join(text.split())}"


def is_memory(error: Exception) -> bool:
    """Return whether torch ran out of memory, on the CPU or on a GPU."""
    words = ("can't allocate memory", "out of memory", "not enough memory")
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)

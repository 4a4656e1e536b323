"""Time limit for code that we do not know: an answer that never returns is stopped, not waited for.

In the main thread of a POSIX system (a notebook kernel, a test) an alarm signal interrupts it
until it ends. Elsewhere (Windows, other threads) it runs in a daemon thread, into which
an exception is thrown. Both stop Python code between two instructions. One call into C (a huge
matrix product) is not cut short: the signal waits for its end, and the thread is left behind.
"""

from __future__ import annotations

import ctypes
import random
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

_REPEAT = 0.05  # seconds; an answer with a bare "except:" swallows one alarm, but not all of them
_SWALLOWED = 3  # alarms, after which they come at uneven times of less than _SHORT seconds
_SHORT = 5e-5


class TimeLimit(BaseException):
    """An answer ran out of time; no Exception, so that "except Exception" does not catch it."""


def limited(function: Callable[[], object], seconds: float) -> object:
    """Return `function()`, or raise TimeLimit when it takes longer than `seconds`.

    What the function raises goes through. A signal handler and timer that were set before are set
    again afterwards.
    """
    main = threading.current_thread() is threading.main_thread()
    if main and hasattr(signal, "setitimer"):
        return _by_signal(function, seconds)
    return _by_thread(function, seconds)


def _by_signal(function: Callable[[], object], seconds: float) -> object:
    armed, alarms = True, 0
    uneven = random.Random(0)  # not the global one, which may belong to the answer

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal alarms
        alarms += 1
        if armed and alarms > _SWALLOWED:
            # "except: continue" around an endless loop: sooner or later an alarm comes between the
            # two, where nothing catches it.
            signal.setitimer(signal.ITIMER_REAL, uneven.uniform(1e-6, _SHORT), _REPEAT)
        if armed:
            raise TimeLimit

    started = time.monotonic()
    before = signal.signal(signal.SIGALRM, stop)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, _REPEAT)
    try:
        return function()
    finally:
        armed = False  # first: an alarm that comes now must not break what follows
        signal.setitimer(signal.ITIMER_REAL, 0)
        # None stands for a handler that was not set from Python and cannot be set from here.
        signal.signal(signal.SIGALRM, signal.SIG_DFL if before is None else before)
        _resume(timer, time.monotonic() - started)


def _resume(timer: tuple[float, float], elapsed: float) -> None:
    """Set a timer again that ran before ours, less the time that has passed."""
    delay, interval = timer
    if delay:
        signal.setitimer(signal.ITIMER_REAL, max(delay - elapsed, 1e-3), interval)


def _by_thread(function: Callable[[], object], seconds: float) -> object:
    results: list[object] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:  # handed on to the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        _stop(thread)
        raise TimeLimit
    if errors:
        raise errors[0]
    return results[0]


def _stop(thread: threading.Thread) -> None:
    """Throw TimeLimit into a thread until it ends, for a second at the most."""
    for _ in range(20):
        identity = ctypes.c_ulong(thread.ident)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(identity, ctypes.py_object(TimeLimit))
        thread.join(_REPEAT)
        if not thread.is_alive():
            return

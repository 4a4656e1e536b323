"""One call of an answer, and everything that can be seen of it: value, error, changed input, time.

Answers run on copies, with the random numbers and the gradient mode of a fresh program and the
default dtype of the notebook; what they change of these is put back.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import itertools
import linecache
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import GeneratorType

import numpy as np
import torch
from torch import Tensor

from classroom.exercises.capture import caught
from classroom.exercises.guard import TimeLimit, limited

_MOST_STEPS = 10_000  # of an answer that yields
_DEEPEST = 3_000  # calls within calls; IPython's own limit. Unwinding a million takes a minute


@dataclass(frozen=True)
class Outcome:
    """What one call did: it returned, raised or ran out of time, and it may have changed its input.

    `changed` holds the positions of the arguments that it changed in place; `seconds` is the limit
    that it broke, else None; `took` is how long it ran. `value` is detached from autograd.
    """

    value: object = None
    error: BaseException | None = None
    changed: tuple[int, ...] = ()
    seconds: float | None = None
    took: float = 0.0


def run(answer: Callable, arguments: tuple, seconds: float, *, silent: bool = False) -> Outcome:
    """Call `answer` on a copy of `arguments` and return what happened; never raise for its sake.

    KeyboardInterrupt goes through: it is the learner's own. `silent` swallows what is printed;
    otherwise its beginning is shown.
    """
    inputs = clone(arguments)
    value, error, broken, started = None, None, None, time.monotonic()
    try:
        with fresh_state(), _usual_depth(), caught(loud=not silent):
            value = limited(lambda: _settled(answer(*inputs)), seconds)
    except TimeLimit:
        broken = seconds
    except KeyboardInterrupt:
        raise
    except BaseException as raised:  # SystemExit too: an answer must not end the kernel
        error = raised
    took = time.monotonic() - started
    pairs = enumerate(zip(arguments, inputs))
    changed = tuple(index for index, (before, now) in pairs if not identical(before, now))
    return Outcome(value, error, changed, broken, took)


def value_of(function: Callable, arguments: tuple, seconds: float) -> object:
    """Return what a function of the course gives for arguments that it may keep.

    It is watched less than an answer, and so a third as slow: nothing is copied, and what it prints
    is not caught. What it raises goes through, TimeLimit after `seconds` too.
    """
    with fresh_state():
        return limited(lambda: _settled(function(*arguments)), seconds)


def clone(value: object) -> object:
    """Return a deep copy; a generator of random numbers is copied with its state."""
    if isinstance(value, torch.Generator):
        return torch.Generator(value.device).set_state(value.get_state())
    if type(value) is Tensor:  # quicker than deepcopy, and most arguments are tensors
        return value.detach().clone().requires_grad_(value.requires_grad)
    if type(value) in (tuple, list):
        return type(value)(clone(item) for item in value)
    if type(value) is dict:
        return {key: clone(item) for key, item in value.items()}
    return copy.deepcopy(value)


def identical(left: object, right: object) -> bool:
    """Return whether two arguments are equal to the bit, NaN equal to NaN.

    Only tensors, arrays, containers and plain values are compared: a module or a function may keep
    notes of its own.
    """
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        if left.shape != right.shape or left.dtype != right.dtype:
            return False
        return bool(((left == right) | (left.isnan() & right.isnan())).all())
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return left.dtype == right.dtype and np.array_equal(left, right, equal_nan=True)
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(identical(left[k], right[k]) for k in left)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(identical, left, right))
    if isinstance(left, (str, int, float, complex, bool, type(None))):
        return left == right or left != left
    return type(left) is type(right)


@contextlib.contextmanager
def fresh_state() -> Iterator[None]:
    """Give a call seeded random numbers and autograd; restore these and the default dtype.

    The default dtype stays what the notebook has set. The generators of torch (CPU), numpy and
    Python come back as they were, so that a check changes no number that a later cell draws.
    """
    dtype, numbers, python = torch.get_default_dtype(), np.random.get_state(), random.getstate()
    try:
        with (
            torch.random.fork_rng(devices=[]),
            torch.inference_mode(False),
            torch.enable_grad(),
        ):
            torch.default_generator.manual_seed(0)
            np.random.seed(0)  # the global one: an answer may use it
            random.seed(0)
            yield
    finally:
        torch.set_default_dtype(dtype)
        np.random.set_state(numbers)
        random.setstate(python)


@contextlib.contextmanager
def _usual_depth() -> Iterator[None]:
    """Keep an answer to the usual depth of calls, whatever limit it or the notebook has set."""
    before, set_limit = sys.getrecursionlimit(), sys.setrecursionlimit
    set_limit(min(before, _DEEPEST))
    sys.setrecursionlimit = lambda limit: set_limit(min(limit, _DEEPEST))
    try:
        yield
    finally:
        sys.setrecursionlimit = set_limit
        set_limit(before)


def _settled(value: object) -> object:
    """Return a value that later steps cannot change: generators run out, tensors are detached."""
    if isinstance(value, GeneratorType):
        value = list(itertools.islice(value, _MOST_STEPS))
    if isinstance(value, Tensor):
        return value.detach().clone()
    if type(value) in (tuple, list):
        return type(value)(_settled(item) for item in value)
    return value


def message_of(error: BaseException) -> str:
    """Return what an error says in one line, "" where its own __str__ fails."""
    try:
        return " ".join(str(error).split())
    except KeyboardInterrupt:
        raise
    except BaseException:  # SystemExit too: nothing that an answer raises ends the kernel
        return ""


def place(error: BaseException, answer: Callable) -> tuple[int, str] | None:
    """Return the line number and the line of the learner's own code in which an error arose.

    None where no frame of the traceback belongs to the file or cell that defines the answer.
    """
    code = getattr(inspect.unwrap(underlying(answer)), "__code__", None)
    frames = [(f.f_code.co_filename, line) for f, line in traceback.walk_tb(error.__traceback__)]
    own = [line for name, line in frames if code is not None and name == code.co_filename]
    return (own[-1], linecache.getline(code.co_filename, own[-1]).strip()) if own else None


def underlying(answer: Callable) -> Callable:
    """Return the plain function in a partial, a bound method, a module or a callable object."""
    while hasattr(answer, "func") and not hasattr(answer, "__code__"):
        answer = answer.func  # functools.partial
    if isinstance(answer, torch.nn.Module):
        answer = answer.forward
    elif not inspect.isroutine(answer):
        answer = type(answer).__call__
    return getattr(answer, "__func__", answer)

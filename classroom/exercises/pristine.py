"""Keeps torch and math as they came: an answer is judged with the functions that everyone has.

A learner's cell may have replaced a function of torch, by accident or to pass. While a check runs,
the functions of the time when this module was imported are in place. What was replaced earlier, in
the notebook's very first lines, is not seen.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import torch
from torch import Tensor

_MISSING = object()
_OWNERS = (torch, torch.nn.functional, torch.linalg, math, Tensor)
_ORIGINALS = [
    (owner, name, value)
    for owner in _OWNERS
    for name, value in vars(owner).items()
    if callable(value) and not name.startswith("__")
]
_TENSOR_NAMES = frozenset(vars(Tensor))


@contextlib.contextmanager
def as_imported() -> Iterator[None]:
    """Put the original functions in place; afterwards return to what the notebook had."""
    replaced = put_back()
    try:
        yield
    finally:
        put_back()
        for owner, name, value in replaced:
            setattr(owner, name, value)


def put_back() -> list[tuple]:
    """Put the original functions in place and return what stood there instead."""
    replaced = []
    for owner, name, original in _ORIGINALS:
        found = vars(owner).get(name, _MISSING)
        if found is not original:
            if found is not _MISSING:
                replaced.append((owner, name, found))
            setattr(owner, name, original)
    for name in vars(Tensor).keys() - _TENSOR_NAMES:
        if hasattr(Tensor.__mro__[1], name):  # it hides a method that Tensor inherits
            replaced.append((Tensor, name, vars(Tensor)[name]))
            delattr(Tensor, name)
    return replaced

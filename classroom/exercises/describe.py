"""Values in few words: what a report says went in, came out and was expected."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from classroom.exercises.compare import kind_of

_SMALL = 24  # numbers of a tensor that is printed whole
_LONG = 400  # characters


def arguments_text(function: Callable, arguments: tuple) -> str:
    """Return the arguments under the names that `function` gives them, one a line."""
    lines = []
    for name, value in zip(_names(function, len(arguments)), arguments):
        indent = "\n" + " " * (len(name) + 3)  # rows of a matrix stand under each other
        lines.append(f"{name} = {value_text(value)}".replace("\n", indent))
    return "\n".join(lines)


def argument_name(function: Callable, index: int, count: int) -> str:
    """Return the name of one argument of a function, or its place where it has no name."""
    return _names(function, count)[index]


def pair_texts(came: object, expected: object) -> tuple[str, str]:
    """Return both values, with more digits where four would show no difference."""
    for digits in (4, 8, 17):
        texts = value_text(came, digits), value_text(expected, digits)
        if texts[0] != texts[1]:
            break
    return texts


def value_text(value: object, digits: int = 4) -> str:
    """Return a short text of a value: small tensors whole, large ones by shape and range."""
    try:
        return _text(value, digits)
    except Exception:  # no data to print (meta, sparse), or a __repr__ that fails
        return kind_of(value)


def _text(value: object, digits: int) -> str:
    if isinstance(value, (Tensor, np.ndarray)):
        return _array_text(torch.as_tensor(value), digits)
    if isinstance(value, (float, np.floating)):
        return f"{float(value):.{digits}g}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k!r}: {value_text(v, digits)}" for k, v in value.items()) + "}"
    if isinstance(value, (tuple, list)) and len(value) <= _SMALL:
        inner = ", ".join(value_text(item, digits) for item in value)
        return f"({inner})" if isinstance(value, tuple) else f"[{inner}]"
    if isinstance(value, (tuple, list)):
        return kind_of(value)
    if callable(value) and hasattr(value, "__name__"):
        return f"the function {value.__name__}"
    return _cut(repr(value))


def largest_difference(expected: object, actual: object) -> str:
    """Return where two large tensors differ most and by how much, "" where that says nothing."""
    try:
        return _largest_difference(expected, actual)
    except Exception:  # a tensor without values or with a shape of its own kind
        return ""


def _largest_difference(expected: object, actual: object) -> str:
    tensors = isinstance(expected, Tensor) and isinstance(actual, Tensor)
    if not tensors or expected.shape != actual.shape or expected.numel() <= _SMALL:
        return ""
    if "meta" in (expected.device.type, actual.device.type) or expected.is_complex():
        return ""
    pair = actual.detach().cpu().double(), expected.detach().cpu().double()
    gap = torch.nan_to_num((pair[0] - pair[1]).abs(), nan=float("inf"))
    where = tuple(int(i) for i in np.unravel_index(int(gap.argmax()), tuple(gap.shape)))
    came, wanted = pair_texts(actual[where].item(), expected[where].item())
    return f"Largest difference at index {where}: {came} came, {wanted} was expected."


def _names(function: Callable, count: int) -> list[str]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    found = [parameter.name for parameter in parameters if parameter.kind in plain]
    return [found[i] if i < len(found) else f"argument {i + 1}" for i in range(count)]


def _array_text(tensor: Tensor, digits: int) -> str:
    tensor = tensor.detach().cpu()
    dtype = str(tensor.dtype).removeprefix("torch.")
    if tensor.numel() > _SMALL:
        values = tensor.double() if not tensor.is_complex() else tensor.abs().double()
        ends = f"from {float(values.min()):.{digits}g} to {float(values.max()):.{digits}g}"
        return f"tensor of shape {tuple(tensor.shape)}, {dtype}, values {ends}"
    array = tensor.double().numpy() if tensor.dtype == torch.bfloat16 else tensor.numpy()
    text = np.array2string(array, precision=digits, separator=", ", max_line_width=88)
    text = re.sub(r"\n\s*\n+", "\n", text)  # no empty lines between the blocks of deep tensors
    return f"{text}  ({dtype})" if tensor.ndim else f"{array.item():.{digits}g}  ({dtype})"


def _cut(text: str) -> str:
    return text if len(text) <= _LONG else text[: _LONG - 4] + " ..."

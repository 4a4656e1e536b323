"""Comparison of what came with what was expected: kind, shape, dtype, device, NaN, then values."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from classroom.exercises.tolerance import FLOOR, SINGLE, Scale, is_float, magnitude


@dataclass(frozen=True)
class Difference:
    """How a value differs from the expected one: `kind` in a word, and a sentence.

    Kinds: "type", "shape", "dtype", "device", "finite", "value".
    """

    kind: str
    sentence: str


def difference(expected: object, actual: object, scale: Scale, returns: str) -> Difference | None:
    """Return how `actual` differs from `expected`, or None where they agree.

    Numbers may come as Python numbers, numpy scalars or 0-dim tensors. A tensor has the shape, the
    device and, where the input fixes it, the dtype of the expected one.
    """
    if isinstance(expected, (bool, np.bool_)) or _is_boolean_scalar(expected):
        return _truth_difference(bool(expected), actual)
    if _is_scalar(expected):
        return _number_difference(expected, actual, scale, returns)
    if isinstance(expected, Tensor):
        return _tensor_difference(expected, actual, scale)
    if isinstance(expected, str):
        return _text_difference(expected, actual)
    if isinstance(expected, Mapping):
        if not isinstance(actual, Mapping) or actual.keys() != expected.keys():
            wanted = f"a dict with the keys {', '.join(map(repr, expected))}"
            return Difference("type", f"It returned {kind_of(actual)}; wanted {wanted}.")
        pairs = {repr(key): (expected[key], actual[key]) for key in expected}
        return _first(pairs, scale)
    if isinstance(expected, (tuple, list)):
        if not isinstance(actual, (tuple, list)) or len(actual) != len(expected):
            wanted = f"{len(expected)} values in a tuple"
            return Difference("type", f"It returned {kind_of(actual)}; wanted {wanted}.")
        pairs = {str(index): pair for index, pair in enumerate(zip(expected, actual))}
        return _first(pairs, scale)
    return _other_difference(expected, actual, scale)


def kind_of(value: object) -> str:
    """Return in words what a value is: "a tensor (2, 3) of float32", "a list of 4 values"."""
    if isinstance(value, Tensor) and value.is_nested:
        return "a nested tensor"
    if isinstance(value, Tensor):
        shape = f"a tensor {tuple(value.shape)}" if value.ndim else "a tensor of shape ()"
        return f"{shape} of {str(value.dtype).removeprefix('torch.')}"
    if isinstance(value, np.ndarray):
        return f"a numpy array {value.shape} of {value.dtype}"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)} value{'s' * (len(value) != 1)}"
    if isinstance(value, dict):
        return f"a dict with the keys {', '.join(map(repr, value)) or '(none)'}"
    if value is None:
        return "None"
    plain = {bool: "a truth value", int: "a whole number", float: "a number", str: "a text"}
    return plain.get(type(value), f"a value of type {type(value).__name__}")


def _first(pairs: Mapping[str, tuple], scale: Scale) -> Difference | None:
    """Return the first difference among named pairs, with the name of the part."""
    for name, (expected, actual) in pairs.items():
        if found := difference(expected, actual, scale, "any"):
            return Difference(found.kind, f"Value {name} of the result: {found.sentence}")
    return None


def _other_difference(expected: object, actual: object, scale: Scale) -> Difference | None:
    """Compare objects field by field where they have fields (the steps of a descent, say)."""
    fields = getattr(expected, "__dataclass_fields__", None)
    if fields and all(hasattr(actual, name) for name in fields):
        pairs = {name: (getattr(expected, name), getattr(actual, name)) for name in fields}
        return _first(pairs, scale)
    if isinstance(expected, np.ndarray) and isinstance(actual, (np.ndarray, Tensor)):
        pair = torch.as_tensor(expected), torch.as_tensor(actual)
        return _tensor_difference(*pair, scale)
    if not fields and type(expected) is type(actual) and expected == actual:
        return None
    came, wanted = kind_of(actual), kind_of(expected)
    if came != wanted:
        return Difference("type", f"It returned {came}; wanted {wanted}.")
    return Difference("value", f"It returned {actual!r}; wanted {expected!r}.")


def _truth_difference(expected: bool, actual: object) -> Difference | None:
    if not isinstance(actual, (bool, np.bool_)) and not _is_boolean_scalar(actual):
        return Difference("type", f"It returned {kind_of(actual)}; wanted True or False.")
    return None if bool(actual) == expected else Difference("value", "The truth value is wrong.")


def _text_difference(expected: str, actual: object) -> Difference | None:
    if not isinstance(actual, str):
        return Difference("type", f"It returned {kind_of(actual)}; wanted a text.")
    same = " ".join(actual.casefold().split()) == " ".join(expected.casefold().split())
    return None if same else Difference("value", "The text is another one.")


def _number_difference(
    expected: object, actual: object, scale: Scale, returns: str
) -> Difference | None:
    wanted = "a number" if returns == "number" else "a number (a tensor of shape ())"
    if isinstance(actual, (Tensor, np.ndarray)) and math.prod(actual.shape) == 1 and actual.ndim:
        return Difference("shape", f"The result has shape {tuple(actual.shape)}; wanted {wanted}.")
    if isinstance(actual, Tensor) and actual.ndim:
        return Difference("shape", f"It returned {kind_of(actual)}; wanted {wanted}.")
    if not _is_scalar(actual):
        return Difference("type", f"It returned {kind_of(actual)}; wanted {wanted}.")
    both = isinstance(expected, Tensor) and isinstance(actual, Tensor) and returns != "number"
    if both and (found := _kind_difference(expected, actual, scale)):
        return found
    scale = _coarsened(scale, actual)
    return _value_difference(_as_double(expected), _as_double(actual), scale)


def _tensor_difference(expected: Tensor, actual: object, scale: Scale) -> Difference | None:
    if not isinstance(actual, Tensor):
        advice = "; return a torch tensor"
        if isinstance(actual, (list, tuple)) and any(isinstance(x, Tensor) for x in actual):
            advice += " (torch.stack makes one tensor of many)"
        if isinstance(actual, np.ndarray):
            advice += " (torch.from_numpy makes one)"
        return Difference("type", f"It returned {kind_of(actual)}{advice}.")
    if actual.shape != expected.shape:
        shapes = f"{tuple(actual.shape)}; wanted {tuple(expected.shape)}"
        return Difference("shape", f"The result has shape {shapes}.")
    if found := _kind_difference(expected, actual, scale):
        return found
    return _value_difference(_as_double(expected), _as_double(actual), _coarsened(scale, actual))


def _kind_difference(expected: Tensor, actual: Tensor, scale: Scale) -> Difference | None:
    """Compare dtype and device. Integers may have any width."""
    names = [str(tensor.dtype).removeprefix("torch.") for tensor in (expected, actual)]
    families = _family(expected), _family(actual)
    integers = families == ("integer", "integer")
    strict = scale.typed and not integers and expected.dtype != actual.dtype
    if strict or families[0] != families[1]:
        same_family = families[0] == families[1]
        reason = " The result keeps the dtype of the input." if scale.typed and same_family else ""
        return Difference("dtype", f"The result is {names[1]}; wanted {names[0]}.{reason}")
    if expected.device.type != actual.device.type:
        devices = f"{actual.device}; wanted {expected.device}"
        return Difference("device", f"The result is on {devices}, where the input is.")
    return None


def _value_difference(expected: Tensor, actual: Tensor, scale: Scale) -> Difference | None:
    finite = expected.isfinite()
    if bad := int((finite & ~actual.isfinite()).sum()):
        what = "NaN" if bool((finite & actual.isnan()).any()) else "an infinite value"
        count = f"{bad} of {expected.numel()} values" if expected.numel() > 1 else "the value"
        return Difference("finite", f"The result holds {what} where a number is right ({count}).")
    same = torch.where(finite, True, (actual == expected) | (actual.isnan() & expected.isnan()))
    size = magnitude(expected)
    limit = scale.relative * max(size, FLOOR) + scale.noise
    near = torch.where(finite, (actual - expected).abs() <= limit, same)
    if bool(near.all()):
        return None
    if expected.numel() == 1:
        return Difference("value", "The number is wrong.")
    wrong = int((~near).sum())
    return Difference("value", f"{wrong} of {expected.numel()} values are wrong.")


def _coarsened(scale: Scale, actual: object) -> Scale:
    """Return the tolerance for a float32 result where no input asks for float64.

    A coarser result is not what was asked for: half precision widens nothing.
    """
    if scale.typed or not is_float(actual) or actual.dtype != torch.float32:
        return scale
    return Scale(max(scale.relative, SINGLE), scale.noise, False)


def _is_scalar(value: object) -> bool:
    if isinstance(value, (Tensor, np.ndarray)):
        return value.ndim == 0 and not _is_boolean_scalar(value)
    return isinstance(value, (numbers.Number, np.number)) and not isinstance(value, bool)


def _is_boolean_scalar(value: object) -> bool:
    if isinstance(value, Tensor):
        return value.ndim == 0 and value.dtype == torch.bool
    return isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype == bool


def _family(tensor: Tensor) -> str:
    if tensor.is_complex():
        return "complex"
    if tensor.is_floating_point():
        return "floating"
    return "boolean" if tensor.dtype == torch.bool else "integer"


def _as_double(value: object) -> Tensor:
    if not isinstance(value, (Tensor, np.ndarray)):
        return torch.tensor(
            value, dtype=torch.complex128 if np.iscomplexobj(value) else torch.double
        )
    tensor = torch.as_tensor(value).detach().cpu()
    return tensor.to(torch.complex128) if tensor.is_complex() else tensor.double()

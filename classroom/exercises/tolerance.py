"""How near counts as equal: relative to the largest expected magnitude, and by rounding noise.

The tolerance grows where the right answer is itself sensitive to the last digit of its input: an
honest answer written another way, with sums in another order, may differ by that much.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from classroom.exercises.outcome import clone, fresh_state

RELATIVE = {
    torch.float64: 1e-6,  # torch.tensor(number) is float32 in a new notebook, and right as well
    torch.float32: 1e-4,
    torch.float16: 1e-2,
    torch.bfloat16: 5e-2,
}
SINGLE = 1e-5  # for float32 results of exercises whose input has no dtype
FLOOR = 1e-2  # of the relative tolerance, absolute: right answers of 0 come out as rounding noise
_NOISE = 50  # times what the right answer moves when its input moves in the last digit
_NOISE_SEEDS = (1, 2)


@dataclass(frozen=True)
class Scale:
    """What counts as equal on one input: relative tolerance and absolute rounding noise.

    `typed` is whether the input fixes the dtype of the result (it holds a tensor or a dtype).
    """

    relative: float
    noise: float
    typed: bool


def scale_of(function: Callable, arguments: tuple, expected: object, own: Mapping | None) -> Scale:
    """Return the tolerance for comparing with `expected = function(*arguments)`."""
    dtypes = {leaf.dtype for leaf in leaves(arguments) if is_float(leaf)}
    typed = bool(dtypes) or any(isinstance(leaf, torch.dtype) for leaf in leaves(arguments))
    if not dtypes:
        dtypes = {leaf.dtype for leaf in leaves(expected) if is_float(leaf)}
    coarsest = max(dtypes or {torch.float64}, key=lambda dtype: torch.finfo(dtype).eps)
    relative = {**RELATIVE, **(own or {})}.get(coarsest, 1e-4)
    return Scale(relative, _rounding(function, arguments, expected, coarsest), typed)


def _rounding(function: Callable, arguments: tuple, expected: object, dtype: torch.dtype) -> float:
    """Return how far the function moves when every input moves by its last digit.

    0 where it jumps (a threshold, an argmax) or refuses the moved input: that is no rounding.
    """
    wanted = _numbers(expected)
    largest, moved = max((magnitude(leaf) for leaf in wanted), default=0.0), 0.0
    for seed in _NOISE_SEEDS if wanted else ():
        generator = torch.Generator().manual_seed(seed)
        try:
            with fresh_state():
                value = function(*_shaken(clone(arguments), generator))
        except Exception:
            return 0.0
        came = _numbers(value)
        if [leaf.shape for leaf in came] != [leaf.shape for leaf in wanted]:
            return 0.0
        moved = max([moved, *(magnitude(a - b) for a, b in zip(came, wanted))])
    jump = 100 * math.sqrt(torch.finfo(dtype).eps) * max(1.0, largest)
    return _NOISE * moved if _NOISE * moved < jump else 0.0


def _numbers(value: object) -> list[Tensor]:
    """Return the floating-point tensors and numbers in a value, in float64."""
    found = [leaf for leaf in leaves(value) if is_float(leaf) or isinstance(leaf, float)]
    return [torch.as_tensor(leaf, dtype=torch.float64, device="cpu").detach() for leaf in found]


def _shaken(value: object, generator: torch.Generator) -> object:
    if is_float(value):
        noise = torch.rand(value.shape, generator=generator, dtype=torch.float64) * 2 - 1
        step = noise.to(value.device, value.dtype) * torch.finfo(value.dtype).eps
        return value * (1 + step)
    if type(value) in (tuple, list):
        return type(value)(_shaken(item, generator) for item in value)
    return value


def leaves(value: object) -> Sequence:
    if isinstance(value, Mapping):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, (tuple, list)):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def is_float(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def magnitude(tensor: Tensor) -> float:
    """Return the largest finite magnitude, 0 where there is none."""
    finite = tensor[tensor.isfinite()]
    return float(finite.abs().max()) if finite.numel() else 0.0

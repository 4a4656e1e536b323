"""What functions ask of their arguments, in one wording: what came, what is wanted, what to do.

A public function begins with one to three of these lines, and its equation follows. They look at
types and shapes, never at values on a device, so they run on meta tensors and make no host wait.
`hint` says what to do. Wrong types raise TypeError, everything else ValueError.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Collection
from numbers import Real

import torch
from torch import Tensor

_FROM_THE_RIGHT = (
    "w_q takes as many rows as hidden_states has columns, w_k and w_v as encoder_hidden_states, "
    "and w_k as many columns as w_q: weights act from the right, so a torch.nn.Linear's weight "
    "must be transposed"
)


def complaint(name: str, came: object, wanted: str, hint: str = "") -> str:
    """Return the wording of all complaints: "NAME: what came; wanted is this; do that"."""
    return f"{name}: {came} came; wanted is {wanted}" + (f"; {hint}" if hint else "")


def check_real(*, one_type: bool = False, **tensors: Tensor) -> None:
    """Ask for real floating-point tensors, with `one_type` all of the type of the first."""
    first = next(iter(tensors))
    for name, tensor in tensors.items():
        kind = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
        if not (isinstance(tensor, Tensor) and tensor.is_floating_point()):
            hint = f"convert it, for example with {name}.float()"
            raise TypeError(complaint(name, kind, "a real floating-point tensor", hint))
        if one_type and kind != tensors[first].dtype:
            wanted = f"one type for all tensors, and {first} is {tensors[first].dtype}"
            raise TypeError(complaint(name, kind, wanted, "convert one of them with .to(...)"))


def check_shape(
    name: str, tensor: Tensor, *axes: str | int | tuple[int, ...], least: int = 0, hint: str = ""
) -> None:
    """Ask for these axes: a name for a size of `least` or more, a size, or a choice of sizes.

    "..." as the first or the last of them stands for any number of further axes.
    """

    def fits(size: int, axis: str | int | tuple[int, ...]) -> bool:
        if isinstance(axis, str):
            return size >= least
        return size in axis if isinstance(axis, tuple) else size == axis

    named, shape = [axis for axis in axes if axis != "..."], tuple(tensor.shape)
    sizes = shape
    if len(named) < len(axes):
        sizes = shape[-len(named) :] if axes[0] == "..." else shape[: len(named)]
    if len(sizes) != len(named) or not all(map(fits, sizes, named)):
        words = (
            " or ".join(map(str, sorted({*a}))) if isinstance(a, tuple) else str(a) for a in axes
        )
        wanted = f"({', '.join(words)})" + (" with nothing empty" if least else "")
        raise ValueError(complaint(name, f"shape {shape}", wanted, hint))


def check_same_shape(hint: str = "", **tensors: Tensor) -> None:
    """Ask for tensors of one shape, that of the first."""
    (first, model), *others = tensors.items()
    for name, tensor in others:
        if tensor.shape != model.shape:
            wanted = f"the shape of {first}, {tuple(model.shape)}"
            raise ValueError(complaint(name, f"shape {tuple(tensor.shape)}", wanted, hint))


def check_choice(name: str, value: object, choices: Collection[object]) -> None:
    """Ask for one of the choices."""
    if value not in choices:
        wanted = f"one of {', '.join(map(str, choices))}"
        raise ValueError(complaint(name, repr(value), wanted))


def check_whole(
    name: str, value: object, least: int | None = None, most: int | None = None, hint: str = ""
) -> int:
    """Ask for a whole number in a range that includes its ends, and return it as an int."""
    try:
        number = operator.index(None if isinstance(value, bool) else value)
    except TypeError:
        raise TypeError(complaint(name, repr(value), "a whole number", hint)) from None
    if (least is not None and number < least) or (most is not None and number > most):
        raise ValueError(complaint(name, number, f"a whole number {_range(least, most)}", hint))
    return number


def check_number(
    name: str,
    value: object,
    least: float | None = None,
    most: float | None = None,
    *,
    above: float | None = None,
    finite: bool = True,
    plain: bool = True,
    hint: str = "",
) -> None:
    """Ask for a number in a range, the end `above` left out; `plain` refuses tensors and bools."""
    if plain and (not isinstance(value, Real) or isinstance(value, bool)):
        hint = "take float(...) of a tensor with one number"
        raise TypeError(complaint(name, type(value).__name__, "a plain number", hint))
    inside = (
        (least is None or value >= least)
        and (most is None or value <= most)
        and (above is None or value > above)
        and (math.isfinite(value) if finite else value == value)  # NaN differs from itself
    )
    if not inside:
        wanted = f"a {'finite ' if finite else ''}number {_range(least, most, above)}"
        raise ValueError(complaint(name, value, wanted, hint))


def check_values(
    name: str, tensor: Tensor, low: float = -math.inf, high: float = math.inf, hint: str = ""
) -> None:
    """Ask for finite numbers from low to high where a look costs no waiting, on the CPU."""
    if tensor.device.type != "cpu" or tensor.numel() == 0:
        return
    try:
        smallest, largest = map(float, tensor.detach().aminmax())  # one pass; NaN comes through
    except RuntimeError:  # within vmap or a trace there are no values to look at
        return
    finite = math.isfinite(smallest) and math.isfinite(largest)
    if not (finite and low <= smallest and largest <= high):
        wanted = "finite" if math.inf in (-low, high) else f"from {low:g} to {high:g}"
        came = f"values from {smallest:.3g} to {largest:.3g}"
        raise ValueError(complaint(name, came, f"every value {wanted}", hint))


def check_multiple(name: str, value: int, of: int, hint: str = "") -> None:
    """Ask for a multiple of a whole number."""
    if value % of:
        raise ValueError(complaint(name, value, f"a multiple of {of}", hint))


def check_attention(
    hidden_states: Tensor,
    encoder_hidden_states: Tensor,
    w_q: Tensor,
    w_k: Tensor,
    w_v: Tensor | None = None,
) -> None:
    """Ask for tensors of one type whose shapes fit as in X W_Q (Z W_K)' and Z W_V."""
    x, z, values = hidden_states, encoder_hidden_states, {} if w_v is None else {"w_v": w_v}
    check_real(one_type=True, hidden_states=x, encoder_hidden_states=z, w_q=w_q, w_k=w_k, **values)
    check_shape("hidden_states", x, "...", "M", "d", least=1)
    check_shape("encoder_hidden_states", z, "...", "L", "d_z", least=1)
    check_shape("w_q", w_q, "...", x.shape[-1], "k", least=1, hint=_FROM_THE_RIGHT)
    check_shape("w_k", w_k, "...", z.shape[-1], w_q.shape[-1], hint=_FROM_THE_RIGHT)
    for name, weight in values.items():
        check_shape(name, weight, "...", z.shape[-1], "v", least=1, hint=_FROM_THE_RIGHT)


def widen(tensor: Tensor) -> Tensor:
    """Return half precision as float32, anything else as it is."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def _range(least: float | None, most: float | None, above: float | None = None) -> str:
    if least is not None and most is not None:
        return f"between {least} and {most}"
    if above is not None:
        return f"above {above}"
    return f"of {most} or less" if least is None else f"of {least} or more"

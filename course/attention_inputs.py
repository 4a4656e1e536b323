"""What the functions of Section 4.3 take: real floats of one type, whose shapes fit together."""

from __future__ import annotations

import torch
from torch import Tensor


def check_real(**tensors: Tensor) -> None:
    """Raise TypeError unless all are real floating-point tensors of one type."""
    first = None
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} must be a torch tensor, but {type(tensor).__name__} came")
        if not tensor.is_floating_point():
            raise TypeError(
                f"{name} must be of real floating point, but {tensor.dtype} came: convert it, "
                f"for example with {name}.float()"
            )
        first = first or (name, tensor.dtype)
        if tensor.dtype != first[1]:
            raise TypeError(
                f"all tensors must have one type, but {first[0]} is {first[1]} and {name} is "
                f"{tensor.dtype}: convert one of them with .to(...)"
            )


def check_matrices(**tensors: Tensor) -> None:
    """Raise as `check_real`, and ValueError unless all have two axes or more and none is empty."""
    check_real(**tensors)
    for name, tensor in tensors.items():
        if tensor.ndim < 2 or 0 in tensor.shape[-2:]:
            raise ValueError(
                f"{name} must be a matrix (..., rows, columns) with at least one of each, but "
                f"shape {tuple(tensor.shape)} came"
            )


def check_attention(
    hidden_states: Tensor,
    encoder_hidden_states: Tensor,
    w_q: Tensor,
    w_k: Tensor,
    w_v: Tensor | None = None,
) -> None:
    """Raise TypeError or ValueError unless these fit as in X W_Q (Z W_K)' and Z W_V."""
    tensors = {
        "hidden_states": hidden_states,
        "encoder_hidden_states": encoder_hidden_states,
        "w_q": w_q,
        "w_k": w_k,
    }
    check_matrices(**tensors, **({} if w_v is None else {"w_v": w_v}))
    pairs = [
        ("w_q", w_q, -2, "rows", "hidden_states", hidden_states),
        ("w_k", w_k, -2, "rows", "encoder_hidden_states", encoder_hidden_states),
        ("w_k", w_k, -1, "columns", "w_q", w_q),
    ]
    if w_v is not None:
        pairs.append(("w_v", w_v, -2, "rows", "encoder_hidden_states", encoder_hidden_states))
    for name, weight, axis, what, other, tensor in pairs:
        if weight.shape[axis] != tensor.shape[-1]:
            raise ValueError(
                f"{name} must have as many {what} as {other} has columns, but {name} has shape "
                f"{tuple(weight.shape)} and {other} {tuple(tensor.shape)}; weights act from the "
                "right, so a torch.nn.Linear's weight must be transposed"
            )


def check_same_rows(name: str, tensor: Tensor, other: str, ideal: Tensor) -> None:
    """Raise ValueError unless both are matrices of one size."""
    if tensor.shape[-2:] != ideal.shape[-2:]:
        raise ValueError(
            f"{name} and {other} are subtracted row by row and must have one size, but "
            f"{tuple(tensor.shape)} and {tuple(ideal.shape)} came"
        )


def widen(tensor: Tensor) -> Tensor:
    """Return half precision as float32, anything else as it is."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor

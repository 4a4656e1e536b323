"""The Lipschitz constant of an operator at a point, by power iteration (Theorem 4.6)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import jvp, vjp

from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.inputs import DTYPES
from lessons.error_recursion.exercises.shared import LESSON


def _linear(matrix: Tensor, offset: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: (matrix @ x.flatten() + offset).reshape(x.shape)


def _curved(matrix: Tensor, offset: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: (matrix @ x.flatten()).sin().reshape(x.shape) + offset.reshape(x.shape)


def _map_cases(generator: torch.Generator) -> list[Case]:
    kinds = {"a linear map plus a constant": _linear, "a curved map": _curved}
    cases = []
    for dtype, name in DTYPES.items():
        for shape, (kind, build) in zip(((3,), (2, 3), (4,), (1, 2, 2)), 2 * list(kinds.items())):
            d = math.prod(shape)
            left, right = torch.randn(2, d, d, generator=generator, dtype=torch.float64)
            left, right = torch.linalg.qr(left).Q, torch.linalg.qr(right).Q
            # One large singular value, so that six rounds are enough to the last digit.
            values = torch.tensor([2.0, *torch.linspace(0.2, 0.05, d - 1)], dtype=torch.float64)
            matrix = left @ values.diag() @ right
            offset, x, direction = torch.randn(3, d, generator=generator, dtype=torch.float64)
            function = build(matrix.to(dtype), offset.to(dtype))
            points = ((0.1 * x).to(dtype).reshape(shape), direction.to(dtype).reshape(shape))
            cases.append(Case(f"{kind}, x of shape {shape}, {name}", (function, *points, 6)))
    return cases


def _round_cases(generator: torch.Generator) -> list[Case]:
    """Return maps whose singular values lie close together: there each round can be told."""
    cases = []
    for dtype, name in DTYPES.items():
        for n_rounds, d in ((0, 2), (1, 2), (3, 3), (8, 3)):
            left, right = torch.randn(2, d, d, generator=generator, dtype=torch.float64)
            left, right = torch.linalg.qr(left).Q, torch.linalg.qr(right).Q
            values = torch.linspace(2.0, 1.8 if n_rounds > 3 else 1.2, d, dtype=torch.float64)
            matrix, offset = (left @ values.diag() @ right).to(dtype), torch.zeros(d, dtype=dtype)
            # The start mixes all directions, so that every round turns it.
            direction = right.sum(0) + 0.3 * right[-1]
            x = torch.randn(d, generator=generator, dtype=torch.float64)
            points = (0.1 * x).to(dtype), direction.to(dtype)
            label = (
                f"{n_rounds} round{'s' * (n_rounds != 1)}, close singular values, d = {d}, {name}"
            )
            cases.append(Case(label, (_linear(matrix, offset), *points, n_rounds)))
    return cases


def _push(function: Callable, x: Tensor, v: Tensor) -> Tensor:
    return jvp(function, (x,), (v,))[1]


def _pull(function: Callable, x: Tensor, v: Tensor) -> Tensor:
    return vjp(function, x)[1](v)[0]


def _unit(v: Tensor) -> Tensor:
    return v / v.norm()


def _power_iteration(function: Callable, x: Tensor, direction: Tensor, n_rounds: int) -> Tensor:
    v = _unit(direction)
    for _ in range(n_rounds):
        v = _unit(_pull(function, x, _push(function, x, v)))
    return _push(function, x, v).norm()


def _no_transpose(function: Callable, x: Tensor, direction: Tensor, n_rounds: int) -> Tensor:
    v = _unit(direction)
    for _ in range(n_rounds):
        v = _unit(_push(function, x, v))
    return _push(function, x, v).norm()


def _squared(function: Callable, x: Tensor, direction: Tensor, n_rounds: int) -> Tensor:
    return _power_iteration(function, x, direction, n_rounds) ** 2


def _one_round(function: Callable, x: Tensor, direction: Tensor, n_rounds: int) -> Tensor:
    return _push(function, x, _unit(direction)).norm()


def _never_normalised(function: Callable, x: Tensor, direction: Tensor, n_rounds: int) -> Tensor:
    v = _unit(direction)
    for _ in range(n_rounds):
        v = _pull(function, x, _push(function, x, v))
    return _push(function, x, v).norm()


def _values_of_the_map(function: Callable, x: Tensor, direction: Tensor, n_rounds: int) -> Tensor:
    v = _unit(direction)
    for _ in range(n_rounds):
        v = _unit(function(v))
    return function(v).norm()


def _frobenius(function: Callable, x: Tensor, direction: Tensor, n_rounds: int) -> Tensor:
    return torch.func.jacrev(function)(x).norm()


def _largest_value(function: Callable, x: Tensor, direction: Tensor, n_rounds: int) -> Tensor:
    jacobian = torch.func.jacrev(function)(x)
    return torch.linalg.matrix_norm(jacobian.reshape(x.numel(), x.numel()), 2)


POWER_ITERATION = Exercise(
    name="power_iteration",
    lesson=LESSON,
    title="The largest stretch at a point",
    reference=_power_iteration,
    cases=lambda generator: _map_cases(generator) + _round_cases(generator),
    misconceptions=(
        Misconception(
            "no_transpose",
            "You only pushed forward with jvp. That finds the largest eigenvalue; a stretch is a "
            "singular value. Pull back with vjp in every round.",
            _no_transpose,
        ),
        Misconception(
            "square_of_the_stretch",
            "This is the square, the eigenvalue of J'J. One push of the last unit vector gives "
            "the stretch itself.",
            _squared,
        ),
        Misconception(
            "one_round",
            "This is the stretch of the starting direction. The rounds turn it towards the "
            "direction that is stretched most.",
            _one_round,
        ),
        Misconception(
            "never_normalised",
            "Your vector grows with every round. Make its length 1 after each.",
            _never_normalised,
        ),
        Misconception(
            "values_in_place_of_derivatives",
            "You fed directions to the function itself. The Jacobian at x says how the output "
            "moves when x moves: use jvp and vjp at x.",
            _values_of_the_map,
        ),
        Misconception(
            "frobenius_norm",
            "This is the root of the sum of all squared entries of the Jacobian. The largest "
            "stretch is its largest singular value alone.",
            _frobenius,
        ),
        Misconception(
            "one_round_short",
            "You made one round too few. Each round is a push, a pull and a division by the "
            "length; after the last one comes one push more.",
            lambda function, x, direction, n: _power_iteration(function, x, direction, n - 1),
        ),
        Misconception(
            "one_round_more",
            "You made one round too many. After n_rounds rounds only one push follows.",
            lambda function, x, direction, n: _power_iteration(function, x, direction, n + 1),
        ),
        Misconception(
            "always_ten_rounds",
            "You made ten rounds whatever n_rounds says. Use the argument.",
            lambda function, x, direction, n: _power_iteration(function, x, direction, 10),
        ),
        Misconception(
            "largest_singular_value",
            "This is the largest singular value itself. Asked for is how near n_rounds rounds come "
            "to it, for on a real model the matrix is never written down.",
            _largest_value,
        ),
        Misconception(
            "started_at_x",
            "Your rounds start at x. They start at `direction`; x is the point of the derivative.",
            lambda function, x, direction, n: _power_iteration(function, x, x, n),
        ),
    ),
)

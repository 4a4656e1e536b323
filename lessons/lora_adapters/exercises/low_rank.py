"""The best adapter of a rank, and one that sets the features of one x to zero (Eq. 2)."""

from __future__ import annotations

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception, Property, by_properties
from classroom.exercises.inputs import normal
from lessons.lora_adapters.exercises.shared import LESSON

# The best adapter of a rank


def _change_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for wide, out, rank in ((2, 2, 1), (4, 3, 1), (5, 5, 2), (8, 6, 3)):
        w_0 = normal(generator, torch.float64, out, wide)
        w = w_0 + normal(generator, torch.float64, out, wide)
        cases.append(Case(f"a change of size ({out}, {wide}), rank {rank}", (w_0, w, rank)))
    for wide, out, rank, dtype in ((3, 7, 2, torch.float64), (4, 6, 2, torch.float32)):
        pair = (normal(generator, dtype, out, wide) for _ in range(2))
        cases.append(Case(f"a change of size ({out}, {wide}), rank {rank}, {dtype}", (*pair, rank)))
    w_0, column, row = (
        normal(generator, torch.float64, *size) for size in ((4, 5), (4, 1), (1, 5))
    )
    label = "a change of rank 1, and rank 2 is allowed"
    cases.append(Case(label, (w_0, w_0 + column @ row, 2)))
    return [*cases, Case("no change at all, and rank 2 is allowed", (w_0, w_0, 2))]


def _best(w_0: Tensor, w: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    left, values, right = torch.linalg.svd(w - w_0, full_matrices=False)
    return left[:, :rank] * values[:rank], right[:rank]


def _factors_fit(arguments: tuple, answer: tuple) -> str | None:
    """Return why an answer is no pair (B, A) of the sizes asked for, or None."""
    w_0, _, rank = arguments
    wanted = [(len(w_0), rank), (rank, w_0.shape[1])]
    came = [tuple(part.shape) for part in answer]
    if came != wanted:
        return f"B and A have the sizes {wanted[0]} and {wanted[1]}, but {came} came."
    if not all(part.isfinite().all() for part in answer):
        return "B or A is not finite."
    return None


def _error_is_least(arguments: tuple, answer: tuple) -> str | None:
    if _factors_fit(arguments, answer):
        return None  # the first property has said so
    rounding = 1e-6 if arguments[0].dtype == torch.float64 else 1e-4
    w_0, w, rank = (*(part.double() for part in arguments[:2]), arguments[2])
    b, a = (part.double() for part in answer)
    error = (w - w_0 - b @ a).norm().item()
    least = torch.linalg.svdvals(w - w_0)[rank:].norm().item()
    if error <= least * (1 + rounding) + rounding:
        return None
    return f"||W - W_0 - BA|| is {error:.4f}, and {least:.4f} can be reached."


def _singular_parts(w_0: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return torch.linalg.svd(w - w_0, full_matrices=False)


def _without_values(w_0: Tensor, w: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    left, _, right = _singular_parts(w_0, w)
    return left[:, :rank], right[:rank]


def _values_twice(w_0: Tensor, w: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    left, values, right = _singular_parts(w_0, w)
    return left[:, :rank] * values[:rank], values[:rank, None] * right[:rank]


def _least_values(w_0: Tensor, w: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    left, values, right = _singular_parts(w_0, w)
    return left[:, -rank:] * values[-rank:], right[-rank:]


def _same_product(wrong):
    """Return a test for answers with the product of a wrong one: factors are never unique."""

    def matches(arguments: tuple, answer: tuple) -> bool:
        if _factors_fit(arguments, answer):
            return False
        b, a = (part.double() for part in wrong(*arguments))
        product, near = answer[0].double() @ answer[1].double(), 1e-5 * (1 + float((b @ a).norm()))
        return torch.allclose(product, b @ a, atol=near)

    return matches


def _of_the_whole(w_0: Tensor, w: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    return _best(torch.zeros_like(w_0), w, rank)


def _other_direction(w_0: Tensor, w: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    return _best(w, w_0, rank)


_BEST_SLIPS = (
    (
        "forgot_the_singular_values",
        "The directions are right, but each counts as 1. Multiply each by its singular value.",
        _without_values,
    ),
    (
        "singular_values_in_both",
        "The singular values went into B and into A, so each counts squared. Give them to one of "
        "the two, or their roots to both.",
        _values_twice,
    ),
    (
        "smallest_singular_values",
        "You kept the smallest singular values. The largest come first in torch.linalg.svd.",
        _least_values,
    ),
    (
        "adapted_the_whole_matrix",
        "You took W apart. The frozen W_0 is there already; the adapter only has to give W - W_0.",
        _of_the_whole,
    ),
    (
        "wrong_direction",
        "The sign is wrong: this leads from W to W_0. The adapter adds W - W_0.",
        _other_direction,
    ),
)

BEST_LORA = Exercise(
    name="best_lora",
    lesson=LESSON,
    title="The best adapter of a rank",
    reference=_best,
    cases=_change_cases,
    misconceptions=tuple(
        Misconception(name, hint, answer, matches=_same_product(answer))
        for name, hint, answer in _BEST_SLIPS
    ),
    properties=(
        Property("B and A have the right sizes", _factors_fit),
        Property("no adapter of the rank is nearer", _error_is_least),
    ),
    compare=by_properties,
    returns="tensors",
)


# An adapter that sets the features of one x to zero


def _collapse_cases(generator: torch.Generator) -> list[Case]:
    cases = [
        Case(
            "W_0 = [[2, 1], [0, 1]], x = (1, 1)",
            (torch.tensor([[2.0, 1.0], [0.0, 1.0]]), torch.tensor([1.0, 1.0])),
        )
    ]
    for wide, out, size in ((3, 2, 1.0), (4, 4, 3.0), (6, 5, 0.1), (16, 12, 1.0)):
        w_0 = normal(generator, torch.float64, out, wide)
        x = size * normal(generator, torch.float64, wide)
        cases.append(Case(f"{wide} numbers in, {out} out, ||x|| = {x.norm():.3g}", (w_0, x)))
    for numbers in (
        (0.0, 2.0),
        (3.0, 0.0),
        (1.0, -1.0),
        (0.0, 1.0, 0.0),
        (0.0, 2.0, -2.0),
        (0.0, -1.0),
    ):
        x = torch.tensor(numbers, dtype=torch.float64)
        w_0 = normal(generator, torch.float64, 3, len(numbers))
        cases.append(Case(f"x = {numbers}, 3 out", (w_0, x)))
    return cases


def _collapse(w_0: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    return -(w_0 @ x)[:, None], x[None] / x.square().sum()


def _is_rank_one(arguments: tuple, answer: tuple) -> str | None:
    return _factors_fit((*arguments, 1), answer)


def _features_vanish(arguments: tuple, answer: tuple) -> str | None:
    if _is_rank_one(arguments, answer):
        return None
    w_0, x = (part.double() for part in arguments)
    b, a = (part.double() for part in answer)
    before, after = (w_0 @ x).norm().item(), (w_0 @ x + b @ (a @ x)).norm().item()
    if after <= 1e-5 * before:
        return None
    return f"||(W_0 + BA) x|| is {after:.4g}; it was {before:.4g} without the adapter."


COLLAPSE_ADAPTER = Exercise(
    name="collapse_adapter",
    lesson=LESSON,
    title="An adapter that makes the features vanish",
    reference=_collapse,
    cases=_collapse_cases,
    misconceptions=(
        Misconception(
            "forgot_the_norm",
            "A x is then ||x||^2 and not 1. Divide by it, once, in B or in A.",
            lambda w_0, x: (-(w_0 @ x)[:, None], x[None]),
        ),
        Misconception(
            "divided_by_the_norm",
            "A x is then ||x|| and not 1. Divide by the norm squared.",
            lambda w_0, x: (-(w_0 @ x)[:, None], x[None] / x.norm()),
        ),
        Misconception(
            "wrong_sign",
            "This doubles the features. B needs the minus, so that the two parts cancel.",
            lambda w_0, x: ((w_0 @ x)[:, None], x[None] / x.square().sum()),
        ),
        Misconception(
            "minus_the_whole_layer",
            "BA = -W_0 sets the features of every x to zero, but its rank is that of W_0. One "
            "column in B and one row in A are enough for one x.",
            lambda w_0, x: (-w_0, torch.eye(len(x), dtype=x.dtype)),
        ),
        Misconception(
            "adapter_of_zeros",
            "An adapter of zeros changes nothing. W_0 x is still there.",
            lambda w_0, x: (torch.zeros_like(w_0[:, :1]), torch.zeros_like(x[None])),
        ),
    ),
    properties=(
        Property("B is a column and A a row", _is_rank_one),
        Property("the features vanish", _features_vanish),
    ),
    compare=by_properties,
    returns="tensors",
)

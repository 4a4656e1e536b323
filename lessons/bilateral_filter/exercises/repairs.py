"""Doubly stochastic weights and the displacement bound (Lemma 4.7, repaired)."""

from __future__ import annotations

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception, Property
from classroom.exercises.inputs import DTYPES, SCALE_FREE
from classroom.exercises.variations import Variation
from course.bilateral import displacement_bound
from lessons.bilateral_filter.exercises.shared import LESSON, SIX_DIGITS

# A kernel whose rows and columns both sum to one


def _kernel_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in DTYPES.items():
        for n in (1, 2, 3, 5, 9):
            values = torch.randn(n, generator=generator, dtype=torch.float64)
            cases.append(Case(f"kernel of {n} pixels, {name}", (_kernel(values).to(dtype),)))
        even = torch.tensor([[3.0, 1.0], [1.0, 3.0]], dtype=dtype)
        cases.append(Case(f"2 x 2, rows sum to 4 already, {name}", (even,)))
        hub = torch.ones(4, 4, dtype=dtype) / 10
        hub[0], hub[:, 0] = 1, 1
        cases.append(Case(f"a pixel that all others listen to, {name}", (hub,)))
    return cases


def _kernel(values: Tensor) -> Tensor:
    """Return the products of Eq. 10 and 11 for a row of pixels, both sigmas 1: symmetric."""
    place = torch.arange(len(values), dtype=values.dtype)
    squares = (values[:, None] - values).square() + (place[:, None] - place).square()
    return torch.exp(-squares / 2)


def _balanced(kernel: Tensor) -> Tensor:
    factor = torch.ones_like(kernel[0])
    for _ in range(100):
        factor = (factor / (kernel @ factor)).sqrt()
    return factor[:, None] * kernel * factor


def _rows(kernel: Tensor) -> Tensor:
    return kernel / kernel.sum(1, keepdim=True)


def _columns(kernel: Tensor) -> Tensor:
    return kernel / kernel.sum(0)


def _is_a_round(arguments: tuple, matrix: Tensor) -> bool:
    """Return whether a matrix is one of the first on the way: rows and columns in turns, or both.

    The first two of the turns have names of their own.
    """
    kernel = arguments[0]
    if matrix.shape != kernel.shape or not matrix.isfinite().all():
        return False
    rows = columns = kernel
    factor = torch.ones_like(kernel[0])
    for _ in range(60):
        rows, columns = _columns(_rows(rows)), _rows(_columns(columns))
        factor = (factor / (kernel @ factor)).sqrt()
        passed = rows, columns, _rows(rows), _columns(columns), factor[:, None] * kernel * factor
        if any(torch.allclose(matrix, each, rtol=0, atol=1e-6) for each in passed):
            return True
    return False


def _square_roots(kernel: Tensor) -> Tensor:
    factor = kernel.sum(1).rsqrt()
    return factor[:, None] * kernel * factor


def _sums_to_one(axis: int, name: str) -> Property:
    def holds(arguments: tuple, matrix: Tensor) -> str | None:
        sums = matrix.sum(axis)
        worst = int((sums - 1).abs().argmax())
        if abs(float(sums[worst]) - 1) < 1e-3:
            return None
        return f"{name} {worst} sums to {float(sums[worst]):.4f}, not to 1."

    return Property(f"each {name} sums to one", holds)


DOUBLY_STOCHASTIC = Exercise(
    name="doubly_stochastic",
    lesson=LESSON,
    title="Rows and columns",
    reference=_balanced,
    cases=_kernel_cases,
    tolerance=SIX_DIGITS,
    misconceptions=(
        Misconception(
            "rows_only",
            "Rows sum to one, columns do not: this is Eq. 9. Go on with the columns, and then "
            "with the rows again.",
            _rows,
        ),
        Misconception(
            "columns_only",
            "Columns sum to one, rows do not. Take turns.",
            _columns,
        ),
        Misconception(
            "one_round",
            "One round is not enough: dividing the columns spoils the rows again. Repeat until "
            "nothing changes.",
            lambda kernel: _columns(_rows(kernel)),
        ),
        Misconception(
            "square_roots_of_the_sums",
            "You divide by the roots of the row sums on both sides. That keeps the matrix "
            "symmetric, but its sums are not one yet. It is the first step of a repetition.",
            _square_roots,
        ),
        Misconception(
            "mean_of_both",
            "The mean of the two normalised matrices is symmetric, but neither its rows nor its "
            "columns sum to one.",
            lambda kernel: (_rows(kernel) + _columns(kernel)) / 2,
        ),
        Misconception(
            "one_total",
            "You divide everything by one number. Each row and each column needs a factor of its "
            "own.",
            lambda kernel: kernel * len(kernel) / kernel.sum(),
        ),
        Misconception(
            "few_rounds",
            "You are on the way, and stop too early: the sums are near one on small kernels and "
            "further off on others. Go on until nothing changes, or for some hundred rounds.",
            lambda kernel: _columns(_rows(_columns(_rows(_columns(_rows(kernel)))))),
            matches=_is_a_round,
        ),
    ),
    properties=(_sums_to_one(1, "row"), _sums_to_one(0, "column")),
    variations=(
        Variation(
            "pixels in reverse order",
            lambda arguments: (arguments[0].flip(0, 1),),
            lambda value, arguments: value.flip(0, 1),
        ),
        SCALE_FREE,
    ),
)


# How strong the filter may be


def _limit_cases(generator: torch.Generator) -> list[Case]:
    settings = (
        (1.0, 3, 1.0),
        (0.5, 3, 0.5),
        (0.1, 5, 1.5),
        (2.0, 9, 2.0),
        (1 / 255, 7, 100.0),
        (3000.0, 3, 0.4),
        (1e-6, 15, 3.0),
    )
    return [
        Case(f"limit {limit:.3g}, window {size}, sigma_spatial {spatial}", (limit, size, spatial))
        for limit, size, spatial in settings
    ]


def _largest_sigma(limit: float, kernel_size: int, sigma_spatial: float) -> float:
    return limit / displacement_bound(kernel_size, sigma_spatial, 1.0)


SIGMA_FOR_DISPLACEMENT = Exercise(
    name="sigma_for_displacement",
    lesson=LESSON,
    title="How strong may it be?",
    reference=_largest_sigma,
    cases=_limit_cases,
    misconceptions=(
        Misconception(
            "the_limit_itself",
            "You take sigma_intensity for the displacement. A pixel moves by up to sigma c(G), "
            "and c(G) may be below or above 1.",
            lambda limit, kernel_size, sigma_spatial: limit,
        ),
        Misconception(
            "displacement_of_the_limit",
            "This is how far pixels move if sigma_intensity is the limit: you have multiplied "
            "by c(G). The question goes the other way.",
            lambda limit, kernel_size, sigma_spatial: displacement_bound(
                kernel_size, sigma_spatial, limit
            ),
        ),
        Misconception(
            "upside_down",
            "Your quotient is upside down. A larger limit allows a larger sigma.",
            lambda limit, kernel_size, sigma_spatial: (
                displacement_bound(kernel_size, sigma_spatial, 1.0) / limit
            ),
        ),
        Misconception(
            "bound_alone",
            "You return c(G), for which the limit plays no part. Solve sigma c(G) = limit for "
            "sigma.",
            lambda limit, kernel_size, sigma_spatial: displacement_bound(
                kernel_size, sigma_spatial, 1.0
            ),
        ),
    ),
    returns="number",
)

"""The noise of a step in the mean and in the mean square (Lemma 4.9, Eq. 41)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.inputs import DTYPES
from classroom.exercises.variations import Variation
from lessons.error_recursion.exercises.shared import LESSON

# The mean length of the noise


def _dimension_cases(generator: torch.Generator) -> list[Case]:
    small = [Case(f"d = {d}", (d,)) for d in (1, 2, 3, 5, 10, 64)]
    # Logarithms of large factorials lose digits, the more in float32: right answers differ by that.
    return [
        *small,
        Case("d = 400", (400,), rounding=1e-2),
        Case("d = 1024", (1024,), rounding=5e-2),
    ]


def _noise_norm(d: int) -> float:
    return math.sqrt(2) * math.exp(math.lgamma((d + 1) / 2) - math.lgamma(d / 2))


def _gamma_itself(d: int) -> float:
    return math.sqrt(2) * math.gamma((d + 1) / 2) / math.gamma(d / 2)


EXPECTED_NOISE_NORM = Exercise(
    name="expected_noise_norm",
    lesson=LESSON,
    title="The mean length of the noise",
    reference=_noise_norm,
    cases=_dimension_cases,
    misconceptions=(
        Misconception(
            "root_of_d",
            "That is the root of the mean of ||z||^2. The mean of a root is smaller than the root "
            "of the mean.",
            lambda d: math.sqrt(d),
        ),
        Misconception(
            "mean_of_the_square",
            "This is the mean of ||z||^2. Asked for is the mean of ||z||.",
            lambda d: float(d),
        ),
        Misconception(
            "most_likely_length",
            "The root of d - 1 is the most likely length, where the density is highest. The mean "
            "lies a little above it.",
            lambda d: math.sqrt(d - 1),
        ),
        Misconception(
            "sum_of_absolute_values",
            "You added the mean absolute values of d numbers. The Euclidean norm squares, adds "
            "and takes one root.",
            lambda d: d * math.sqrt(2 / math.pi),
        ),
        Misconception(
            "gamma_overflows",
            "The formula is right, but the Gamma function is too large for a float at d = 1024. "
            "Subtract logarithms (math.lgamma) first, and take exp of the difference.",
            _gamma_itself,
        ),
        Misconception(
            "forgot_the_root_of_two",
            "The ratio of the Gammas is right. The root of 2 in front is missing.",
            lambda d: _noise_norm(d) / math.sqrt(2),
        ),
        Misconception(
            "forgot_the_exponential",
            "math.lgamma gives logarithms. The ratio is the exponential of their difference.",
            lambda d: math.sqrt(2) * (math.lgamma((d + 1) / 2) - math.lgamma(d / 2)),
        ),
        Misconception(
            "whole_halves",
            "You divide d by 2 without a rest. For odd d the Gamma function is taken at halves: "
            "use d / 2.",
            lambda d: (
                math.sqrt(2) * math.exp(math.lgamma((d + 1) // 2) - math.lgamma(max(1, d // 2)))
            ),
        ),
        Misconception(
            "near_formula_for_large_d",
            "The root of d - 1/2 comes near for large d. Asked for is the exact mean, for small "
            "d as well.",
            lambda d: math.sqrt(d - 0.5),
        ),
    ),
    returns="number",
)


# One step in the mean square


def _rms_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in DTYPES.items():
        for shape, displacement in (((), 0.0), ((), 0.5), ((3,), 0.25), ((2, 4), 1.0)):
            draws = torch.rand((3, *shape), generator=generator, dtype=torch.float64)
            constant, error, noise = (draws + torch.tensor(1.0)).to(dtype)
            shift = torch.full(shape, displacement, dtype=dtype)
            label = f"b = {displacement}, shape {shape}, {name}"
            cases.append(Case(label, (constant + 0.5, error, shift, noise)))
    return cases


def _rms_combine(constant: Tensor, error: Tensor, displacement: Tensor, noise: Tensor) -> Tensor:
    return ((constant * (error + displacement)) ** 2 + noise**2).sqrt()


def _adds_norms(constant: Tensor, error: Tensor, displacement: Tensor, noise: Tensor) -> Tensor:
    return constant * (error + displacement) + noise


def _no_root(constant: Tensor, error: Tensor, displacement: Tensor, noise: Tensor) -> Tensor:
    return (constant * (error + displacement)) ** 2 + noise**2


def _all_squares(constant: Tensor, error: Tensor, displacement: Tensor, noise: Tensor) -> Tensor:
    return (constant**2 * (error**2 + displacement**2) + noise**2).sqrt()


def _noise_inside(constant: Tensor, error: Tensor, displacement: Tensor, noise: Tensor) -> Tensor:
    return constant * ((error + displacement) ** 2 + noise**2).sqrt()


def _plain_constant(constant: Tensor, error: Tensor, displacement: Tensor, noise: Tensor) -> Tensor:
    return (constant * (error + displacement) ** 2 + noise**2).sqrt()


RMS_COMBINE = Exercise(
    name="rms_combine",
    lesson=LESSON,
    title="One step in the mean square",
    reference=_rms_combine,
    cases=_rms_cases,
    misconceptions=(
        Misconception(
            "adds_norms",
            "You added the lengths. The noise is independent of the error, so their inner product "
            "is 0 on average, and the squares add.",
            _adds_norms,
        ),
        Misconception(
            "forgot_the_root",
            "This is the mean square. Take its root.",
            _no_root,
        ),
        Misconception(
            "squares_of_everything",
            "You added the squares of R and b too. The filter's displacement depends on the "
            "latent, so it may point along the error: these two lengths add.",
            _all_squares,
        ),
        Misconception(
            "noise_inside",
            "You multiplied the noise by C. It is added after the step, so C does not touch it.",
            _noise_inside,
        ),
        Misconception(
            "constant_not_squared",
            "C stands outside the square. It multiplies the length, so the square has C^2.",
            _plain_constant,
        ),
        Misconception(
            "forgot_the_displacement",
            "The filter's displacement b does not appear. It adds to the error before the step.",
            lambda constant, error, displacement, noise: _rms_combine(
                constant, error, torch.zeros_like(displacement), noise
            ),
        ),
    ),
    variations=(
        Variation(
            "error, displacement and noise 20 times as large",
            lambda a: (a[0], 20 * a[1], 20 * a[2], 20 * a[3]),
            lambda value, arguments: 20 * value,
        ),
        Variation(
            "constant and noise a thousandth as large",
            lambda a: (1e-3 * a[0], a[1], a[2], 1e-3 * a[3]),
            lambda value, arguments: 1e-3 * value,
        ),
    ),
)

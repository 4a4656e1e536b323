"""The second-difference matrix and its eigenvalues (Lemma 4.5, Eq. 23 to 25)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.inputs import DTYPES
from lessons.temporal_loss.exercises.shared import LESSON, SIZES

# The matrix and its eigenvalues


def _size_cases(generator: torch.Generator) -> list[Case]:
    return [
        Case(f"{n_frames} frames, {name}", (n_frames, dtype))
        for dtype, name in DTYPES.items()
        for n_frames in SIZES
    ]


def _difference(n_similarities: int, dtype: torch.dtype) -> Tensor:
    return torch.eye(n_similarities, dtype=dtype).diff(dim=0)


def second_difference(n_frames: int, dtype: torch.dtype) -> Tensor:
    difference = _difference(n_frames - 1, dtype)
    return difference.T @ difference


def fixed_ends(n_frames: int, dtype: torch.dtype) -> Tensor:
    matrix = second_difference(n_frames, dtype)
    return matrix.fill_diagonal_(2)


def _circular(n_frames: int, dtype: torch.dtype) -> Tensor:
    eye = torch.eye(n_frames - 1, dtype=dtype)
    difference = eye.roll(-1, dims=0) - eye
    return difference.T @ difference


def _wrong_order(n_frames: int, dtype: torch.dtype) -> Tensor:
    difference = _difference(n_frames - 1, dtype)
    return difference @ difference.T


def _negative(n_frames: int, dtype: torch.dtype) -> Tensor:
    return -second_difference(n_frames, dtype)


def _one_for_each_frame(n_frames: int, dtype: torch.dtype) -> Tensor:
    return second_difference(n_frames + 1, dtype)


SECOND_DIFFERENCES = Exercise(
    name="second_differences",
    lesson=LESSON,
    title="The second-difference matrix",
    reference=second_difference,
    cases=_size_cases,
    misconceptions=(
        Misconception(
            "fixed_ends",
            "Your corners are 2. The first and the last similarity take part in one difference "
            "only, so their entries are 1: the ends are free.",
            fixed_ends,
        ),
        Misconception(
            "circular",
            "Your matrix ties the last similarity to the first. A clip does not close to a ring.",
            _circular,
        ),
        Misconception(
            "wrong_order",
            "This is D D', which is (T-2, T-2). The loss is s'D'D s, so the matrix that meets s "
            "is D'D.",
            _wrong_order,
        ),
        Misconception(
            "sign_flipped",
            "Every entry has the wrong sign. s'(D'D)s is a sum of squares, so the diagonal is "
            "positive.",
            _negative,
        ),
        Misconception(
            "one_for_each_frame",
            "Your matrix has T rows. It acts on similarities, and T frames have T-1 of them.",
            _one_for_each_frame,
        ),
    ),
)


def _cosine_values(
    steps: Tensor, n_intervals: float, dtype: torch.dtype, turn: float = math.pi
) -> Tensor:
    return (2 - 2 * (steps.double() * turn / n_intervals).cos()).to(dtype)


def _eigenvalues(n_frames: int, dtype: torch.dtype) -> Tensor:
    return _cosine_values(torch.arange(n_frames - 1), n_frames - 1, dtype)


def _counted_frames(n_frames: int, dtype: torch.dtype) -> Tensor:
    return _cosine_values(torch.arange(n_frames - 1), n_frames, dtype)


def _fixed_end_values(n_frames: int, dtype: torch.dtype) -> Tensor:
    return _cosine_values(torch.arange(1, n_frames), n_frames, dtype)


def _missing_zero(n_frames: int, dtype: torch.dtype) -> Tensor:
    return _cosine_values(torch.arange(1, n_frames), n_frames - 1, dtype)


def _circular_values(n_frames: int, dtype: torch.dtype) -> Tensor:
    steps = torch.arange(n_frames - 1)
    return _cosine_values(steps, n_frames - 1, dtype, turn=2 * math.pi).sort().values


def _singular_values(n_frames: int, dtype: torch.dtype) -> Tensor:
    return _eigenvalues(n_frames, dtype).clamp(min=0).sqrt()


def _descending(n_frames: int, dtype: torch.dtype) -> Tensor:
    return _eigenvalues(n_frames, dtype).flip(0)


SECOND_DIFFERENCE_EIGENVALUES = Exercise(
    name="second_difference_eigenvalues",
    lesson=LESSON,
    title="Eigenvalues in closed form",
    reference=_eigenvalues,
    cases=_size_cases,
    misconceptions=(
        Misconception(
            "counted_frames",
            "You divided the half circle by T. The matrix has one row for each similarity, so "
            "divide it by T-1.",
            _counted_frames,
        ),
        Misconception(
            "fixed_ends",
            "These are the eigenvalues with 2 in the corners, and they have no zero. Constant s "
            "costs nothing here, so one eigenvalue is 0.",
            _fixed_end_values,
        ),
        Misconception(
            "missing_zero",
            "You count k from 1. Then the 0 of the constant vector is missing, and 4 comes in, "
            "which is never reached. Count from 0 to T-2.",
            _missing_zero,
        ),
        Misconception(
            "circular",
            "These are the eigenvalues of a ring: whole turns in place of half turns, so most "
            "come in pairs. A clip has two ends.",
            _circular_values,
        ),
        Misconception(
            "singular_values_of_d",
            "These are the square roots, the singular values of D. The eigenvalues of D'D are "
            "their squares.",
            _singular_values,
        ),
        Misconception(
            "descending",
            "The values are right, but they start with the largest. Start with the smallest, 0.",
            _descending,
        ),
        Misconception(
            "full_circle",
            "Your angles go twice as far: they run to 2 pi. The angles of this chain are k pi / "
            "(T-1). (Written with a sine, as 4 sin^2, it has half the angle.)",
            lambda n_frames, dtype: (
                2
                - 2 * (2 * math.pi * torch.arange(n_frames - 1, dtype=dtype) / (n_frames - 1)).cos()
            ),
        ),
        Misconception(
            "last_angle_is_pi",
            "Your last angle is pi, and its eigenvalue 4 is never reached. The angles are k pi "
            "/ (T-1), and k stops at T-2.",
            lambda n_frames, dtype: (
                2 - 2 * torch.linspace(0, math.pi, n_frames - 1, dtype=dtype).cos()
            ),
        ),
    ),
)

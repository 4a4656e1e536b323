"""The chain rule through an adapter: the gradient of its matrix B (Eq. 17)."""

from __future__ import annotations

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.inputs import DTYPES, scaled
from classroom.exercises.variations import Variation
from lessons.gradient_descent.exercises.shared import LESSON

# The chain rule through an adapter


def _lora_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in DTYPES.items():
        # Equal sizes let a transposed or half-finished product through the shape check.
        for n, outputs, inputs, rank in ((1, 2, 2, 2), (3, 3, 3, 3), (3, 2, 4, 1), (6, 5, 7, 2)):
            shapes = (n, outputs), (n, inputs), (rank, inputs)
            draws = [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]
            label = f"{n} frame{'s' * (n > 1)}, {inputs} -> {outputs}, rank {rank}, {name}"
            cases.append(Case(label, tuple(draw.to(dtype) for draw in draws)))
    return cases


def _lora_gradient(feature_gradient: Tensor, inputs: Tensor, lora_a: Tensor) -> Tensor:
    return feature_gradient.T @ (inputs @ lora_a.T)


def _transposed(feature_gradient: Tensor, inputs: Tensor, lora_a: Tensor) -> Tensor:
    return _lora_gradient(feature_gradient, inputs, lora_a).T


def _without_lora_a(feature_gradient: Tensor, inputs: Tensor, lora_a: Tensor) -> Tensor:
    return feature_gradient.T @ inputs


def _mean_over_frames(feature_gradient: Tensor, inputs: Tensor, lora_a: Tensor) -> Tensor:
    return _lora_gradient(feature_gradient, inputs, lora_a) / len(inputs)


def _divided_by_rank(feature_gradient: Tensor, inputs: Tensor, lora_a: Tensor) -> Tensor:
    return _lora_gradient(feature_gradient, inputs, lora_a) / len(lora_a)


def _frames_summed_first(feature_gradient: Tensor, inputs: Tensor, lora_a: Tensor) -> Tensor:
    return torch.outer(feature_gradient.sum(0), lora_a @ inputs.sum(0))


LORA_GRADIENT = Exercise(
    name="lora_gradient",
    lesson=LESSON,
    title="The gradient of an adapter",
    reference=_lora_gradient,
    cases=_lora_cases,
    misconceptions=(
        Misconception(
            "transposed",
            "This is the transpose. The gradient has the shape of B, (outputs, rank).",
            _transposed,
        ),
        Misconception(
            "forgot_lora_a",
            "You left A out: B acts on A x_t and not on x_t. Send the inputs through A first.",
            _without_lora_a,
        ),
        Misconception(
            "averaged_over_frames",
            "You divided by the number of frames. B is shared by all frames, so their parts "
            "add up; the loss has its divisor already.",
            _mean_over_frames,
        ),
        Misconception(
            "divided_by_rank",
            "You divided by the rank. F = (W_0 + B A) x has no scale in it here.",
            _divided_by_rank,
        ),
        Misconception(
            "summed_frames_first",
            "You summed over the frames before you multiplied. Each frame's gradient goes with "
            "its own input: multiply first, then sum.",
            _frames_summed_first,
        ),
    ),
    variations=(
        Variation(
            "frames in reverse order",
            lambda a: (a[0].flip(0), a[1].flip(0), a[2]),
            lambda value, arguments: value,
        ),
        scaled(1, 30.0, lambda value: 30 * value),
    ),
)

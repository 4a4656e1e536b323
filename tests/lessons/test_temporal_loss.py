"""Lesson 02: other right answers, more wrong ones, and the references against course.temporal."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize

from classroom.exercises import get, reference
from course import temporal
from lessons.temporal_loss.figures import (
    held_clip,
    hessian_norm,
    mode_vector,
    segment_clips,
    turning_arrows,
)

# Right answers, written otherwise


def loss_by_loop(features: Tensor) -> Tensor:
    similarities = [
        cosine_similarity(f.flatten(), g.flatten(), dim=0) for f, g in zip(features, features[1:])
    ]
    total = sum((b - a) ** 2 for a, b in zip(similarities, similarities[1:]))
    return total / (len(features) - 1)


def loss_by_quadratic_form(features: Tensor) -> Tensor:
    unit = normalize(features.flatten(1), dim=1)
    s = torch.einsum("td,td->t", unit[:-1], unit[1:])
    matrix = temporal.second_difference_matrix(len(features), dtype=features.dtype)
    return s @ matrix @ s / len(s)


def loss_with_numpy(features: Tensor) -> float:
    rows = features.numpy().reshape(len(features), -1)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    similarities = (rows[:-1] * rows[1:]).sum(1)
    return float((np.diff(similarities) ** 2).sum() / (len(rows) - 1))


def matrix_by_loop(n_frames: int, dtype: torch.dtype) -> Tensor:
    matrix = torch.zeros(n_frames - 1, n_frames - 1, dtype=dtype)
    for i in range(n_frames - 2):
        matrix[i, i] += 1
        matrix[i + 1, i + 1] += 1
        matrix[i, i + 1] -= 1
        matrix[i + 1, i] -= 1
    return matrix


def matrix_from_diagonals(n_frames: int, dtype: torch.dtype) -> Tensor:
    beside = torch.ones(n_frames - 2, dtype=dtype)
    matrix = 2 * torch.eye(n_frames - 1, dtype=dtype) - beside.diag(1) - beside.diag(-1)
    matrix[0, 0] = matrix[-1, -1] = 1
    return matrix


def matrix_by_autograd(n_frames: int, dtype: torch.dtype) -> Tensor:
    start = torch.zeros(n_frames - 1, dtype=dtype)
    return torch.autograd.functional.hessian(lambda s: s.diff().square().sum() / 2, start)


def eigenvalues_of_the_matrix(n_frames: int, dtype: torch.dtype) -> Tensor:
    return torch.linalg.eigvalsh(temporal.second_difference_matrix(n_frames, dtype=dtype))


def eigenvalues_by_sine(n_frames: int, dtype: torch.dtype) -> Tensor:
    half = [math.sin(k * math.pi / (2 * (n_frames - 1))) for k in range(n_frames - 1)]
    return torch.tensor([4 * value**2 for value in half], dtype=dtype)


def alternate_between_two(n_frames: int, most: float) -> Tensor:
    pictures = torch.tensor([[1.0, 0.0], [most, (1 - most**2) ** 0.5]])
    return pictures[torch.arange(n_frames) % 2]


def always_the_negative(n_frames: int, most: float) -> Tensor:
    return torch.stack(
        [(-1.0) ** t * torch.arange(1.0, 13).reshape(3, 2, 2) for t in range(n_frames)]
    )


def gradient_by_autograd(features: Tensor, frame: int) -> Tensor:
    features = features.clone().requires_grad_()
    return torch.autograd.grad(temporal.temporal_loss(features), features)[0][frame]


def gradient_difference_by_difference(features: Tensor, frame: int) -> Tensor:
    s, total = temporal.adjacent_similarities(features), torch.zeros_like(features[frame])
    gradient = temporal.cosine_similarity_gradient
    for i in range(max(0, frame - 2), min(frame, len(features) - 3) + 1):
        for pair, sign in ((i + 1, 1), (i, -1)):
            if frame in (pair, pair + 1):
                other = 2 * pair + 1 - frame
                total += sign * (s[i + 1] - s[i]) * gradient(features[frame], features[other])
    return 2 * total / (len(features) - 1)


def factors_as_powers(factor: float) -> list[float]:
    return [factor**-k for k in range(3)]


def factors_measured_on_a_clip(factor: float) -> tuple[Tensor, ...]:
    draw = torch.Generator().manual_seed(0)
    clip = torch.randn(5, 3, generator=draw, dtype=torch.float64)
    measures = (
        temporal.temporal_loss,
        lambda clip: temporal.temporal_loss_gradient(clip).norm(),
        hessian_norm,
    )
    return tuple(measure(factor * clip) / measure(clip) for measure in measures)


ALTERNATIVES = {
    "loss_of_clip": [
        loss_by_loop,
        loss_by_quadratic_form,
        loss_with_numpy,
        temporal.temporal_loss,
    ],
    "second_differences": [matrix_by_loop, matrix_from_diagonals, matrix_by_autograd],
    "second_difference_eigenvalues": [eigenvalues_of_the_matrix, eigenvalues_by_sine],
    "invisible_flicker": [alternate_between_two, always_the_negative],
    "loss_gradient_of_frame": [gradient_by_autograd, gradient_difference_by_difference],
    "factors_of_scaling": [factors_as_powers, factors_measured_on_a_clip],
}


# Wrong answers beyond the named ones


def loss_with_root(features: Tensor) -> Tensor:
    return temporal.temporal_loss(features).sqrt()


def loss_over_all_frames(features: Tensor) -> Tensor:
    return temporal.temporal_loss(features) * (len(features) - 1) / len(features)


def loss_without_norms(features: Tensor) -> Tensor:
    rows = features.flatten(1)
    return (rows[:-1] * rows[1:]).sum(1).diff().square().sum() / (len(features) - 1)


def loss_in_a_ring(features: Tensor) -> Tensor:
    s = temporal.adjacent_similarities(features)
    return (s.roll(-1) - s).square().sum() / (len(features) - 1)


def matrix_of_frames(n_frames: int, dtype: torch.dtype) -> Tensor:
    second = torch.eye(n_frames, dtype=dtype).diff(n=2, dim=0)
    return second.T @ second


def one_free_end(n_frames: int, dtype: torch.dtype) -> Tensor:
    matrix = temporal.second_difference_matrix(n_frames, dtype=dtype)
    matrix[-1, -1] = 2
    return matrix


def eigenvalues_without_the_two(n_frames: int, dtype: torch.dtype) -> Tensor:
    return eigenvalues_by_sine(n_frames, dtype) / 2


def eigenvalues_with_the_last(n_frames: int, dtype: torch.dtype) -> Tensor:
    return 2 - 2 * torch.linspace(0, math.pi, n_frames - 1, dtype=dtype).cos()


def flicker_too_short(n_frames: int, most: float) -> Tensor:
    return alternate_between_two(n_frames - 1, most)


def flicker_with_black_frames(n_frames: int, most: float) -> Tensor:
    return (torch.arange(n_frames) % 2 == 0)[:, None] * torch.ones(n_frames, 2)


def flicker_that_turns_faster(n_frames: int, most: float) -> Tensor:
    angles = torch.arange(n_frames) ** 2 * math.acos(most)
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def gradient_with_other_sign(features: Tensor, frame: int) -> Tensor:
    return -gradient_by_autograd(features, frame)


def gradient_of_the_next_frame(features: Tensor, frame: int) -> Tensor:
    return gradient_by_autograd(features, (frame + 1) % len(features))


WRONG = {
    "loss_of_clip": [loss_with_root, loss_over_all_frames, loss_without_norms, loss_in_a_ring],
    "second_differences": [matrix_of_frames, one_free_end],
    "second_difference_eigenvalues": [eigenvalues_without_the_two, eigenvalues_with_the_last],
    "invisible_flicker": [
        flicker_too_short,
        flicker_with_black_frames,
        flicker_that_turns_faster,
    ],
    "loss_gradient_of_frame": [gradient_with_other_sign, gradient_of_the_next_frame],
}


# The references against the course's own functions

COURSE = {
    "loss_of_clip": temporal.temporal_loss,
    "second_differences": lambda n, dtype: temporal.second_difference_matrix(n, dtype=dtype),
    "second_difference_eigenvalues": eigenvalues_of_the_matrix,
    "loss_gradient_of_frame": lambda f, frame: temporal.temporal_loss_gradient(f)[frame],
}


@pytest.mark.parametrize("name", COURSE)
def test_the_reference_agrees_with_the_course(name):
    for case in itertools.chain(*get(name).draws()):
        expected = COURSE[name](*case.arguments)
        torch.testing.assert_close(reference(name)(*case.arguments), expected, rtol=2e-5, atol=2e-6)


def test_an_invisible_flicker_is_seen_by_the_eye_and_not_by_the_loss():
    clip = reference("invisible_flicker")(9, -0.5)
    assert temporal.adjacent_similarities(clip).max() < -0.5 + 1e-12
    assert temporal.temporal_loss(clip) < 1e-28


# What the figures draw


@pytest.mark.parametrize("n_frames", [3, 4, 9, 40])
def test_mode_vectors_are_orthonormal_eigenvectors(n_frames):
    matrix = temporal.second_difference_matrix(n_frames, dtype=torch.float64)
    vectors = torch.stack([mode_vector(n_frames, mode) for mode in range(n_frames - 1)])
    values = eigenvalues_by_sine(n_frames, torch.float64)
    torch.testing.assert_close(vectors @ matrix @ vectors.T, values.diag(), rtol=0, atol=1e-13)


def test_the_loss_is_not_convex_between_two_clips_without_loss():
    first, last = segment_clips(170)
    ends = torch.stack([temporal.temporal_loss(first), temporal.temporal_loss(last)])
    assert ends.max() < 1e-28
    # By hand at angle a: F1 = (1 + cos(a)/2, sin(a)/2) / 2 and F3 = (1 + 3 cos a, -3 sin a) / 2.
    a = math.radians(170)
    first_cos = math.cos(math.atan2(math.sin(a) / 2, 1 + math.cos(a) / 2))
    last_cos = math.cos(math.atan2(-3 * math.sin(a), 1 + 3 * math.cos(a)))
    middle = temporal.temporal_loss((first + last) / 2).item()
    assert middle == pytest.approx((last_cos - first_cos) ** 2 / 2, rel=1e-12)
    assert middle > 1.9


def test_no_frame_vanishes_on_the_way_between_them():
    first, last = segment_clips(170)
    way = [torch.lerp(first, last, weight) for weight in torch.linspace(0, 1, 201).tolist()]
    assert torch.stack(way).norm(dim=2).min() > 0.05


def test_a_steady_turn_has_equal_similarities_and_a_bump_breaks_them():
    steady, bumped = turning_arrows(50), turning_arrows(50, bump=20)
    assert temporal.temporal_loss(steady) < 1e-28
    assert temporal.temporal_loss(bumped) > 1e-3


def test_a_change_after_every_frame_costs_less_than_one_after_every_second():
    assert temporal.temporal_loss(held_clip(1, 1.0)) < 1e-28
    assert temporal.temporal_loss(held_clip(2, 1.0)) > 1


def test_the_hessian_shrinks_with_the_square_of_the_length():
    arrows = turning_arrows(70, frame=1, n_frames=4)
    assert hessian_norm(10 * arrows) == pytest.approx(hessian_norm(arrows) / 100, rel=1e-9)

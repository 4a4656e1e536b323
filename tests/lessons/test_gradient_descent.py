"""Lesson 03: right answers written otherwise, further wrong ones, and its figures' own claims."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from classroom.exercises.exercise import Exercise
from course.temporal import (
    descend,
    smoothness_bound,
    temporal_loss,
    temporal_loss_gradient,
)
from lessons.gradient_descent.exercises import EXERCISES
from lessons.gradient_descent.figures import EXPLORERS, quarter_turn_clip, step_sizes_figure
from lessons.gradient_descent.runs import AdapterRuns, batch_loss

# Right answers, written otherwise


def step_by_autograd(features: Tensor, learning_rate: float) -> Tensor:
    leaf = features.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(temporal_loss(leaf), leaf)
    return features - learning_rate * gradient


def step_by_loop(features, learning_rate):
    gradient = temporal_loss_gradient(features)
    moved = [frame - learning_rate * slope for frame, slope in zip(features, gradient)]
    return torch.stack(moved)


def step_by_descend(features, learning_rate):
    return list(descend(features, learning_rate, 1))[1].features


def norms_by_stepping(features, learning_rate):
    moved = features - learning_rate * temporal_loss_gradient(features)
    return torch.stack([torch.linalg.vector_norm(frame) for frame in moved])


def norms_by_numpy(features, learning_rate):
    frames = features.reshape(len(features), -1).numpy()
    gradient = temporal_loss_gradient(features).reshape(len(features), -1).numpy()
    squares = np.einsum("ti,ti->t", frames, frames)
    squares = squares + learning_rate**2 * np.einsum("ti,ti->t", gradient, gradient)
    return torch.from_numpy(np.sqrt(squares))


def norms_by_hypot(features, learning_rate):
    gradient = temporal_loss_gradient(features).flatten(1).norm(dim=1)
    return torch.hypot(features.flatten(1).norm(dim=1), learning_rate * gradient)


def size_by_formula(features):
    return (features.flatten(1).square().sum(1).amin() * (len(features) - 1) / 32).item()


def size_as_tensor(features):
    least = min(torch.linalg.vector_norm(frame) for frame in features)
    return 1 / (32 / (least**2 * (features.shape[0] - 1)))


def size_in_float32(features):
    return torch.tensor(size_by_formula(features))


def size_in_numpy(features):
    norms = np.sqrt((features.numpy().reshape(len(features), -1) ** 2).sum(1))
    return 1 / smoothness_bound(len(features), norms.min())


def stuck_in_the_middle(n_frames):
    """Flip the second half."""
    frames = torch.zeros(n_frames, 5, dtype=torch.float64)
    frames[:, 2] = 4.0
    frames[n_frames // 2 :] *= -1
    return frames


def lowest_saddle(n_frames):
    """Let the similarity fall from 1 to -1 in equal parts: the least positive critical value."""
    similarities = torch.linspace(1, -1, n_frames - 1, dtype=torch.float64)
    angles = torch.cat([torch.zeros(1, dtype=torch.float64), similarities.arccos().cumsum(0)])
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def stuck_maps(n_frames):
    """Give maps (T, 1, 2, 2) in float32, positive multiples and one negative one."""
    scales = torch.arange(1.0, n_frames + 1)
    scales[0] = -2.0
    return scales.reshape(-1, 1, 1, 1) * torch.ones(1, 1, 2, 2)


def adapter_by_einsum(feature_gradient, inputs, lora_a):
    return torch.einsum("to,ti,ri->or", feature_gradient, inputs, lora_a)


def adapter_by_loop(feature_gradient, inputs, lora_a):
    total = feature_gradient.new_zeros(feature_gradient.shape[1], lora_a.shape[0])
    for gradient, x in zip(feature_gradient, inputs):
        total = total + torch.outer(gradient, lora_a @ x)
    return total


def adapter_by_autograd(feature_gradient, inputs, lora_a):
    lora_b = feature_gradient.new_zeros(feature_gradient.shape[1], len(lora_a), requires_grad=True)
    product = (inputs @ (lora_b @ lora_a).T * feature_gradient).sum()
    return torch.autograd.grad(product, lora_b)[0]


ALTERNATIVES = {
    "descent_step": [step_by_autograd, step_by_loop, step_by_descend],
    "norms_after_step": [norms_by_stepping, norms_by_numpy, norms_by_hypot],
    "safe_step_size": [size_by_formula, size_as_tensor, size_in_numpy, size_in_float32],
    "stuck_clip": [stuck_in_the_middle, lowest_saddle, stuck_maps],
    "lora_gradient": [adapter_by_einsum, adapter_by_loop, adapter_by_autograd],
}


# Wrong answers without a name


def step_in_place(features, learning_rate):
    features -= learning_rate * temporal_loss_gradient(features)
    return features


def two_steps(features, learning_rate):
    return list(descend(features, learning_rate, 2))[-1].features


def norms_by_subtraction(features, learning_rate):
    gradient = temporal_loss_gradient(features).flatten(1).norm(dim=1)
    squares = features.flatten(1).norm(dim=1) ** 2 - (learning_rate * gradient) ** 2
    return squares.clamp(min=0).sqrt()


def norm_of_all_frames(features, learning_rate):
    return (features - learning_rate * temporal_loss_gradient(features)).norm()


def size_of_the_whole_clip(features):
    return 1 / smoothness_bound(len(features), float(features.norm()))


def size_from_the_width(features):
    return float(features.flatten(1).norm(dim=1).amin()) ** 2 * (features[0].numel() - 1) / 32


def too_few_frames(n_frames):
    return torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])


def one_number_a_frame(n_frames):
    frames = torch.ones(n_frames, 1)
    frames[-1] = -1
    return frames


def nearly_stuck(n_frames):
    frames = torch.tensor([[1.0, 0.0]]).repeat(n_frames, 1)
    frames[-1] = torch.tensor([-1.0, 0.01])
    return frames


def only_the_first_frame(feature_gradient, inputs, lora_a):
    return torch.outer(feature_gradient[0], lora_a @ inputs[0])


def descent_direction(feature_gradient, inputs, lora_a):
    return -feature_gradient.T @ inputs @ lora_a.T


WRONG = {
    "descent_step": [step_in_place, two_steps],
    "norms_after_step": [norms_by_subtraction, norm_of_all_frames],
    "safe_step_size": [size_of_the_whole_clip, size_from_the_width],
    "stuck_clip": [too_few_frames, one_number_a_frame, nearly_stuck],
    "lora_gradient": [only_the_first_frame, descent_direction],
}


# What the exercises and figures say


def exercise(name: str) -> Exercise:
    return next(one for one in EXERCISES if one.name == name)


def test_safe_step_size_lets_the_loss_fall_from_every_case():
    for case in exercise("safe_step_size").cases(torch.Generator().manual_seed(1)):
        features = case.arguments[0].double()
        rate = exercise("safe_step_size").reference(features)
        losses = torch.stack([step.loss for step in descend(features, rate, 5)])
        assert bool((losses.diff() <= 1e-15).all()), case.label


def test_lora_gradient_is_that_of_autograd_through_the_temporal_loss():
    generator = torch.Generator().manual_seed(2)
    w, x, a, b = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in ((4, 5), (6, 5), (2, 5), (4, 2))
    )
    b.requires_grad_()
    features = x @ (w + b @ a).T
    expected = torch.autograd.grad(temporal_loss(features), b)[0]
    actual = exercise("lora_gradient").reference(temporal_loss_gradient(features.detach()), x, a)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("n_frames", [3, 4, 6, 9])
def test_similarity_falling_in_equal_parts_is_stuck_at_the_least_positive_value(n_frames):
    frames = lowest_saddle(n_frames)
    assert temporal_loss_gradient(frames).norm() < 1e-14
    least = 4 / ((n_frames - 1) * (n_frames - 2))
    assert temporal_loss(frames).item() == pytest.approx(least, rel=1e-12)


def test_loss_near_quarter_turns_falls_up_to_the_limit_and_rises_beyond_it():
    clip = quarter_turn_clip()
    limit = 2 / smoothness_bound(len(clip), 1.0)
    for multiple, rises in ((0.5, False), (1.0, False), (1.5, True)):
        losses = torch.stack([step.loss for step in descend(clip, multiple * limit, 40)])
        assert bool((losses.diff() > 0).any()) == rises


def test_figures_describe_themselves_at_every_corner():
    for explorer in EXPLORERS.values():
        labels = {explorer.figure(**corner).get_label() for corner in explorer.corners()}
        assert len(labels) == len(list(explorer.corners()))
    assert "1.5 times 2/L0" in step_sizes_figure().get_label()


def test_steps_that_fit_each_norm_are_descent_on_normalised_frames():
    generator = torch.Generator().manual_seed(3)
    frames = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    norms = frames.norm(dim=1, keepdim=True)
    fitted = frames - 0.1 * norms**2 * temporal_loss_gradient(frames)
    normalised = list(descend(frames / norms, 0.1, 1))[1].features
    torch.testing.assert_close(fitted / norms, normalised, rtol=0, atol=1e-13)
    assert math.isclose(temporal_loss(fitted), temporal_loss(normalised), abs_tol=1e-12)


# The runs that the lesson counts


def test_a_batch_of_clips_has_the_losses_of_its_clips():
    clips = torch.randn(5, 6, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(batch_loss(clips), torch.stack([*map(temporal_loss, clips)]))


def test_a_step_of_the_runs_is_a_step_of_gradient_descent_on_both_factors():
    runs = AdapterRuns.random(torch.Generator().manual_seed(0), n_runs=3)
    seen = []
    runs.train(lambda a, b: seen.append((a, b)) or torch.full((3,), 0.1), n_steps=2)
    (a, b), (new_a, new_b) = seen[1:3]
    leaves = [each[0].detach().clone().requires_grad_() for each in (a, b)]
    features = runs.inputs[0] @ (runs.frozen[0] + leaves[1] @ leaves[0]).T
    to_a, to_b = torch.autograd.grad(temporal_loss(features), leaves)
    torch.testing.assert_close(new_a[0], a[0] - 0.1 * to_a)
    torch.testing.assert_close(new_b[0], b[0] - 0.1 * to_b)


def test_no_small_move_of_the_factors_moves_features_further_than_beta():
    runs = AdapterRuns.random(torch.Generator().manual_seed(0), n_runs=4)
    draw = torch.Generator().manual_seed(1)
    b = torch.randn(runs.b.shape, generator=draw)
    for _ in range(20):
        to_a, to_b = (1e-3 * torch.randn(each.shape, generator=draw) for each in (runs.a, b))
        moved = runs.inputs @ (to_b @ runs.a + b @ to_a).mT  # to first order
        far = moved.square().sum((1, 2))
        near = to_a.square().sum((1, 2)) + to_b.square().sum((1, 2))
        assert (far <= runs.stretch(runs.a, b) * near * (1 + 1e-4)).all()

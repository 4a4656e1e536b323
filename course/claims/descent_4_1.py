"""Counterexamples, bounds and searches for Theorem 4.4 (descent) and Lemma 4.5 (convexity)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from course.claims.claim import Tightness, Violation
from course.claims.gradients_4_1 import planar_video
from course.claims.search import ascend, random_starts, slopes, temporal_losses
from course.temporal import (
    descend,
    second_difference_matrix,
    smoothness_bound,
    temporal_loss,
)

# Theorem 4.4


def descent_stays_at_the_worst_video() -> Violation:
    """Descend 100 steps from e, e, -e with a rate below 2/K, K a true Lipschitz constant.

    Descent never makes a frame shorter, so K = L_0 serves on all that it can reach from norm 1.
    """
    video = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    rate = 1.5 / smoothness_bound(len(video), 1.0)
    *_, last = descend(video, learning_rate=rate, n_steps=100)
    return Violation(
        last.loss.item(), 0.0,
        "three frames e, e, -e of norm 1, K = 16 wherever all norms are 1 or more, rate 1.5/K: "
        "loss after 100 steps, and loss of every local minimum",
    )  # fmt: skip


def permitted_step_raises_the_loss() -> Violation:
    """Take one step of descent with a rate below 2/K for the paper's own K = 16/M, M = 1.

    This refutes K (Lemma 4.3): the gradient has no such Lipschitz constant at short frames.
    """
    video = planar_video([0.0, 1.2, 2.9], norm=0.05)
    before, after = descend(video, learning_rate=0.12, n_steps=1)
    return Violation(
        after.loss.item(), before.loss.item(),
        "three frames of norm 0.05 (M = 1, so 2/K = 0.125), one step of rate 0.12: loss after, "
        "and loss before",
    )  # fmt: skip


def guaranteed_decrease(
    gradient_norm: float, learning_rate: float, n_frames: int, min_norm: float
) -> float:
    """Return eta (1 - eta L_0 / 2) ||grad||^2, by how much one step lowers the loss at least."""
    constant = smoothness_bound(n_frames, min_norm)
    return learning_rate * (1 - learning_rate * constant / 2) * gradient_norm**2


def search_theorem_4_4(seed: int = 0, budget: int = 16, n_frames: int = 60) -> Tightness:
    """Look for a start at which a step of rate 1/L_0 lowers the loss by less than guaranteed.

    Every other start lies near quarter turns, where the loss bends most along the gradient.
    """
    starts = random_starts(seed, budget, n_frames, 2)
    starts[::2] *= 0.05
    starts[::2] += planar_video(math.pi / 2 * torch.arange(n_frames))
    rate = 1 / smoothness_bound(n_frames, 1.0)

    def ratio(points: Tensor) -> Tensor:
        # All of norm 1, so that the one rate is right for every start.
        features = points / points.norm(dim=-1, keepdim=True)
        loss = temporal_losses(features)
        gradient = slopes(loss, features)
        actual = loss - temporal_losses(features - rate * gradient)
        promised = rate / 2 * gradient.square().sum((-2, -1))
        # Where hardly anything is left to lose, rounding would decide.
        return torch.where(actual > 1e-10, promised / actual, 0.0)

    _, point = ascend(ratio, starts, n_steps=120)
    here, there = descend(point / point.norm(dim=-1, keepdim=True), rate, 1)
    left = guaranteed_decrease(here.gradient_norm.item(), rate, n_frames, here.min_norm.item())
    right = (here.loss - there.loss).item()
    return Tightness(left / right, f"T = {n_frames}, rate 1/L_0, loss {here.loss.item():.2g}")


# Lemma 4.5


def not_convex_in_the_features() -> Violation:
    """Measure the loss half-way between two videos of loss zero: convexity in F would keep it 0.

    Lemma 4.5 speaks of the similarities and holds; this shows that it says nothing about F.
    """
    degrees = math.pi / 180
    one = planar_video([0.0, 0.0, 0.0])
    norms = torch.tensor([[0.5], [1.0], [3.0]], dtype=torch.float64)
    other = norms * planar_video([170 * degrees, 0.0, -170 * degrees])
    ends = (temporal_loss(one) + temporal_loss(other)) / 2
    return Violation(
        temporal_loss((one + other) / 2).item(), ends.item(),
        "half-way between two videos, T = 3: loss there, and the mean loss of the two",
    )  # fmt: skip


def largest_curvature_in_similarities(n_frames: int) -> float:
    """Return (2 + 2 cos(pi / (T-1))) / (T-1), the most that Eq. 19 is of ||s||^2."""
    return (2 + 2 * math.cos(math.pi / (n_frames - 1))) / (n_frames - 1)


def search_lemma_4_5(seed: int = 0, budget: int = 32, n_frames: int = 8) -> Tightness:
    """Look for similarities whose loss exceeds the largest eigenvalue's share of ||s||^2."""
    matrix = second_difference_matrix(n_frames, dtype=torch.float64) / (n_frames - 1)
    bound = largest_curvature_in_similarities(n_frames)

    def ratio(s: Tensor) -> Tensor:
        return ((s @ matrix) * s).sum(-1) / (bound * s.square().sum(-1))

    best, s = ascend(ratio, random_starts(seed, budget, n_frames - 1))
    shape = " ".join(f"{value:+.2f}" for value in (s / s.abs().max()).tolist())
    return Tightness(best.item(), f"T = {n_frames}, s along {shape}")

"""Counterexamples, bounds and searches for Eqs. 3 and 4, Theorem 4.1 and Lemmas 4.2 and 4.3."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from course.claims.claim import Tightness, Violation
from course.claims.search import (
    ascend,
    at_least_unit,
    random_starts,
    similarities,
    slopes,
    temporal_losses,
)
from course.temporal import (
    cosine_similarity,
    cosine_similarity_gradient,
    gradient_bound,
    smoothness_bound,
    temporal_loss,
    temporal_loss_gradient,
)


def planar_video(angles: Tensor | list[float], norm: float = 1.0) -> Tensor:
    """Return frames (T, 2) that point along these angles in radians, all of one norm, float64."""
    angles = torch.as_tensor(angles, dtype=torch.float64)
    return norm * torch.stack([angles.cos(), angles.sin()], dim=-1)


# Eq. 3 and 18: the cosine at a zero frame


def cosine_jumps_at_zero() -> Violation:
    """Measure the jump of the cosine between two tiny frames: a continuous one would have none."""
    frame, tiny = torch.tensor([1.0, 0.0], dtype=torch.float64), 1e-12
    jump = cosine_similarity(tiny * frame, frame) - cosine_similarity(-tiny * frame, frame)
    return Violation(
        jump.item(), 2 * tiny,
        "the cosine jumps by the left while F moves by the right, through 0, from r e to -r e",
    )  # fmt: skip


def cosine_change_bound(norm: float, other_norm: float) -> float:
    """Return 2 / (||F|| + ||F'||), the most that Sim(., G) changes per length moved."""
    return 2 / (norm + other_norm)


def search_equation_3(seed: int = 0, budget: int = 32) -> Tightness:
    """Look for frames F, F' and G between which the cosine changes faster than the bound."""

    def ratio(points: Tensor) -> Tensor:
        f, other, g = points.unbind(-2)
        pairs = torch.stack([f, g, other], dim=-2)
        change = similarities(pairs).diff(dim=-1).squeeze(-1).abs()
        bound = 2 * (f - other).norm(dim=-1) / (f.norm(dim=-1) + other.norm(dim=-1))
        return change / bound

    _, (f, other, g) = ascend(ratio, random_starts(seed, budget, 3, 3))
    left = (cosine_similarity(f, g) - cosine_similarity(other, g)).abs().item()
    right = cosine_change_bound(f.norm().item(), other.norm().item()) * (f - other).norm().item()
    angle = math.degrees(math.acos(cosine_similarity(f, other).clamp(-1, 1).item()))
    return Tightness(left / right, f"F and F' {angle:.0f} degrees apart, G along their difference")


# Eq. 4 and 19: the frame before the first


def padded_loss_differs() -> Violation:
    """Measure Eq. 4 with a copy of the first frame as F_0, and Eq. 19, on quarter turns, T = 6."""
    e, f = torch.eye(2, dtype=torch.float64)
    video = torch.stack([e, f, -e, -f, e, f])
    padded = torch.cat([video[:1], video])
    printed = temporal_loss(padded) * (len(padded) - 1) / (len(video) - 1)
    return Violation(
        printed.item(), temporal_loss(video).item(),
        "quarter turns, T = 6: Eq. 4 with F_0 = F_1 on the left, Eq. 19 on the right",
    )  # fmt: skip


def largest_loss(n_frames: int) -> float:
    """Return 4 (T-2) / (T-1), the largest value of Eq. 19."""
    return 4 * (n_frames - 2) / (n_frames - 1)


def search_equation_4(seed: int = 0, budget: int = 32) -> Tightness:
    """Look for a video whose loss exceeds the largest value of Eq. 19."""
    n_frames = 6
    _, point = ascend(temporal_losses, random_starts(seed, budget, n_frames, 3))
    signs = " ".join(f"{s:+.2f}" for s in similarities(point).tolist())
    return Tightness(temporal_loss(point).item() / largest_loss(n_frames), f"similarities {signs}")


# Theorem 4.1: the Lipschitz constant of the gradient


def short_frames_are_steep() -> Violation:
    """Measure two gradients of a video with norms far below M = 1, against the printed 16/M."""
    video = planar_video([0.0, 0.7, 2.2], norm=0.1)
    change = temporal_loss_gradient(video) - temporal_loss_gradient(video / 2)
    return Violation(
        change.norm().item(), 16 * (video / 2).norm().item(),
        "three frames of norm 0.1 and the same halved, M = 1: change of the gradient, and "
        "16/M times the distance",
    )  # fmt: skip


def curvature(features: Tensor, direction: Tensor) -> Tensor:
    """Return the second derivative of the loss along a unit direction; (..., T, d) gives (...)."""
    features = features if features.requires_grad else features.clone().requires_grad_()
    gradient = slopes(temporal_losses(features), features)
    twice = slopes((gradient * direction).sum((-2, -1)), features)
    return (twice * direction).sum((-2, -1)) / direction.square().sum((-2, -1))


def search_theorem_4_1(seed: int = 0, budget: int = 16, n_frames: int = 32) -> Tightness:
    """Look for frames of norm 1 or more, and a direction, with more curvature than the bound.

    Every other start lies near e, e, -e, -e, e, ... with the frames turning in alternate senses:
    for long clips the steepest place is there, and random starts end a few per cent below it.
    """
    starts = random_starts(seed, budget, 2, n_frames, 3)
    steep = torch.tensor([1.0, 1.0, -1.0, -1.0]).repeat(n_frames)[:n_frames]
    starts[::2] *= 0.05
    starts[::2, 0, :, 0] += steep
    starts[::2, 1, :, 1] += steep * torch.tensor([1.0, -1.0]).repeat(n_frames)[:n_frames]
    bound = smoothness_bound(n_frames, 1.0)

    def ratio(points: Tensor) -> Tensor:
        return curvature(at_least_unit(points[:, 0]), points[:, 1]).abs() / bound

    _, (point, direction) = ascend(ratio, starts, n_steps=120)
    features = at_least_unit(point).requires_grad_()
    measured = torch.autograd.functional.hvp(temporal_loss, features, direction)[1]
    left = (measured * direction).sum().abs() / direction.square().sum()
    right = smoothness_bound(n_frames, features.norm(dim=1).min().item())
    return Tightness(left.item() / right, f"T = {n_frames}, norms at least 1")


# Lemma 4.2: the gradient of one cosine


def short_frame_has_a_long_gradient() -> Violation:
    """Measure the gradient of the cosine at a frame of norm 0.1, against 2/M with M = 1."""
    f, g = planar_video([0.0, math.pi / 2])
    gradient = cosine_similarity_gradient(0.1 * f, g)
    return Violation(
        gradient.norm().item(), 2.0, "F of norm 0.1, G across it, M = 1: ||gradient||, and 2/M"
    )


def cosine_gradient_bound(min_norm: float) -> float:
    """Return 1/m, the largest norm of the gradient of the cosine at a frame of norm m or more."""
    return 1 / min_norm


def search_lemma_4_2(seed: int = 0, budget: int = 32) -> Tightness:
    """Look for a frame of norm 1 or more at which the cosine is steeper than 1/m."""

    def ratio(points: Tensor) -> Tensor:
        features = at_least_unit(points)
        gradient = slopes(similarities(features).squeeze(-1), features)[..., 0, :]
        return gradient.norm(dim=-1)

    _, point = ascend(ratio, random_starts(seed, budget, 2, 3))
    f, g = at_least_unit(point)
    left = cosine_similarity_gradient(f, g).norm().item()
    angle = math.degrees(math.acos(cosine_similarity(f, g).clamp(-1, 1).item()))
    right = cosine_gradient_bound(f.norm().item())
    return Tightness(
        left / right, f"||F|| = {f.norm().item():.3f}, G at {angle:.1f} degrees, m = 1"
    )


# Lemma 4.3: the gradient of the loss


def gradient_outruns_the_printed_constant() -> Violation:
    """Measure two gradients at frames that all have norm M = 0.05, against the printed 16/M."""
    norm, nudge = 0.05, 1e-3 * torch.tensor([1.0, -2.0, 1.0], dtype=torch.float64)
    angles = math.pi / 2 * torch.arange(3, dtype=torch.float64)
    video, moved = planar_video(angles, norm), planar_video(angles + nudge, norm)
    change = temporal_loss_gradient(video) - temporal_loss_gradient(moved)
    return Violation(
        change.norm().item(), 16 / norm * (video - moved).norm().item(),
        "quarter turns, T = 3, every norm equal to M = 0.05, nudged by a thousandth of a radian: "
        "change of the gradient, and 16/M times the distance",
    )  # fmt: skip


def gradient_ratio(n_frames: int, seed: int, budget: int) -> float:
    """Return the largest gradient of one frame found by ascent, divided by `gradient_bound`."""

    def ratio(points: Tensor) -> Tensor:
        features = at_least_unit(points)
        gradient = slopes(temporal_losses(features), features)
        return gradient.norm(dim=-1).amax(dim=-1) / gradient_bound(n_frames, 1.0)

    _, point = ascend(ratio, random_starts(seed, budget, n_frames, 3), n_steps=100)
    features = at_least_unit(point)
    left = temporal_loss_gradient(features).norm(dim=1).max().item()
    return left / gradient_bound(n_frames, features.norm(dim=1).min().item())


def search_lemma_4_3(seed: int = 0, budget: int = 32) -> Tightness:
    """Look, for several lengths of clip, for a frame whose gradient exceeds `gradient_bound`."""
    found = {n_frames: gradient_ratio(n_frames, seed, budget) for n_frames in (3, 4, 5, 8)}
    where = ", ".join(f"{ratio:.4f} at T = {n_frames}" for n_frames, ratio in found.items())
    return Tightness(max(found.values()), where)

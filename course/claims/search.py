"""Gradient ascent from many starts at once, which tries to break the bounds of the ledger."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


def ascend(
    objective: Callable[[Tensor], Tensor], starts: Tensor, *, n_steps: int = 150, rate: float = 0.1
) -> tuple[Tensor, Tensor]:
    """Climb from all starts at once with Adam; return the best value and where it stands.

    Takes starts (n_starts, ...) and an objective that maps them to (n_starts,), each value from
    its own start alone. The rate falls to 0 along a half cosine, so that the last steps are fine.
    Returns a tensor of shape () and the point, like one start. Points at which the objective is
    not finite are passed over. Deterministic.
    """
    points = starts.clone().requires_grad_()
    best, where = starts.new_tensor(-math.inf), starts[0]
    mean, square = torch.zeros_like(starts), torch.zeros_like(starts)
    for step in range(n_steps):
        values = objective(points)
        top = values.detach().nan_to_num(nan=-math.inf, posinf=-math.inf).max(dim=0)
        if top.values > best:
            best, where = top.values, points.detach()[top.indices].clone()
        (slope,) = torch.autograd.grad(values.sum(), points)
        # Adam, written out: torch.optim would first load the compiler, which takes seconds.
        slope = slope.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        mean, square = mean.lerp(slope, 0.1), square.lerp(slope.square(), 0.001)
        scale = (square / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8
        pace = rate / 2 * (1 + math.cos(math.pi * step / n_steps)) / (1 - 0.9 ** (step + 1))
        points = (points.detach() + pace * mean / scale).requires_grad_()
    return best, where


def random_starts(seed: int, *shape: int) -> Tensor:
    """Return standard normal starts of this shape in float64; the same seed, the same starts.

    Raises ValueError if the first number, the count of the starts (the budget), is below 1.
    """
    if shape[0] < 1:
        raise ValueError(f"budget must be 1 start or more, but {shape[0]} came")
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def at_least_unit(points: Tensor) -> Tensor:
    """Return features (..., T, d) whose frames have norm 1 or more: shorter ones are stretched."""
    return points / torch.linalg.vector_norm(points, dim=-1, keepdim=True).clamp(max=1.0)


def similarities(features: Tensor) -> Tensor:
    """Return the adjacent similarities of many videos at once: (..., T, d) gives (..., T-1).

    The ascent wants all starts in one pass, and `course.temporal` takes one video; what a search
    reports is measured again with `course.temporal`.
    """
    frames = features / torch.linalg.vector_norm(features, dim=-1, keepdim=True)
    return (frames[..., 1:, :] * frames[..., :-1, :]).sum(-1)


def temporal_losses(features: Tensor) -> Tensor:
    """Return Eq. 19 of many videos at once: (..., T, d) gives (...)."""
    s = similarities(features)
    return s.diff(dim=-1).square().sum(-1) / s.shape[-1]


def slopes(values: Tensor, points: Tensor) -> Tensor:
    """Return the gradient of each value with respect to its own point, itself differentiable."""
    return torch.autograd.grad(values.sum(), points, create_graph=True)[0]

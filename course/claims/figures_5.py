"""Counterexamples, bounds and searches for Figs. 2 to 4 and Section 5."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.linalg import matrix_norm, vector_norm

from course.attention import alignment_constants, cross_attention, row_norm
from course.claims.claim import Tightness, Violation
from course.claims.search import ascend, random_starts, similarities, temporal_losses
from course.temporal import adjacent_similarities, temporal_loss, temporal_loss_gradient

_M, _L, _D = 2, 2, 2  # positions of a frame, tokens and width of the search for Fig. 2
_FRAMES = 5


def _matrix(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def _similarity(first: Tensor, second: Tensor) -> float:
    return adjacent_similarities(torch.stack([first, second])).item()


# Fig. 2


def shared_tokens_answer_frames_in_opposite_ways() -> Violation:
    """Measure the outputs of two frames of one position that see the same two tokens."""
    tokens, one = _matrix([1.0], [-1.0]), _matrix([1.0])
    outputs = [cross_attention(query, tokens, one, one, one) for query in (one, -one)]
    return Violation(
        1 - _similarity(*outputs), 0.0,
        "d = 1, shared tokens 1 and -1, two frames with queries 1 and -1: 1 minus the similarity "
        "of their outputs, and what it is for frames that agree",
    )  # fmt: skip


def shared_token_bound(
    first: Tensor, second: Tensor, tokens: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor
) -> Tensor:
    """Return kappa times the largest distance of two frames' rows, (M, d) each, shape ()."""
    constants = alignment_constants(first, tokens, w_q, w_k, w_v, norm="row")
    return constants.queries * row_norm(first - second)


def search_figure_2(seed: int = 0, budget: int = 16) -> Tightness:
    """Look for two frames that shared tokens drive further apart than the bound allows."""
    shapes = [(_M, _D), (_M, _D), (_L, _D), (_D, _D), (_D, _D), (_D, _D)]

    def ratio(points: Tensor) -> Tensor:
        parts = points.split([rows * columns for rows, columns in shapes], dim=-1)
        x, step, z, *weights = (part.unflatten(-1, s) for part, s in zip(parts, shapes))
        # Frames near each other, as a factor counts slopes and not their averages.
        y = x + 0.01 * step / matrix_norm(step)[..., None, None]
        moved = cross_attention(x, z, *weights) - cross_attention(y, z, *weights)
        return row_norm(moved) / shared_token_bound(x, y, z, *weights)

    starts = random_starts(seed, budget, sum(rows * columns for rows, columns in shapes))
    _, point = ascend(ratio, starts, n_steps=60, rate=0.2)
    return Tightness(ratio(point).item(), f"{_M} positions, {_L} shared tokens, d = {_D}")


# Fig. 3


def adapter_makes_frames_alike_and_wrong() -> Violation:
    """Measure errors and similarity of two frames with and without a rank-1 adapter on W_V."""
    tokens, eye = _matrix([1.0, 0.0], [0.0, 1.0]), torch.eye(2, dtype=torch.float64)
    frames = [20 * tokens[:1], 20 * tokens[1:]]
    ideal = torch.stack([cross_attention(x, tokens, eye, eye, eye) for x in frames])
    adapter = _matrix([5.0], [5.0]) @ _matrix([1.0, 1.0])
    with_it = torch.stack([cross_attention(x, tokens, eye, eye, eye + adapter) for x in frames])
    return Violation(
        (with_it - ideal).norm().item(), 0.0,
        "d = 2, Z = Z* = I, so ||Delta Z|| = 0 throughout; two frames attend to one token each, "
        "and the adapter adds 5 (1, 1)'(1, 1) to W_V: the error with the adapter, similarity "
        f"{_similarity(*with_it):.4f}, and without it, similarity {_similarity(*ideal):.4f}",
    )  # fmt: skip


# Fig. 4


def descent_lowers_the_similarity() -> Violation:
    """Measure how far the mean similarity is from 1, after and before descent on Eq. 19."""
    angles = torch.tensor([0.0, -0.5, 2.3], dtype=torch.float64)
    clip = torch.stack([angles.cos(), angles.sin()], dim=1)
    before, loss = adjacent_similarities(clip).mean().item(), temporal_loss(clip).item()
    for _ in range(100):
        clip = clip - 0.2 * temporal_loss_gradient(clip)
    after = adjacent_similarities(clip).mean().item()
    return Violation(
        1 - after, 1 - before,
        "3 frames of length 1 in the plane at 0, -0.5 and 2.3 rad, 100 steps of size 0.2 that take "
        f"the loss from {loss:.3f} to {temporal_loss(clip).item():.0e}: 1 minus the mean "
        "similarity, after and before",
    )  # fmt: skip


def variation_bound(loss: Tensor, n_frames: int) -> Tensor:
    """Return sqrt((T-1)(T-2) L), how far apart similarities can be at loss L, shape as `loss`."""
    return ((n_frames - 1) * (n_frames - 2) * loss).sqrt()


def search_figure_4(seed: int = 0, budget: int = 16) -> Tightness:
    """Look for a clip whose similarities spread further than its loss allows."""

    def ratio(points: Tensor) -> Tensor:
        s = similarities(points)
        spread = s.amax(dim=-1) - s.amin(dim=-1)
        return spread / variation_bound(temporal_losses(points), _FRAMES)

    starts = random_starts(seed, budget, _FRAMES, 2)
    _, point = ascend(ratio, starts, n_steps=200, rate=0.05)
    return Tightness(ratio(point).item(), f"{_FRAMES} frames whose similarity changes evenly")


# Section 5


def frozen_frames_miss_ideals_that_differ() -> Violation:
    """Measure the error of equal frames where the ideal ones are orthogonal."""
    ideal = torch.eye(2, dtype=torch.float64)
    frozen = ideal.mean(dim=0, keepdim=True).expand(2, 2)
    return Violation(
        (frozen - ideal).norm().item(), (ideal - ideal).norm().item(),
        f"ideal frames (1, 0) and (0, 1): the error of two frames equal to their mean, similarity "
        f"{_similarity(*frozen):g}, and of the ideal frames, similarity {_similarity(*ideal):g}",
    )  # fmt: skip


def frozen_error(ideal: Tensor) -> Tensor:
    """Return sqrt(1 - s*), the least error of two equal directions against unit frames (..., 2, d).

    s* is the similarity of the two ideal frames, 0 or more. Shape (...).
    """
    return (1 - similarities(ideal)[..., 0]).clamp(min=0).sqrt()


def search_section_5(seed: int = 0, budget: int = 16) -> Tightness:
    """Look for frames of similarity 1 that come nearer to their ideals than the bound."""

    def ratio(points: Tensor) -> Tensor:
        first, second, direction, lengths = points.split([3, 3, 3, 2], dim=-1)
        first, second = (x / vector_norm(x, dim=-1, keepdim=True) for x in (first, second))
        # The bound is for similarities of 0 and more: turn the second frame where it is less.
        sign = torch.where((first * second).sum(-1, keepdim=True) < 0, -1.0, 1.0)
        ideal = torch.stack([first, sign * second], dim=-2)
        error = matrix_norm(lengths.abs()[..., None] * direction[..., None, :] - ideal)
        return frozen_error(ideal) / error

    _, point = ascend(ratio, random_starts(seed, budget, 11), n_steps=200, rate=0.1)
    return Tightness(
        ratio(point).item(), "2 ideal frames of 3 numbers, and equal ones between them"
    )

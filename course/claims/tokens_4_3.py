"""Corollary 4.15: targets that no number of tokens reaches, and a pair that few tokens do."""

from __future__ import annotations

import math
from fractions import Fraction

import torch
from torch import Tensor
from torch.linalg import matrix_norm

from course.attention import cross_attention, reachability_gap
from course.claims.claim import Tightness, Violation
from course.claims.search import ascend, random_starts

_M, _L, _D = 2, 4, 2


def order_cannot_be_reversed() -> Violation:
    """Measure the least error of targets in the opposite order of their queries."""
    queries = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    return Violation(
        reachability_gap(queries, -queries).item(), 0.0,
        "d = 1, all weights 1, X = (1, -1), and X* = (-1, 1), which is its own attention to "
        "Z* = (1.1997, -1.1997) (Eq. 43): the least error of any number of tokens, and the error "
        "that the corollary promises",
    )  # fmt: skip


def align_two_positions(queries: Tensor, targets: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """Return two values (2, d) and how often each is repeated, which reach both targets exactly.

    Takes effective queries and targets (2, d) in float64 with <y_1 - y_2, q_1 - q_2> > 0, else
    raises ValueError. The values lie on a line along the targets' difference; the farther apart
    they are the further the outputs differ, and their numbers set where the switch happens.
    Source: Corollary 4.15, the part that is true.
    """
    change = targets[0] - targets[1]
    if not (change @ (queries[0] - queries[1])).item() > 0:
        raise ValueError("these targets are out of reach: they must rise with their queries")
    size = change.norm().item()
    along = change / size
    first, second = (queries @ along).tolist()

    def spread(length: float, ratio: Fraction) -> float:
        """Return how far the two outputs are apart with values `length` apart."""
        odds = math.log(ratio)
        return length * (_sigmoid(length * first + odds) - _sigmoid(length * second + odds))

    length = size
    while length * math.tanh(length * (first - second) / 4) < 1.5 * size:
        length *= 1.25
    ratio, largest = Fraction(1), 1
    while spread(length, ratio) <= size:
        wanted = math.exp(-length * (first + second) / 2)
        ratio = max(Fraction(wanted).limit_denominator(largest), Fraction(1, largest))
        largest *= 2
    low, high = 0.0, length
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if spread(middle, ratio) < size else (low, middle)
    base = targets[0] - high * _sigmoid(high * first + math.log(ratio)) * along
    return torch.stack([base + high * along, base]), (ratio.numerator, ratio.denominator)


def two_value_error(queries: Tensor, targets: Tensor) -> Tensor:
    """Return the least max_i |out_i - target_i| of two values with any weights, d = 1, shape ().

    Takes queries and targets (M,). The search is a grid over the distance of the values, up to 8,
    and the logarithm of the ratio of their weights, made finer around its best point; it gives an
    error that is reached. Source: Corollary 4.15, from the other side than `plateau_gap`.
    """
    centre, reach = targets.new_tensor([4.0, 0.0]), targets.new_tensor([4.0, 40.0])
    best = targets.new_tensor(math.inf)
    for _ in range(14):
        axes = [torch.linspace(-1, 1, 101).to(targets) * r + c for r, c in zip(reach, centre)]
        grid = torch.cartesian_prod(axes[0].clamp(min=0), axes[1])
        outputs = grid[:, :1] * torch.sigmoid(grid[:, :1] * queries + grid[:, 1:])
        rest = targets - outputs  # the lower value, added to all outputs, halves their spread
        spreads = (rest.amax(dim=1) - rest.amin(dim=1)) / 2
        if spreads.min() < best:
            best, centre = spreads.min(), grid[spreads.argmin()]
        reach = reach / 2
    return best


def _sigmoid(x: float) -> float:
    return (1 + math.tanh(x / 2)) / 2


def search_corollary_4_15(seed: int = 0, budget: int = 16) -> Tightness:
    """Look for weights and tokens that come closer to two targets than `reachability_gap`."""
    shapes = [(_M, _D), (_M, _D), (_L, _D), (_D, _D), (_D, _D), (_D, _D)]

    def ratio(points: Tensor) -> Tensor:
        parts = points.split([rows * columns for rows, columns in shapes], dim=-1)
        x, y, z, *weights = (part.unflatten(-1, shape) for part, shape in zip(parts, shapes))
        error = matrix_norm(cross_attention(x, z, *weights) - y)
        return reachability_gap(x, y, *weights) / error

    width = sum(rows * columns for rows, columns in shapes)
    # The gap of a start that is reachable is 0 and flat, so many starts are drawn at little cost.
    starts = random_starts(seed, 4 * budget, width)
    _, point = ascend(ratio, starts, n_steps=150, rate=0.2)
    return Tightness(ratio(point).item(), f"2 positions, {_L} tokens, d = {_D}")

"""Many small models at once: the clips and adapters of which lesson 03 counts how they end.

A model has frozen weights W_0, frames x_t and an adapter BA, as in Eq. 2, and descends on the
temporal loss of its features F_t = (W_0 + BA) x_t (Eq. 17). All runs are one batch, so that 200 of
them take a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.linalg import matrix_norm

from course.temporal import smoothness_bound

_ROUNDING = 1e-15


def batch_loss(features: Tensor) -> Tensor:
    """Return (N,), the temporal loss of each of N clips (N, T, d) (Eq. 19)."""
    directions = features / features.norm(dim=2, keepdim=True)
    similarities = (directions[:, 1:] * directions[:, :-1]).sum(2)
    return similarities.diff(dim=1).square().sum(1) / similarities.shape[1]


@dataclass(frozen=True)
class Outcome:
    """How runs went: the least norm of any frame over its start, and whether the loss ever rose."""

    least_norm: Tensor
    rose: Tensor


@dataclass(frozen=True)
class AdapterRuns:
    """N models with adapters: `frozen` (N, d, d), `inputs` (N, T, d), at the start `a` (N, r, d).

    B starts at zero, (N, d, r), so that the features start at W_0 x_t.
    """

    frozen: Tensor
    inputs: Tensor
    a: Tensor

    @classmethod
    def random(cls, generator: torch.Generator, n_runs: int = 200) -> AdapterRuns:
        """Return models of six frames, width 8 and rank 2, drawn at random in the default dtype."""
        frozen = torch.randn(n_runs, 8, 8, generator=generator) / 8**0.5
        inputs = torch.randn(n_runs, 6, 8, generator=generator)
        return cls(frozen, inputs, torch.randn(n_runs, 2, 8, generator=generator) / 2)

    @property
    def b(self) -> Tensor:
        """B at the start, (N, d, r): zero."""
        return torch.zeros_like(self.a.mT)

    def features(self, a: Tensor, b: Tensor) -> Tensor:
        """Return (N, T, d), the features with these factors."""
        return self.inputs @ (self.frozen + b @ a).mT

    def safe_step(self) -> Tensor:
        """Return (N,), 1 / L_0 of each run: what is safe for descent on its features."""
        shortest = self.features(self.a, self.b).norm(dim=2).amin(1)
        return shortest.square() / smoothness_bound(self.inputs.shape[1], 1.0)

    def stretch(self, a: Tensor, b: Tensor) -> Tensor:
        """Return (N,), an upper bound of beta^2, where a move of A and B moves features by beta."""
        spread = matrix_norm(self.inputs, 2)
        return matrix_norm(self.inputs @ a.mT, 2).square() + (matrix_norm(b, 2) * spread).square()

    def train(self, rate_at: Callable[[Tensor, Tensor], Tensor], n_steps: int = 200) -> Outcome:
        """Return how the runs go; `rate_at(a, b)` gives the step size of each run, (N,)."""
        a, b, before = self.a, self.b, torch.inf
        start = self.features(a, b).norm(dim=2)
        least, rose = torch.ones_like(start[:, 0]), torch.zeros(len(start), dtype=torch.bool)
        for _ in range(n_steps + 1):
            rate = rate_at(a, b)[:, None, None]
            a, b = a.detach().requires_grad_(), b.detach().requires_grad_()
            features = self.features(a, b)
            loss = batch_loss(features)
            to_a, to_b = torch.autograd.grad(loss.sum(), (a, b))
            least = torch.minimum(least, (features.detach().norm(dim=2) / start).amin(1))
            rose |= loss.detach() > before + _ROUNDING
            before = loss.detach()
            a, b = a.detach() - rate * to_a, b.detach() - rate * to_b
        return Outcome(least, rose)

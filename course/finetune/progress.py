"""What a step of fine-tuning reports, and when there is no more progress to report (Eq. 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True)
class FinetuneStep:
    """What one step saw, before its update; plain Python numbers.

    `step` counts from 0. `temporal_loss` (Eq. 4 or its other reading, in [0, 4]) and `similarity`
    (the mean of neighbouring frames' cosines, in [-1, 1]) are averages over the taps,
    `diffusion_loss` is Eq. 5, `total_loss` Eq. 6; each is an average over the step's windows.
    `gradient_norm` is the l2 norm over all trained parameters. `temporal_gradient_norm` and
    `diffusion_gradient_norm` are those of the two weighted terms by themselves, or None unless
    `finetune(..., gradient_parts=True)`.
    """

    step: int
    temporal_loss: float
    diffusion_loss: float
    total_loss: float
    similarity: float
    gradient_norm: float
    temporal_gradient_norm: float | None = None
    diffusion_gradient_norm: float | None = None


def stalled(losses: Sequence[float], patience: int | None) -> bool:
    """Return whether the smoothed loss found no new minimum for `patience` values (None: never).

    Smoothed is the mean of `patience` losses in a row, because a single loss depends more on the
    timestep drawn than on the weights. So at least 2 * `patience` losses are looked at.
    """
    if patience is None or len(losses) < 2 * patience:
        return False
    sums = list(accumulate(losses, initial=0.0))
    smoothed = [(b - a) / patience for a, b in zip(sums, sums[patience:])]
    since = len(smoothed) - 1 - smoothed.index(min(smoothed))
    return since >= patience

"""An answer's numbers beside the right ones, ready to be compared in any relation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from classroom.exercises.tolerance import magnitude
from classroom.exercises.trial import Trial


@dataclass(frozen=True)
class Pair:
    """What was expected and what came, in float64, with the input and the tolerance."""

    expected: Tensor
    came: Tensor
    arguments: tuple
    relative: float
    noise: float

    def equal(self, value: Tensor) -> bool:
        """Return whether what came is this value, up to rounding."""
        if value.shape != self.came.shape or not bool(value.isfinite().all()):
            return False
        limit = self.relative * max(magnitude(value), magnitude(self.came)) + self.noise
        return bool((value - self.came).abs().max() <= limit) if value.numel() else True


def pair_of(trial: Trial, expected: object, came: object) -> Pair | None:
    """Return what is compared, or None where it is no number."""
    try:
        tensors = [torch.as_tensor(each).detach().cpu().double() for each in (expected, came)]
        if not all(bool(each.isfinite().all()) for each in tensors):
            return None
    except Exception:  # a text, an object of the learner's own, an error in place of a value
        return None
    return Pair(*tensors, trial.case.arguments, trial.scale.relative, trial.scale.noise)


def all_equal(pairs: Sequence[Pair], change: Callable, *, with_pair: bool = False) -> bool:
    """Return whether every answer is a change of the right one, and the change is one."""
    try:
        return all(
            pair.equal(change(pair.expected, pair) if with_pair else change(pair.expected))
            for pair in pairs
        )
    except Exception:  # no such axis, a division by zero
        return False

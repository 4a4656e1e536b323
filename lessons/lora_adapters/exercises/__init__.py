"""Exercises of lesson 09: low-rank layers and their limits (Eq. 2).

Inputs are rows, as in PyTorch: x is (N, d), W_0 (d', d), A (r, d), B (d', r). The exercises on the
objective (Eqs. 3 to 6) are in `objective`.
"""

from __future__ import annotations

from classroom.exercises.exercise import Exercise
from lessons.lora_adapters.exercises.layer import LORA_FORWARD, MERGE_LORA
from lessons.lora_adapters.exercises.low_rank import BEST_LORA, COLLAPSE_ADAPTER
from lessons.lora_adapters.exercises.objective import MEND_THE_LOSS, TOTAL_LOSS

EXERCISES: tuple[Exercise, ...] = (
    LORA_FORWARD,
    MERGE_LORA,
    BEST_LORA,
    COLLAPSE_ADAPTER,
    TOTAL_LOSS,
    MEND_THE_LOSS,
)

"""Exercises of lesson 09: low-rank layers and their limits (Eq. 2)."""

from __future__ import annotations

from course.exercises.exercise import Exercise
from course.exercises.lesson_09.layer import BEST_LORA, COLLAPSE_ADAPTER, LORA_FORWARD, MERGE_LORA
from course.exercises.lesson_09.objective import MEND_THE_LOSS, TOTAL_LOSS

EXERCISES: tuple[Exercise, ...] = (
    LORA_FORWARD,
    MERGE_LORA,
    BEST_LORA,
    COLLAPSE_ADAPTER,
    TOTAL_LOSS,
    MEND_THE_LOSS,
)

"""Exercises of lesson 08: tokens put together, their rank, and what they can reach."""

from __future__ import annotations

from course.exercises.exercise import Exercise
from course.exercises.lesson_08.reach import (
    MONOTONE_GAP,
    RESPONSE_SLOPE,
    TOKEN_DISTANCE,
    UNREACHABLE_TARGET,
)
from course.exercises.lesson_08.tokens import ASSEMBLE_TOKENS, TOKEN_RANK

EXERCISES: tuple[Exercise, ...] = (
    ASSEMBLE_TOKENS,
    TOKEN_RANK,
    RESPONSE_SLOPE,
    MONOTONE_GAP,
    UNREACHABLE_TARGET,
    TOKEN_DISTANCE,
)

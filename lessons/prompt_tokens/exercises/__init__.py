"""Exercises of lesson 08: tokens put together, their rank, and what they can reach.

Corollary 4.15. A position with the effective query q gets sum_l p_l v_l with p = softmax(q . v_l).
"""

from __future__ import annotations

from classroom.exercises.exercise import Exercise
from lessons.prompt_tokens.exercises.reach import TOKEN_DISTANCE, UNREACHABLE_TARGET
from lessons.prompt_tokens.exercises.response import MONOTONE_GAP, RESPONSE_SLOPE
from lessons.prompt_tokens.exercises.tokens import ASSEMBLE_TOKENS, TOKEN_RANK

EXERCISES: tuple[Exercise, ...] = (
    ASSEMBLE_TOKENS,
    TOKEN_RANK,
    RESPONSE_SLOPE,
    MONOTONE_GAP,
    UNREACHABLE_TARGET,
    TOKEN_DISTANCE,
)

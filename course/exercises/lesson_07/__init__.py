"""Exercises of lesson 07: cross-attention, the slope of softmax, errors and their bounds."""

from __future__ import annotations

from course.exercises.exercise import Exercise
from course.exercises.lesson_07.attention import (
    CROSS_ATTENTION,
    DECOMPOSE_ERROR,
    SOFTMAX_JACOBIAN,
    STEEPEST_LOGITS,
)
from course.exercises.lesson_07.bounds import (
    BREAK_THE_PRINTED_BOUND,
    COUNT_IDEAL_POINTS,
    ROW_BOUND,
    SOFTMAX_NORM_RANGE,
)

EXERCISES: tuple[Exercise, ...] = (
    CROSS_ATTENTION,
    SOFTMAX_JACOBIAN,
    STEEPEST_LOGITS,
    DECOMPOSE_ERROR,
    SOFTMAX_NORM_RANGE,
    BREAK_THE_PRINTED_BOUND,
    ROW_BOUND,
    COUNT_IDEAL_POINTS,
)

"""Exercises of lesson 07: cross-attention, the slope of softmax, errors and their bounds.

Eqs. 14-15, 43 and 46, Theorem 4.10 and Lemmas 4.12 to 4.14. References are written out rather than
taken from `course.attention`, so that a test can hold one against the other.
"""

from __future__ import annotations

from classroom.exercises.exercise import Exercise
from lessons.attention_bounds.exercises.attention import CROSS_ATTENTION, DECOMPOSE_ERROR
from lessons.attention_bounds.exercises.bounds import ROW_BOUND, SOFTMAX_NORM_RANGE
from lessons.attention_bounds.exercises.counterexample import BREAK_THE_PRINTED_BOUND
from lessons.attention_bounds.exercises.ideal_points import COUNT_IDEAL_POINTS
from lessons.attention_bounds.exercises.softmax import SOFTMAX_JACOBIAN, STEEPEST_LOGITS

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

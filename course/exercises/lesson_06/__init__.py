"""Exercises of lesson 06: how errors travel through a chain (Theorem 4.6, Lemmas 4.8 and 4.9).

Each reference is written out rather than taken from `course.recursion`, so that a test can hold one
against the other. The misconceptions share the references' parts and differ in the one slip that
they stand for.
"""

from __future__ import annotations

from course.exercises.exercise import Exercise
from course.exercises.lesson_06.chain import ACCUMULATE, STEP_CONSTANT
from course.exercises.lesson_06.noise import EXPECTED_NOISE_NORM, RMS_COMBINE
from course.exercises.lesson_06.operators import COUNTEREXAMPLE_PERFECT_START, POWER_ITERATION

EXERCISES: tuple[Exercise, ...] = (
    STEP_CONSTANT,
    ACCUMULATE,
    EXPECTED_NOISE_NORM,
    RMS_COMBINE,
    POWER_ITERATION,
    COUNTEREXAMPLE_PERFECT_START,
)

"""Exercises of lesson 06: how errors travel through a chain (Theorem 4.6, Lemmas 4.8 and 4.9).

Each reference is written out rather than taken from `course.recursion`, so that a test can hold one
against the other. The misconceptions share the references' parts and differ in the one slip that
they stand for.
"""

from __future__ import annotations

from classroom.exercises.exercise import Exercise
from lessons.error_recursion.exercises.chain import ACCUMULATE, STEP_CONSTANT
from lessons.error_recursion.exercises.noise import EXPECTED_NOISE_NORM, RMS_COMBINE
from lessons.error_recursion.exercises.operators import POWER_ITERATION
from lessons.error_recursion.exercises.perfect_start import COUNTEREXAMPLE_PERFECT_START

EXERCISES: tuple[Exercise, ...] = (
    STEP_CONSTANT,
    ACCUMULATE,
    EXPECTED_NOISE_NORM,
    RMS_COMBINE,
    POWER_ITERATION,
    COUNTEREXAMPLE_PERFECT_START,
)

"""Exercises of lesson 02: the temporal loss and its matrix (Eq. 4, 19, 23-25, Lemmas 4.3, 4.5).

Each reference is written out rather than taken from `course.temporal`, so that a test can hold one
against the other. The misconceptions share the references' parts and differ in the one slip that
they stand for.
"""

from __future__ import annotations

from course.exercises.exercise import Exercise
from course.exercises.lesson_02.flicker import INVISIBLE_FLICKER
from course.exercises.lesson_02.gradient import LOSS_GRADIENT_OF_FRAME
from course.exercises.lesson_02.loss import LOSS_OF_CLIP
from course.exercises.lesson_02.matrix import SECOND_DIFFERENCE_EIGENVALUES, SECOND_DIFFERENCES

EXERCISES: tuple[Exercise, ...] = (
    LOSS_OF_CLIP,
    SECOND_DIFFERENCES,
    SECOND_DIFFERENCE_EIGENVALUES,
    INVISIBLE_FLICKER,
    LOSS_GRADIENT_OF_FRAME,
)

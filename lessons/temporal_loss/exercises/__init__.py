"""Exercises of lesson 02: the temporal loss and its matrix (Eq. 4, 19, 23-25, Lemmas 4.3, 4.5).

Each reference is written out rather than taken from `course.temporal`, so that a test can hold one
against the other. The misconceptions share the references' parts and differ in the one slip that
they stand for.
"""

from __future__ import annotations

from classroom.exercises.exercise import Exercise
from lessons.temporal_loss.exercises.flicker import INVISIBLE_FLICKER
from lessons.temporal_loss.exercises.gradient import LOSS_GRADIENT_OF_FRAME
from lessons.temporal_loss.exercises.loss import LOSS_OF_CLIP
from lessons.temporal_loss.exercises.matrix import SECOND_DIFFERENCE_EIGENVALUES, SECOND_DIFFERENCES
from lessons.temporal_loss.exercises.units import FACTORS_OF_SCALING

EXERCISES: tuple[Exercise, ...] = (
    LOSS_OF_CLIP,
    SECOND_DIFFERENCES,
    SECOND_DIFFERENCE_EIGENVALUES,
    INVISIBLE_FLICKER,
    LOSS_GRADIENT_OF_FRAME,
    FACTORS_OF_SCALING,
)

"""Exercises of lesson 05: noise, its best prediction, chains and inversion (Eq. 5, 7, 8, 12).

Levels are values of alpha-bar, the share of the signal in the variance. Each reference is written
out rather than taken from `course.diffusion`, so that a test can hold one against the other; the
misconceptions share the references' parts and differ in the one slip that they stand for.
"""

from __future__ import annotations

from classroom.exercises.exercise import Exercise
from lessons.ddim_inversion.exercises.inversion import DDIM_UPDATE, REFINED_INVERSION
from lessons.ddim_inversion.exercises.mixture import CHAIN_VARIANCE, MIXTURE_NOISE
from lessons.ddim_inversion.exercises.noising import FORWARD_NOISE, SIGNAL_TO_NOISE

EXERCISES: tuple[Exercise, ...] = (
    FORWARD_NOISE,
    SIGNAL_TO_NOISE,
    MIXTURE_NOISE,
    CHAIN_VARIANCE,
    DDIM_UPDATE,
    REFINED_INVERSION,
)

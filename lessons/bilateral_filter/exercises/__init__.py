"""Exercises of lesson 04: the bilateral filter and how far it can expand (Eq. 9-11, Lemma 4.7).

Each reference is written out rather than taken from `course.bilateral`, so that a test can hold one
against the other. The filter of one row of pixels and its wrong forms share one function, whose
options are the slips; the same holds for the ways to balance a matrix.
"""

from __future__ import annotations

from classroom.exercises.exercise import Exercise
from lessons.bilateral_filter.exercises.filter import BILATERAL_FILTER_1D
from lessons.bilateral_filter.exercises.repairs import DOUBLY_STOCHASTIC, SIGMA_FOR_DISPLACEMENT
from lessons.bilateral_filter.exercises.stretch import DARK_PIXEL, EXPANDING_PAIR
from lessons.bilateral_filter.exercises.weights import SPATIAL_WEIGHTS

EXERCISES: tuple[Exercise, ...] = (
    SPATIAL_WEIGHTS,
    BILATERAL_FILTER_1D,
    DARK_PIXEL,
    EXPANDING_PAIR,
    DOUBLY_STOCHASTIC,
    SIGMA_FOR_DISPLACEMENT,
)

"""Exercises of lesson 01: the cosine of two frames and its gradient (Eq. 3, 18, Lemma 4.2).

Each reference is written out rather than taken from `course.temporal`, so that a test can hold one
against the other.
"""

from __future__ import annotations

from classroom.exercises.exercise import Exercise
from lessons.cosine_similarity.exercises.gradient import COSINE_GRADIENT
from lessons.cosine_similarity.exercises.neighbours import ADJACENT_SIMILARITY
from lessons.cosine_similarity.exercises.norms import COUNTEREXAMPLE_UPPER_BOUND, GRADIENT_NORM
from lessons.cosine_similarity.exercises.similarity import COSINE_AFTER_SCALING, COSINE_OF_FRAMES

EXERCISES: tuple[Exercise, ...] = (
    COSINE_AFTER_SCALING,
    COSINE_OF_FRAMES,
    ADJACENT_SIMILARITY,
    COSINE_GRADIENT,
    GRADIENT_NORM,
    COUNTEREXAMPLE_UPPER_BOUND,
)

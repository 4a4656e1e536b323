"""Exercises of lesson 11: how a verdict is reached, and what a search can and cannot say.

They stand for the ledger as a whole: counterexamples, bounds and their tightness.
"""

from __future__ import annotations

from classroom.exercises.exercise import Exercise
from lessons.ledger.exercises.search import TIGHTNESS, WORST_START
from lessons.ledger.exercises.verdict import VERDICT_OF
from lessons.ledger.exercises.violation import IS_VIOLATION

EXERCISES: tuple[Exercise, ...] = (VERDICT_OF, IS_VIOLATION, TIGHTNESS, WORST_START)

"""Exercises of lesson 03: gradient descent on the temporal loss (Eq. 17, 22, Theorem 4.4).

References lean on `course.temporal` for the gradient, which lessons 01 and 02 derived; what they
add is the lesson's own: the step, the norms after it, its size, where it stops, and its chain rule.
"""

from __future__ import annotations

from classroom.exercises.exercise import Exercise
from lessons.gradient_descent.exercises.adapter import LORA_GRADIENT
from lessons.gradient_descent.exercises.descent import DESCENT_STEP, NORMS_AFTER_STEP
from lessons.gradient_descent.exercises.saddle import STUCK_CLIP
from lessons.gradient_descent.exercises.step_size import SAFE_STEP_SIZE

EXERCISES: tuple[Exercise, ...] = (
    DESCENT_STEP,
    NORMS_AFTER_STEP,
    SAFE_STEP_SIZE,
    STUCK_CLIP,
    LORA_GRADIENT,
)

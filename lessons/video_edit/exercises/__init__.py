"""Exercises of lesson 10: two figures that judge an edit, and what an edit may keep (Fig. 1).

Each reference is written out rather than taken from `course.metrics` or `course.editing`, so that a
test can hold one against the other.
"""

from __future__ import annotations

from classroom.exercises.exercise import Exercise
from lessons.video_edit.exercises.background import BACKGROUND_PSNR_OF_EDIT
from lessons.video_edit.exercises.flow import ERROR_ALONG_FLOW
from lessons.video_edit.exercises.keeping import KEEP_WHERE_PROMPTS_AGREE

EXERCISES: tuple[Exercise, ...] = (
    BACKGROUND_PSNR_OF_EDIT,
    ERROR_ALONG_FLOW,
    KEEP_WHERE_PROMPTS_AGREE,
)

"""Exercises on what links frames: shared keys, attention along paths, and blended key frames.

Each reference is written out rather than taken from `course.methods`, so that a test can hold one
against the other.
"""

from __future__ import annotations

from classroom.exercises.exercise import Exercise
from lessons.frames_together.exercises.attention import ATTENTION_ALONG_PATHS, FIRST_FRAME_ATTENTION
from lessons.frames_together.exercises.blend import KEY_FRAME_BLEND

EXERCISES: tuple[Exercise, ...] = (FIRST_FRAME_ATTENTION, ATTENTION_ALONG_PATHS, KEY_FRAME_BLEND)

"""Lesson "DDIM inversion": its text (lesson.md), its exercises and its figures."""

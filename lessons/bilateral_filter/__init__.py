"""Lesson "The bilateral filter": its text (lesson.md), its exercises and its figures."""

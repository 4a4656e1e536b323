"""Lesson "Prompt tokens": its text (lesson.md), its exercises and its figures."""

"""Lesson "The temporal loss": its text (lesson.md), its exercises and its figures."""

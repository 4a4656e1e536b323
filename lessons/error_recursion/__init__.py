"""Lesson "How errors travel": its text (lesson.md), its exercises and its figures."""

"""Lesson "The whole edit": its text (lesson.md), its exercises and its figures."""

"""Lesson "Cosine similarity": its text (lesson.md), its exercises and its figures."""

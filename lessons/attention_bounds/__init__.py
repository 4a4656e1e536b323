"""Lesson "Cross-attention and its bounds": its text (lesson.md), its exercises and its figures."""

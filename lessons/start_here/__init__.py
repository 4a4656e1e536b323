"""Lesson "Start here": its text (lesson.md), its exercises and its figures."""

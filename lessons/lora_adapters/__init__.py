"""Lesson "LoRA adapters": its text (lesson.md), its exercises and its figures."""

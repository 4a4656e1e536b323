"""Lesson "The ledger": its text (lesson.md), its exercises and its figures."""

"""Lesson "Frames that look at each other": its text, its exercises, its figures and its score."""

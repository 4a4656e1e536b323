"""Lesson "Gradient descent on the temporal loss": its text, its exercises and its figures."""

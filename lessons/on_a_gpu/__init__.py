"""Lesson "On a GPU with Stable Diffusion": its text, a tiny stand-in for the model, its checker."""

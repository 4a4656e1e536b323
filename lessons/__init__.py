"""The lessons, a folder each: text, exercises, figures. `contents.toml` orders them.

A lesson imports `course` and `classroom`, never another lesson, and nothing imports a lesson but
through the table of contents (`classroom.contents`).
"""

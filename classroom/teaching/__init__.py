"""Sheets for teachers, made from the lessons and from `teaching/plans.toml`.

`needs` reads which sections of a lesson run without which others, `plans` reads the plans and
refuses those that leave a gap, `cut` makes and runs the notebook of a plan, `questions` collects
what a teacher asks and hears, `sheet` and `pages` write it down, and `write` brings it to the disk.
"""

from __future__ import annotations

from classroom.teaching.write import check_by_running, write_notebooks, write_sheets

__all__ = ["check_by_running", "write_notebooks", "write_sheets"]

"""What the exercises of lesson 06 share."""

from __future__ import annotations

LESSON = "06_error_recursion"

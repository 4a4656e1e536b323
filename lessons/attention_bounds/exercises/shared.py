"""What the exercises of lesson 07 share."""

from __future__ import annotations

LESSON = "attention_bounds"

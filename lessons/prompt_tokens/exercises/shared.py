"""What the exercises of lesson 08 share."""

from __future__ import annotations

LESSON = "prompt_tokens"

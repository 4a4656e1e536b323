"""What the exercises of lesson 09 share."""

from __future__ import annotations

LESSON = "lora_adapters"

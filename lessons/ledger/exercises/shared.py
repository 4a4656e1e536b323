"""What the exercises of lesson 11 share."""

from __future__ import annotations

LESSON = "ledger"

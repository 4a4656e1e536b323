"""What the figures of lesson 09 share: colours, and looks that tell curves apart."""

from __future__ import annotations

from classroom.display.figures import PALETTE

BLUE, ORANGE, GREEN = PALETTE[:3]
LOOKS = ((BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, "-.", "^"))

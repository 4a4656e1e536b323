"""The end-to-end edit (Fig. 1): a clip and two prompts in, an edited clip with its figures out."""

from __future__ import annotations

from .result import Edit
from .run import edit

__all__ = ["Edit", "edit"]

"""Clips: mp4 in and out, rendered scenes with exact geometry, pictures for notebooks."""

from __future__ import annotations

from .clip import Clip
from .findings import ClipWarning
from .flow import with_estimated_motion
from .grammar import BACKGROUNDS, COLOURS, SHAPES, WORDS, describe, swap
from .scenes import Scene, render
from .sheets import alt_text, contact_sheet, gif_bytes, write_gif, write_image
from .video import ClipFacts, clip_facts, read_clip, write_clip

__all__ = [
    "BACKGROUNDS",
    "COLOURS",
    "SHAPES",
    "WORDS",
    "Clip",
    "ClipFacts",
    "ClipWarning",
    "Scene",
    "alt_text",
    "clip_facts",
    "contact_sheet",
    "describe",
    "gif_bytes",
    "read_clip",
    "render",
    "swap",
    "with_estimated_motion",
    "write_clip",
    "write_gif",
    "write_image",
]

"""The small language of the rendered clips: the words that captions use and the model knows.

A caption names what is drawn and nothing else::

    a [small | large] COLOUR SHAPE [moving | curving DIRECTION | standing still]
    on a [gradient | striped] COLOUR background

Every word is one token of the embedded model's tokenizer, and no other word is known to it.
"""

from __future__ import annotations

SHAPES: tuple[str, ...] = ("circle", "square", "triangle", "star", "cross", "ring")

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.86, 0.10, 0.12),
    "orange": (0.98, 0.55, 0.05),
    "yellow": (0.97, 0.90, 0.15),
    "green": (0.10, 0.68, 0.22),
    "blue": (0.12, 0.25, 0.90),
    "purple": (0.52, 0.13, 0.72),
    "pink": (0.98, 0.55, 0.75),
    "white": (0.97, 0.97, 0.97),
}
"""Colours of objects, RGB in [0, 1]."""

BACKGROUNDS: dict[str, tuple[float, float, float]] = {
    "black": (0.06, 0.06, 0.07),
    "gray": (0.50, 0.50, 0.50),
    "blue": (0.33, 0.48, 0.78),
    "green": (0.42, 0.66, 0.42),
    "yellow": (0.80, 0.74, 0.38),
    "purple": (0.58, 0.42, 0.70),
}
"""Colours of backgrounds: softer than those of objects, so that an object stands out."""

TEXTURES: tuple[str, ...] = ("plain", "gradient", "striped")
SIZES: dict[str, tuple[float, float]] = {"small": (0.19, 0.22), "large": (0.24, 0.29)}
"""Ranges of an object's radius as a fraction of the frame's side."""

MOTIONS: tuple[str, ...] = ("still", "straight", "curved")
DIRECTIONS: dict[str, tuple[float, float]] = {
    "right": (1.0, 0.0),
    "left": (-1.0, 0.0),
    "up": (0.0, -1.0),
    "down": (0.0, 1.0),
}
"""Unit vectors in image coordinates: x to the right, y down."""

_GLUE = ("a", "on", "moving", "curving", "standing", "still", "background", "plain")

WORDS: tuple[str, ...] = tuple(
    sorted({*SHAPES, *COLOURS, *BACKGROUNDS, *TEXTURES, *SIZES, *DIRECTIONS, *_GLUE})
)
"""Every word a caption can use."""


def describe(
    shape: str,
    colour: str,
    background: str,
    *,
    size: str = "",
    texture: str = "plain",
    motion: str = "still",
    direction: str = "right",
    say_motion: bool = True,
) -> str:
    """Return the caption of a scene; ``size=""`` and ``say_motion=False`` leave those words out."""
    moves = {
        "still": ["standing", "still"],
        "straight": ["moving", direction],
        "curved": ["curving", direction],
    }
    words = ["a", size, colour, shape, *(moves[motion] if say_motion else [])]
    words += ["on", "a", "" if texture == "plain" else texture, background, "background"]
    return " ".join(word for word in words if word)


def swap(caption: str, old: str, new: str) -> str:
    """Return the caption with one word replaced: the usual way to write an edit.

    Raises ValueError where ``old`` does not occur in the caption or ``new`` is not in the grammar.
    """
    words = caption.split()
    if old not in words:
        raise ValueError(f"'{old}' is not in the caption '{caption}': choose one of its words")
    if new not in WORDS:
        raise ValueError(f"'{new}' is not a word of the grammar; known words: {', '.join(WORDS)}")
    words[words.index(old)] = new
    return " ".join(words)

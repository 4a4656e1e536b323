"""Captions that leave words out at random, and the seeds that belong to measuring alone."""

from __future__ import annotations

import torch

from .grammar import describe
from .scenes import Scene

HELD_OUT_SEED = 10_000_000
"""Seeds of scenes from here on belong to tests and benchmarks; training never draws them."""


def random_caption(scene: Scene, generator: torch.Generator) -> str:
    """Describe a scene, with the size and the motion named half of the time each.

    One frame cannot show a motion; the words are there so that prompts may use them.
    """
    say_size, say_motion = (torch.rand(2, generator=generator) < 0.5).tolist()
    return describe(
        scene.shape, scene.colour, scene.background,
        size=scene.size if say_size else "",
        texture=scene.texture, motion=scene.motion, direction=scene.direction,
        say_motion=say_motion,
    )  # fmt: skip

"""Held-out scenes with one word to swap: what the benchmarks of edits share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from course.clips.captions import HELD_OUT_SEED
from course.clips.grammar import BACKGROUNDS, COLOURS, SHAPES
from course.clips.scenes import Scene, render
from course.metrics import warping_error

KINDS = ("colour", "shape", "background")

_SEED = HELD_OUT_SEED + 50_000  # apart from the scenes that measure the judge


@dataclass(frozen=True)
class Swap:
    """A held-out scene, and the one attribute of it that an edit must change."""

    scene: Scene
    kind: str
    new: str

    @property
    def target(self) -> Scene:
        """The scene that a perfect edit shows."""
        return replace(self.scene, **{self.kind: self.new})


def choices(scene: Scene, kind: str, shapes: Sequence[str] = SHAPES) -> list[str]:
    """Return the words that an attribute can be swapped for: never the same, always visible."""
    words = {"colour": COLOURS, "background": BACKGROUNDS, "shape": shapes}[kind]
    taken = {scene.shape} if kind == "shape" else {scene.colour, scene.background}
    return [word for word in words if word not in taken]


def draw_swaps(n_scenes: int, shapes: Sequence[str] = SHAPES) -> list[Swap]:
    """Draw swaps, the three kinds in turn; a longer list begins with the shorter one.

    ``shapes`` keeps to some of the grammar's shapes; a swap of shapes needs two. Raises ValueError
    for shapes that the grammar does not have.
    """
    if set(shapes) - set(SHAPES) or len(set(shapes)) < 2:
        raise ValueError(f"shapes are {tuple(shapes)}; choose two or more of {', '.join(SHAPES)}")
    swaps, seed = [], _SEED
    while len(swaps) < n_scenes:
        generator = torch.Generator().manual_seed(seed)
        scene, seed = Scene.random(generator), seed + 1
        if scene.shape in shapes:
            kind = KINDS[len(swaps) % len(KINDS)]
            words = choices(scene, kind, shapes)
            index = int(torch.randint(len(words), (), generator=generator))
            swaps.append(Swap(scene, kind, words[index]))
    return swaps


def own_warping(swaps: Sequence[Swap], n_frames: int) -> list[float]:
    """Return the warping errors of the true clips themselves, of those that move."""
    moving = (swap.target for swap in swaps if swap.scene.motion != "still")
    clips = [render(scene, n_frames=n_frames) for scene in moving]
    return [float(warping_error(clip.frames, clip.flow, clip.occlusion)) for clip in clips]

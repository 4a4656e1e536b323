"""``python -m benchmarks.judge``: an independent judge of frames, and how far to trust it.

Part of no equation: it stands for the human eye of the paper's Section 5. It knows how the
renderer draws and nothing of the generative model. The object is found from pixels alone, its
colour and its background are read off by distance, and a small network trained on renders names
its shape. The network sees only an outline scaled to one size, so softness is not held against it.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.judge_pixels import (
    NONE,
    SIDE,
    background_colours,
    find_object,
    fit_background,
    object_colours,
    outline,
)
from benchmarks.judge_shape import blur, renders, trained_classifier
from course.clips.captions import HELD_OUT_SEED
from course.clips.grammar import SHAPES
from course.clips.scenes import Scene


@dataclass(frozen=True)
class Verdicts:
    """What the judge sees in each of T frames; an object that is not found is called "none".

    shapes, colours, backgrounds: T words of the grammar each. confidence: (T,) in [0, 1], the
    network's share for the shape it names, 0 without an object. coverage: (T, 1, 64, 64) in
    [0, 1], how much of each pixel the object covers.
    """

    shapes: list[str]
    colours: list[str]
    backgrounds: list[str]
    confidence: Tensor
    coverage: Tensor


def judge(frames: Tensor, classifier: nn.Module | None = None) -> Verdicts:
    """Name shape, object colour and background of each frame (T, 3, 64, 64) in [0, 1].

    ``classifier`` defaults to the cached one, which is trained first where it is missing. Works on
    the host in float32. Raises TypeError for frames that are not floating point, ValueError for
    another shape or for values that are not finite.
    """
    frames = _checked(frames)
    ground, centre = fit_background(frames)
    coverage = find_object(frames, ground)
    found = coverage.amax((1, 2, 3)) > 0
    shares = torch.zeros(len(frames), len(SHAPES))
    if found.any():
        network = trained_classifier() if classifier is None else classifier
        with torch.inference_mode():
            shares[found] = network(outline(coverage[found])).softmax(-1)
    confidence, index = shares.max(-1)
    shapes = [SHAPES[i] if here else NONE for i, here in zip(index.tolist(), found.tolist())]
    return Verdicts(
        shapes=shapes,
        colours=object_colours(frames, coverage),
        backgrounds=background_colours(frames, coverage, ground, centre),
        confidence=confidence,
        coverage=coverage,
    )


def _checked(frames: Tensor) -> Tensor:
    if not isinstance(frames, Tensor) or not frames.is_floating_point():
        raise TypeError("frames must be a floating-point tensor in [0, 1]; divide bytes by 255")
    if frames.ndim != 4 or tuple(frames.shape[1:]) != (3, SIDE, SIDE) or len(frames) == 0:
        raise ValueError(
            f"frames have shape {tuple(frames.shape)}; the judge wants (T, 3, {SIDE}, {SIDE})"
        )
    frames = frames.detach().to("cpu", torch.float32)
    if not torch.isfinite(frames).all():
        raise ValueError("frames hold values that are not finite; the judge wants [0, 1]")
    return frames.clamp(0, 1)


def accuracy(frames: Tensor, drawn: list[Scene], classifier: nn.Module | None = None) -> dict:
    """Share of frames that are judged right: shape, colour, background, and each shape alone."""
    parts = [judge(part, classifier) for part in frames.split(250)]
    shapes = [name for part in parts for name in part.shapes]
    right = [name == scene.shape for name, scene in zip(shapes, drawn)]
    colours = [name for part in parts for name in part.colours]
    backgrounds = [name for part in parts for name in part.backgrounds]
    figures = {
        "shape": _mean(right),
        "colour": _mean([name == scene.colour for name, scene in zip(colours, drawn)]),
        "background": _mean([n == scene.background for n, scene in zip(backgrounds, drawn)]),
        "none": _mean([name == NONE for name in shapes]),
    }
    for shape in SHAPES:
        figures[shape] = _mean([r for r, scene in zip(right, drawn) if scene.shape == shape])
    return figures


def _mean(values: list[bool]) -> float:
    return sum(values) / max(1, len(values))


def main() -> None:
    """Print how often the judge is right on held-out renders, clean and softened."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.judge", description=__doc__)
    parser.add_argument("--renders", type=int, default=1000)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    frames, drawn = renders(options.renders, HELD_OUT_SEED)
    figures = {
        "clean": accuracy(frames, drawn),
        "blur 0.7 px": accuracy(blur(frames, torch.full((len(frames),), 0.7)), drawn),
    }
    print(f"the judge on {len(frames)} held-out renders, % right")
    print("".join(f"{name:>12}" for name in ("", *figures["clean"])))
    for name, row in figures.items():
        print(f"{name:>12}" + "".join(f"{100 * share:12.1f}" for share in row.values()))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""``python -m benchmarks.flow``: how far to trust the flow that is estimated on frames.

Held-out scenes know their exact flow; the estimate of ``course.clips.flow`` sees their frames only.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.edit_figures import markdown
from benchmarks.scenes import draw_swaps
from course.clips import Clip, render, with_estimated_motion
from course.metrics import warping_error

ROWS = {
    "motion": "exact motion of the object [pixels a frame]",
    "inside": "endpoint error inside the object [pixels]",
    "outside": "endpoint error outside of it [pixels]",
    "overlap": "overlap with the exact occlusion, intersection / union",
    "hidden": "points that are hidden [%]",
    "found": "points that the estimate calls hidden [%]",
    "exact": "warping error of the source along the exact flow",
    "estimated": "warping error of the source along the estimate",
}


def compare(clip: Clip) -> dict[str, float]:
    """Return the figures of one clip that knows its flow; the overlap is nan if nothing is hidden.

    The object's pixels are those that it covers by more than half.
    """
    guess = with_estimated_motion(clip)
    error = (guess.flow - clip.flow).norm(dim=1, keepdim=True)
    inside = clip.mask[:-1] > 0.5
    hidden, found = clip.occlusion > 0.5, guess.occlusion > 0.5
    figures: dict[str, Tensor] = {
        "motion": clip.flow.norm(dim=1, keepdim=True)[inside].mean(),
        "inside": error[inside].mean(),
        "outside": error[~inside].mean(),
        "overlap": (hidden & found).sum() / (hidden | found).sum(),
        "hidden": 100 * hidden.float().mean(),
        "found": 100 * found.float().mean(),
        "exact": warping_error(clip.frames, clip.flow, clip.occlusion),
        "estimated": warping_error(clip.frames, guess.flow, guess.occlusion),
    }
    return {name: float(value) for name, value in figures.items()}


def table(measured: list[dict[str, float]]) -> str:
    """Return mean, median and largest of each figure over the scenes."""
    rows = []
    for name, title in ROWS.items():
        values = torch.tensor([scene[name] for scene in measured])
        values = values[values.isfinite()]
        if len(values):
            rows.append([title, *(float(f(values)) for f in (torch.mean, torch.median, torch.max))])
    return markdown(["figure", "mean", "median", "largest"], rows)


def main() -> None:
    """Print the table over the scenes in which something moves, and one over those that rest."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flow", description=__doc__)
    parser.add_argument("--scenes", type=int, default=60)
    parser.add_argument("--json", type=Path, help="write the figures of each scene to this file")
    options = parser.parse_args()
    if options.scenes < 1:
        parser.error(f"--scenes is {options.scenes}; wanted at least 1")
    scenes = [swap.scene for swap in draw_swaps(options.scenes)]
    measured = [compare(render(scene)) for scene in scenes]
    for still, title in ((False, "something moves"), (True, "all stands still")):
        chosen = [m for s, m in zip(scenes, measured) if (s.motion == "still") == still]
        if chosen:
            print(f"{len(chosen)} scenes in which {title}:\n\n{table(chosen)}\n")
    if options.json:
        options.json.write_text(json.dumps(measured, indent=2) + "\n")


if __name__ == "__main__":
    main()

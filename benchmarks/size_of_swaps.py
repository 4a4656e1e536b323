"""``python -m benchmarks.size_of_swaps``: why swaps of shape stay further from the true target.

The caption does not say how large the new shape is, so the model chooses. For each swap of shape
among the held-out scenes, the middle frame of the default edit is held against the true target and
against the nearest render: the scene of the same words in whatever place and size fits best. What
the second gains over the first is the choice of place and size, not the drawing.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tqdm import tqdm

from benchmarks.methods import N_FRAMES
from benchmarks.methods_table import entry
from benchmarks.nearest_render import nearest_renders
from benchmarks.scenes import draw_swaps
from course.clips.scenes import render
from course.metrics import psnr

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

KEYS = {"target_db": "PSNR to the true target [dB]", "nearest_db": "to the nearest render [dB]",
        "radius_ratio": "radius / the true one"}  # fmt: skip


def measure(pipe: StableDiffusionPipeline, n_scenes: int, kind: str, method: str) -> list[dict]:
    """Return a row of `KEYS` for each swap of one kind."""
    from course.editing import edit

    rows = []
    for number, swap in enumerate(tqdm(draw_swaps(n_scenes), desc="scenes", disable=None)):
        if swap.kind != kind:
            continue
        source, target = (render(each, n_frames=N_FRAMES) for each in (swap.scene, swap.target))
        result = edit(
            source, source.caption, target.caption, pipe=pipe, reconstruct=False, baselines=False,
            progress=False, finetune_steps=0, **entry(method),
            generator=torch.Generator().manual_seed(number),
        )  # fmt: skip
        middle = slice(N_FRAMES // 2, N_FRAMES // 2 + 1)
        frame, truth = result.clip.frames[middle], target.frames[middle]
        nearest, found = nearest_renders(frame, [swap.target])
        figures = float(psnr(frame, truth)), float(nearest), found[0].radius / swap.target.radius
        rows.append(dict(zip(KEYS, figures)))
    return rows


def main() -> None:
    """Measure and print the means, and in how many swaps the object came out larger."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.size_of_swaps", description=__doc__)
    parser.add_argument("--model", default="embedded", help="embedded or a folder")
    parser.add_argument("--scenes", type=int, default=60, help="a third of them are of one kind")
    parser.add_argument("--kind", default="shape", choices=("colour", "shape", "background"))
    parser.add_argument("--method", default="the default")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    from course.models import load

    rows = measure(load(options.model), options.scenes, options.kind, options.method)
    print(f"{len(rows)} swaps of {options.kind}, {options.method}, middle frame")
    for key, title in KEYS.items():
        values = sorted(row[key] for row in rows)
        print(f"{title:30} mean {statistics.fmean(values):.2f}, from {values[0]:.2f} to "
              f"{values[-1]:.2f}")  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()

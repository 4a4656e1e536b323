"""``python -m benchmarks.methods``: what each method of the field is worth on one model.

Every method of `course.methods`, and combinations, on the held-out scenes of ``benchmarks.edit``.
No paper has this referee: the true edited clip is the render of the scene with the word swapped. An
edit is judged by what was asked and kept, by its distance to that clip, and by how much more it
jitters along the true flow than that clip does through the autoencoder. ``--log`` keeps every edit
and goes on from there.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from benchmarks.judge import judge
from benchmarks.methods_table import (
    CEILING,
    ENTRIES,
    FLOOR,
    against_clips_text,
    entry,
    joined,
    markdown,
    summary,
)
from benchmarks.scenes import KINDS, Swap, draw_swaps, own_warping
from benchmarks.speed import peak_memory
from course.clips import Clip, contact_sheet, write_image
from course.clips.grammar import SHAPES
from course.clips.scenes import render
from course.metrics import against_target, background_psnr, warping_error

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

N_FRAMES = 8


def measure(
    pipe: StableDiffusionPipeline, swap: Swap, seed: int, options: Mapping[str, object]
) -> tuple[dict[str, float | str | None], Clip]:
    """Edit one scene by one method; return its figures and the edited clip."""
    from course.editing import edit  # imports peft, which the helpers do without

    source, target = (render(scene, n_frames=N_FRAMES) for scene in (swap.scene, swap.target))
    lean = {"baselines": False, "reconstruct": False, "progress": False, "finetune_steps": 0}
    given = lean | dict(options)
    shown = replace(source, flow=None, occlusion=None) if given.pop("estimated", False) else source
    before, start = _restart_peak(), time.perf_counter()
    result = edit(
        shown, source.caption, target.caption, pipe=pipe,
        generator=torch.Generator().manual_seed(seed), **given,
    )  # fmt: skip
    seconds, memory = time.perf_counter() - start, peak_memory() - before
    figures = figures_of(result.clip.frames, swap, source, target)
    return figures | {"seconds": seconds, "memory": memory}, result.clip


def figures_of(
    frames: Tensor, swap: Swap, source: Clip, target: Clip
) -> dict[str, float | str | None]:
    """Hold frames (T, 3, H, W) against the true target; `warping` is not yet a multiple."""
    seen = judge(frames)
    words = {"shape": seen.shapes, "colour": seen.colours, "background": seen.backgrounds}
    hits = {
        kind: [word == getattr(swap.target, kind) for word in words[kind]] for kind in words
    }  # fmt: skip
    kept = [hit for kind in words if kind != swap.kind for hit in hits[kind]]
    outside = torch.maximum(source.mask, target.mask)
    background = float(background_psnr(frames, target.frames, outside))
    truth = against_target(frames, target)
    return {
        "kind": swap.kind,
        "moves": swap.scene.motion != "still",
        "asked": 100 * sum(hits[swap.kind]) / len(frames),
        "kept": 100 * sum(kept) / len(kept),
        **{name: truth[name] for name in ("target_psnr", "target_ssim", "object_psnr", "flicker")},
        "background_psnr": background if math.isfinite(background) else None,
        "warping": float(warping_error(frames, target.flow, target.occlusion)),
    }


def bounds(pipe: StableDiffusionPipeline, swap: Swap) -> dict[str, dict]:
    """Return the figures of the best that a model behind this autoencoder can do, and of nothing.

    The best is the true target's round trip; nothing is the source as it was.
    """
    from course.models import decode_latents, encode_frames

    source, target = (render(scene, n_frames=N_FRAMES) for scene in (swap.scene, swap.target))
    trip = decode_latents(pipe, encode_frames(pipe, target.frames.to(pipe.device)))
    clips = {CEILING: trip.to(target.frames), FLOOR: source.frames}
    return {name: figures_of(frames, swap, source, target) for name, frames in clips.items()}


def _restart_peak() -> float:
    """Give back what is free, let the peak of memory count from now on, and return it in MiB.

    Where the system cannot, the memory of a method is what it adds to the largest before it.
    """
    gc.collect()
    # Freed blocks that the allocator keeps would be used again and never show as a peak.
    getattr(ctypes.CDLL(None), "malloc_trim", lambda pad: 0)(0)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return peak_memory()


def run(pipe: StableDiffusionPipeline, options: argparse.Namespace) -> list[dict]:
    """Return one line a method and scene: those of the log, then those that are missing."""
    swaps = draw_swaps(options.scenes, options.shapes)
    lines = _logged(options)
    done = {(line["name"], line["scene"]) for line in lines}
    shown: dict[int, dict[str, Clip]] = {}

    def keep(name: str, scene: int, figures: dict) -> None:
        lines.append({"name": name, "scene": scene, **figures})
        if options.log:
            with options.log.open("a") as log:
                log.write(json.dumps(lines[-1]) + "\n")

    scenes = [
        number for number in range(options.after, options.scenes)
        if swaps[number].kind in options.kinds
    ]  # fmt: skip
    for scene in tqdm(scenes, desc="scenes", disable=None):
        swap = swaps[scene]
        if (CEILING, scene) not in done:
            for name, figures in bounds(pipe, swap).items():
                keep(name, scene, figures)
        for name in options.methods:
            if (name, scene) in done:
                continue
            figures, clip = measure(pipe, swap, scene, entry(name) | {"n_steps": options.steps})
            keep(name, scene, figures)
            shown.setdefault(scene, {})[name] = clip
    if options.sheet and shown:
        write_image(sheet(swaps, shown), options.sheet)
    return [line for line in lines if line["scene"] in scenes]


def _logged(options: argparse.Namespace) -> list[dict]:
    """Return the lines of an interrupted run; a log of another run is refused."""
    if options.log is None:
        return []
    asked = {"model": options.model, "steps": options.steps, "frames": N_FRAMES}
    if tuple(options.shapes) != SHAPES:
        asked["shapes"] = list(options.shapes)
    asked = json.dumps(asked)
    if not options.log.exists():
        options.log.write_text(asked + "\n")
    first, *lines = options.log.read_text().splitlines()
    if first != asked:
        raise ValueError(f"{options.log} logs {first}, not {asked}; give another --log")
    return [json.loads(line) for line in lines]


def sheet(swaps: list[Swap], shown: dict[int, dict[str, Clip]]) -> Image.Image:
    """Return a picture: for each of up to six scenes source, true target and every method.

    The scenes stand in two columns, the first half at the left.
    """
    scenes = list(shown.items())[:6]
    middle = (len(scenes) + 1) // 2
    columns = [_column(swaps, half) for half in (scenes[:middle], scenes[middle:]) if half]
    size = sum(each.width for each in columns), max(each.height for each in columns)
    page, left = Image.new("RGB", size, "white"), 0
    for column in columns:
        page.paste(column, (left, 0))
        left += column.width
    return page


def _column(swaps: list[Swap], scenes: list[tuple[int, dict[str, Clip]]]) -> Image.Image:
    clips, labels = [], []
    for scene, edits in scenes:
        swap = swaps[scene]
        source, target = (render(each, n_frames=N_FRAMES) for each in (swap.scene, swap.target))
        clips += [source, target, *edits.values()]
        labels += [f"{scene} source", f"{swap.kind}: {swap.new}", *edits]
    return contact_sheet(clips, labels=labels, scale=1)


def main(arguments: list[str] | None = None, load: Callable | None = None) -> None:
    """Measure, and print the table; ``--json`` and ``--sheet`` also write files."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.methods", description=__doc__)
    parser.add_argument("--model", default="embedded", help="embedded or a folder")
    parser.add_argument("--scenes", type=int, default=60, help="a third for each kind of swap")
    parser.add_argument("--after", type=int, default=0, metavar="N",
                        help="leave out the first N scenes, which another table has")  # fmt: skip
    parser.add_argument("--join", type=Path, metavar="JSON",
                        help="that table: the rows of both become one table")  # fmt: skip
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=SHAPES,
                        help="draw scenes of these shapes only, at least two")  # fmt: skip
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS,
                        help="of the scenes drawn, edit these kinds of swap only")  # fmt: skip
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--methods", nargs="+", default=list(ENTRIES), metavar="NAME",
                        help=f"of {', '.join(ENTRIES)} (default: all), or recipes a+b")  # fmt: skip
    parser.add_argument("--log", type=Path, help="keep every edit here, and go on from it")
    parser.add_argument("--json", type=Path, help="write the table to this file")
    parser.add_argument("--sheet", type=Path, help="write a picture of what was edited now")
    parser.add_argument("--table", type=Path, metavar="JSON",
                        help="print this table, edit nothing")  # fmt: skip
    options = parser.parse_args(arguments)
    if not 0 <= options.after < options.scenes:
        parser.error(
            f"--scenes is {options.scenes} and --after {options.after}; wanted at least 1 scene "
            "and fewer left out than there are"
        )
    for name in options.methods:
        try:
            entry(name)
        except ValueError as error:
            parser.error(str(error))
    table = json.loads(options.table.read_text()) if options.table else _measured(options, load)
    count = next(iter(table.values()))["scenes"]
    print(f"{count} held-out scenes of {N_FRAMES} frames, {options.steps} steps\n")
    print(markdown(table))
    if options.json:
        options.json.write_text(json.dumps(table, indent=2) + "\n")
    first = 0 if options.join or options.table else options.after
    swaps = draw_swaps(options.scenes, options.shapes)[first:]
    own = own_warping([swap for swap in swaps if swap.kind in options.kinds], N_FRAMES)
    print("\n" + against_clips_text(table, own))


def _measured(options: argparse.Namespace, load: Callable | None) -> dict[str, dict]:
    if load is None:
        from course.models import load
    table = summary(run(load(options.model), options), [*options.methods, CEILING, FLOOR])
    return joined(json.loads(options.join.read_text()), table) if options.join else table


if __name__ == "__main__":
    main()

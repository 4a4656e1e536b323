"""``python -m benchmarks.edit``: does an edit change what was asked, and nothing else?

Stands for the paper's claim on whole edits (Fig. 1, Section 3). Held-out scenes, one word of the
caption swapped, every frame looked at by the judge. The render of the swapped scene is the true
edited clip: every clip is held against it, between a ceiling (the render through the autoencoder)
and floors (the source left alone, a frozen clip, frame by frame). The last table says how well the
figures that need no true target rank clips as the true target does.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.cheap import cheap_figures
from benchmarks.edit_figures import (
    CEILING,
    COLUMNS,
    EDITED,
    PERFECT,
    SHOW_SOURCE,
    adapter_effect,
    by_clip,
    by_kind,
    failures,
    goals,
    markdown,
    quality_rows,
    rank_correlations,
    text,
)
from benchmarks.judge import judge
from benchmarks.scenes import Swap, draw_swaps
from course.clips import Clip, contact_sheet, write_image
from course.clips.grammar import SHAPES
from course.clips.scenes import render
from course.metrics import against_target, background_psnr, warping_error

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

_N_FRAMES = 8
_ON_SHEET = 24  # scenes


class Setting(NamedTuple):
    """What a sweep varies; the meaning is that of ``course.editing.edit``."""

    skip: int = 0
    guidance: float = 4.0
    refine: int = 0


def measure_swap(
    pipe: StableDiffusionPipeline, swap: Swap, seed: int, settings: Sequence[Setting],
    *, n_steps: int = 25, finetune: int = 0, n_frames: int = _N_FRAMES,
) -> tuple[list[dict[str, dict]], dict[str, Clip]]:  # fmt: skip
    """Edit one scene under every setting; return the figures of every clip, and clips to show.

    For each setting {name of the clip: figures}; figures hold ``COLUMNS`` (None or left out where
    there is no such figure) and, for edited clips, ``seen``: {attribute: T words}. The clips are
    the source and the edit under the first setting. An adapter is trained for every setting.
    """
    from course.editing import edit  # imports peft, which the helpers above do without

    source, target = (render(scene, n_frames=n_frames) for scene in (swap.scene, swap.target))
    measured, shown, known = [], {}, {}
    for setting in settings:
        # No baseline but "no adapter" depends on anything but the guidance.
        result = edit(
            source, source.caption, target.caption, pipe=pipe, method="paper", n_steps=n_steps,
            finetune_steps=finetune, baselines=finetune > 0 or setting.guidance not in known,
            progress=False, generator=torch.Generator().manual_seed(seed), **setting._asdict(),
        )  # fmt: skip
        clips = {"source": source, "edit": result.clip, **result.baselines}
        clips |= {"reconstruction": result.reconstruction, PERFECT: target}
        clips[CEILING] = replace(target, frames=_round_trip(pipe, target.frames))
        figures = {
            name: result.metrics.get(name, {}) | cheap_figures(pipe, clip, source)
            | _figures(name, clip, source, target, clips[CEILING].frames, swap.kind)
            for name, clip in clips.items()
        }  # fmt: skip
        _add_verdicts(figures, clips)
        shown = shown or {"source": source, "edit": result.clip}
        known.setdefault(setting.guidance, figures)
        measured.append(known[setting.guidance] | figures)
    return measured, shown


def _round_trip(pipe: StableDiffusionPipeline, frames: Tensor) -> Tensor:
    from course.models import decode_latents, encode_frames

    return decode_latents(pipe, encode_frames(pipe, frames.to(pipe.device))).to(frames)


def _figures(
    name: str, clip: Clip, source: Clip, target: Clip, round_trip: Tensor, kind: str
) -> dict[str, float | None]:
    """What exact flow, masks and the true target say of one clip."""
    geometry = source if name in SHOW_SOURCE else target
    outside = torch.maximum(source.mask, target.mask)
    value = float(background_psnr(clip.frames, source.frames, outside))
    return {
        "warping_error": float(warping_error(clip.frames, geometry.flow, geometry.occlusion)),
        # Where the background is swapped, it has nothing to keep; equal ones have no finite ratio.
        "background_psnr": value if kind != "background" and math.isfinite(value) else None,
        **against_target(clip.frames, target, round_trip),
    }


def _add_verdicts(figures: dict[str, dict], clips: dict[str, Clip]) -> None:
    """Let the judge look at every frame of every edited clip, all in one batch."""
    names = [name for name in EDITED if name in clips]
    frames: Tensor = torch.cat([clips[name].frames for name in names])
    verdicts, length = judge(frames), len(frames) // len(names)
    words = {
        "shape": verdicts.shapes, "colour": verdicts.colours, "background": verdicts.backgrounds
    }  # fmt: skip
    for index, name in enumerate(names):
        part = slice(index * length, (index + 1) * length)
        figures[name]["seen"] = {attribute: seen[part] for attribute, seen in words.items()}


def report(
    setting: Setting, finetune: int, swaps: Sequence[Swap], measured: Sequence[dict]
) -> dict:
    """Return everything that one setting gave, ready for JSON.

    Consistency is measured where something moves: a scene that stands still has equal frames, and
    so has its edit, which would flatter every mean. All scenes count for what the judge sees.
    """
    moving = [m for swap, m in zip(swaps, measured) if swap.scene.motion != "still"] or measured
    kinds, clips = by_kind(swaps, measured), by_clip(moving)
    return {
        **setting._asdict(), "finetune": finetune, "scenes": len(swaps), "moving": len(moving),
        "kinds": kinds,
        "kinds_no_adapter": by_kind(swaps, measured, "no adapter"),
        "kinds_frame_by_frame": by_kind(swaps, measured, "frame by frame"),
        "clips": clips, "ranks": rank_correlations(moving), "adapter": adapter_effect(moving),
        "goals": goals(kinds, clips), "failures": failures(swaps, measured),
    }  # fmt: skip


def sheet(swaps: Sequence[Swap], shown: dict[int, dict[str, Clip]], failed: Sequence[int]):
    """Return a picture of up to 24 scenes, source above edit; those that failed come first."""
    order = sorted(shown, key=lambda index: index not in failed)[:_ON_SHEET]
    clips, labels = [], []
    for index in order:
        swap = swaps[index]
        mark = "WRONG " if index in failed else ""
        clips += [shown[index]["source"], shown[index]["edit"]]
        labels += [f"{index} source", f"{mark}{getattr(swap.scene, swap.kind)} to {swap.new}"]
    return contact_sheet(clips, labels=labels, scale=1)


def run(pipe: StableDiffusionPipeline, options: argparse.Namespace) -> list[dict]:
    """Edit every scene under every setting; return one report a setting, write the sheet."""
    settings = list(map(Setting._make, product(options.skip, options.guidance, options.refine)))
    swaps = draw_swaps(options.scenes, tuple(options.shapes))
    measured, shown = _finished(options), []
    for index, swap in enumerate(tqdm(swaps, desc="scenes")):
        if index < len(measured):
            continue
        figures, clips = measure_swap(
            pipe, swap, index, settings, n_steps=options.steps, finetune=options.finetune
        )
        measured.append(figures)
        shown.append((index, clips))
        if options.log:
            with options.log.open("a") as log:
                log.write(json.dumps(figures) + "\n")
    reports = [
        report(setting, options.finetune, swaps, [figures[i] for figures in measured])
        for i, setting in enumerate(settings)
    ]
    if options.sheet and shown:
        failed = [failure["scene"] for failure in reports[0]["failures"]]
        write_image(sheet(swaps, dict(shown), failed), options.sheet)
    return reports


def _finished(options: argparse.Namespace) -> list[list[dict]]:
    """Return the figures of the scenes that an interrupted run has logged, none without a log.

    The first line of a log says what was asked; a log of something else is refused.
    """
    if options.log is None:
        return []
    names = ("model", "steps", "skip", "guidance", "refine", "finetune", "shapes")
    asked = {name: getattr(options, name) for name in names} | {"figures": list(COLUMNS)}
    asked = json.dumps(asked)
    if not options.log.exists():
        options.log.write_text(asked + "\n")
    first, *lines = options.log.read_text().splitlines()
    if first != asked:
        raise ValueError(f"{options.log} logs {first}, not {asked}; give another --log")
    return [json.loads(line) for line in lines][: options.scenes]


def _list_of(kind: type) -> Callable[[str], list]:
    """Read "0,3,5" as a list, for argparse."""

    def values(written: str) -> list:
        return [kind(part) for part in written.split(",")]

    values.__name__ = f"comma-separated list of {kind.__name__}"  # argparse names it in errors
    return values


def main() -> None:
    """Run the sweep and print its tables; ``--json`` and ``--sheet`` also write files."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.edit", description=__doc__)
    parser.add_argument("--model", default="embedded", help="embedded or a folder")
    parser.add_argument("--scenes", type=int, default=60, help="a third for each kind of swap")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--skip", type=_list_of(int), default=[6], help="such as 0,3,5")
    parser.add_argument("--guidance", type=_list_of(float), default=[3.0], help="such as 3,4")
    parser.add_argument("--refine", type=_list_of(int), default=[0], help="such as 0,1")
    parser.add_argument("--finetune", type=int, default=0, help="steps of an adapter on each clip")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--log", type=Path, help="keep each scene here, and go on from it")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--sheet", type=Path, help="write a picture of 24 scenes, failures first")
    options = parser.parse_args()
    if options.scenes < 1:
        parser.error(f"--scenes is {options.scenes}; wanted at least 1")
    from course.models import load

    reports = run(load(options.model), options)
    print(f"{options.scenes} held-out scenes of {_N_FRAMES} frames, {options.steps} steps\n")
    print(markdown(*quality_rows(reports)))
    for entry in reports:
        print("\n" + text(entry))
    if options.json:
        options.json.write_text(json.dumps(reports, indent=2) + "\n")


if __name__ == "__main__":
    main()

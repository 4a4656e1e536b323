"""``python -m benchmarks.edit``: does an edit change what was asked, and nothing else?

Stands for the paper's claim on whole edits (Fig. 1, Section 3). Held-out scenes, one word of the
caption swapped, every frame looked at by the judge. Flow and masks are exact: those of the renders
of source and target. A frozen clip and the editing of frames one by one stand beside each figure.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.edit_figures import (
    COLUMNS,
    EDITED,
    KINDS,
    Swap,
    adapter_effect,
    by_clip,
    by_kind,
    failures,
    goals,
    markdown,
    quality_rows,
    text,
)
from benchmarks.judge import judge
from course.clips import Clip, contact_sheet, write_image
from course.clips.captions import HELD_OUT_SEED
from course.clips.grammar import BACKGROUNDS, COLOURS, SHAPES
from course.clips.scenes import Scene, render
from course.metrics import background_psnr, warping_error

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

PERFECT = "render of the target"

_SEED = HELD_OUT_SEED + 50_000  # apart from the scenes that measure the judge
_N_FRAMES = 8
_ON_SHEET = 24  # scenes


class Setting(NamedTuple):
    """What a sweep varies; the meaning is that of ``course.editing.edit``."""

    skip: int = 0
    guidance: float = 4.0
    refine: int = 0


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


def measure_swap(
    pipe: StableDiffusionPipeline, swap: Swap, seed: int, settings: Sequence[Setting],
    *, n_steps: int = 25, finetune: int = 0, n_frames: int = _N_FRAMES,
) -> tuple[list[dict[str, dict]], dict[str, Clip]]:  # fmt: skip
    """Edit one scene under every setting; return the figures of every clip, and clips to show.

    For each setting {name of the clip: figures}; figures hold ``COLUMNS`` (None where there is no
    such figure) and, for edited clips, ``seen``: {attribute: T words}. The clips are the source
    and the edit under the first setting. An adapter is trained anew for every setting.
    """
    from course.editing import edit  # imports peft, which the helpers above do without

    source, target = (render(scene, n_frames=n_frames) for scene in (swap.scene, swap.target))
    measured, shown, known = [], {}, {}
    for setting in settings:
        # No baseline but "no adapter" depends on anything but the guidance.
        result = edit(
            source, source.caption, target.caption, pipe=pipe, n_steps=n_steps,
            finetune_steps=finetune, baselines=finetune > 0 or setting.guidance not in known,
            progress=False, generator=torch.Generator().manual_seed(seed), **setting._asdict(),
        )  # fmt: skip
        clips = {"source": source, "edit": result.clip, **result.baselines}
        clips |= {"reconstruction": result.reconstruction, PERFECT: target}
        figures = {
            name: _figures(name, clip, result.metrics.get(name, {}), source, target, swap.kind)
            for name, clip in clips.items()
        }
        _add_verdicts(figures, clips)
        shown = shown or {"source": source, "edit": result.clip}
        known.setdefault(setting.guidance, figures)
        measured.append(known[setting.guidance] | figures)
    return measured, shown


def _figures(
    name: str, clip: Clip, metrics: dict, source: Clip, target: Clip, kind: str
) -> dict[str, float | None]:
    """Similarities of latents as the edit measured them, the rest with exact flow and masks."""
    geometry = target if name in EDITED or name == PERFECT else source
    figures = dict.fromkeys(COLUMNS) | {key: metrics.get(key) for key in COLUMNS}
    figures["warping_error"] = float(warping_error(clip.frames, geometry.flow, geometry.occlusion))
    outside = torch.maximum(source.mask, target.mask)
    value = float(background_psnr(clip.frames, source.frames, outside))
    # Where the background is swapped, it has nothing to keep; equal ones have no finite ratio.
    figures["background_psnr"] = value if kind != "background" and math.isfinite(value) else None
    return figures


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
        "clips": clips, "adapter": adapter_effect(moving),
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
    asked = json.dumps({name: getattr(options, name) for name in names})
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

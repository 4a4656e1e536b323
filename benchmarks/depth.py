"""``python -m benchmarks.depth``: does the depth control of Fig. 1 put the object where it belongs?

Held-out scenes, each sampled from noise with its caption, without the depth map and with it, from
the same noise. The judge, which knows neither model, finds the object in the sample; the figure is
the intersection over union of what it found with the object of the depth map. Then edits of colours
and backgrounds, which should leave the object where it is: the same figure, and the warping error.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.edit_figures import markdown
from benchmarks.judge import Verdicts, judge
from benchmarks.scenes import draw_swaps
from course.clips import Scene, render, write_image
from course.clips.captions import HELD_OUT_SEED
from course.depth import DepthControl, depth_picture, load_depth
from course.diffusion import NoiseSchedule, sample
from course.editing import edit
from course.models import decode_latents, encode_prompt, load, noise_predictor

if TYPE_CHECKING:
    from diffusers import ControlNetModel

ATTRIBUTES = ("shape", "colour", "background")
SAMPLE_HEADER = (
    "mean overlap", "lowest overlap", "overlap above 0.5 [%]",
    *(f"{name} right [%]" for name in ATTRIBUTES),
)  # fmt: skip
EDIT_HEADER = ("mean overlap", "warping error", "as asked [%]")
WITHOUT, WITH = "without depth", "with depth"

_SCENE_SEED = HELD_OUT_SEED + 3_000_000  # apart from those of the other benchmarks


@dataclass(frozen=True)
class Held:
    """N held-out scenes and their frames, (N, 3, 64, 64), depth and mask, (N, 1, 64, 64)."""

    scenes: list[Scene]
    frames: Tensor
    depth: Tensor
    mask: Tensor


def held_out(n_scenes: int) -> Held:
    """Draw scenes that no part of the model has seen; the same for every call."""
    generators = (torch.Generator().manual_seed(_SCENE_SEED + i) for i in range(n_scenes))
    scenes = [Scene.random(generator) for generator in generators]
    clips = [render(scene, n_frames=1) for scene in scenes]
    parts = (torch.cat([getattr(c, name) for c in clips]) for name in ("frames", "depth", "mask"))
    return Held(scenes, *parts)


def overlap(coverage: Tensor, mask: Tensor) -> list[float]:
    """Return the intersection over union in [0, 1] of each pair of (N, 1, H, W), cut at a half."""
    found, wanted = coverage > 0.5, mask > 0.5
    shared, either = ((found & wanted).sum((1, 2, 3)), (found | wanted).sum((1, 2, 3)))
    return (shared / either.clamp_min(1)).tolist()


@torch.inference_mode()
def draw(
    held: Held, control: DepthControl | None, *, guidance: float, n_steps: int, batch_size: int = 5
) -> Tensor:
    """Sample one picture for each scene, (N, 3, 64, 64) in [0, 1], each from noise of its own."""
    pipe = load("embedded", device="cpu")
    schedule = NoiseSchedule.from_scheduler(pipe.scheduler)
    noise = torch.randn(len(held.scenes), 4, 16, 16, generator=torch.Generator().manual_seed(0))
    text = encode_prompt(pipe, [scene.caption for scene in held.scenes])
    pictures = []
    for start in range(0, len(noise), batch_size):
        part = slice(start, start + batch_size)
        predict = noise_predictor(
            pipe, text[part], guidance=guidance, control=None if control is None else control[part]
        )
        *_, last = sample(predict, noise[part], schedule, n_steps)
        pictures.append(decode_latents(pipe, last.latents))
    return torch.cat(pictures)


def score(held: Held, verdicts: Verdicts) -> dict[str, float]:
    """Return mean and lowest overlap, and the share in percent of each attribute as prompted."""
    overlaps = overlap(verdicts.coverage, held.mask)
    seen = (verdicts.shapes, verdicts.colours, verdicts.backgrounds)
    return {
        "overlap": statistics.fmean(overlaps),
        "overlap_lowest": min(overlaps),
        "follows": 100 * statistics.fmean(value > 0.5 for value in overlaps),
    } | {
        name: 100 * statistics.fmean(w == getattr(s, name) for w, s in zip(words, held.scenes))
        for name, words in zip(ATTRIBUTES, seen)
    }


def edits(network: ControlNetModel, n_edits: int, *, n_frames: int = 4) -> dict[str, dict]:
    """Edit colours and backgrounds with and without depth; return the means over the edits."""
    pipe = load("embedded", device="cpu")
    # Swaps of shape are left out: the depth of the source holds its shape, too.
    swaps = [swap for swap in draw_swaps(3 * n_edits) if swap.kind != "shape"][:n_edits]
    rows: dict[str, list[tuple[float, float, float]]] = {WITHOUT: [], WITH: []}
    for swap in tqdm(swaps, desc="edit"):
        clip = render(swap.scene, n_frames=n_frames)
        for name, depth in ((WITHOUT, None), (WITH, DepthControl(network, clip.depth))):
            result = edit(
                clip, swap.scene.caption, swap.target.caption, pipe=pipe, method="paper",
                depth=depth, finetune_steps=0, reconstruct=False, baselines=False, progress=False,
            )  # fmt: skip
            seen = judge(result.clip.frames)
            words = {"colour": seen.colours, "background": seen.backgrounds}[swap.kind]
            asked = statistics.fmean(word == getattr(swap.target, swap.kind) for word in words)
            mean = statistics.fmean(overlap(seen.coverage, clip.mask))
            rows[name].append((mean, result.metrics["edit"]["warping_error"], 100 * asked))
    keys = ("overlap", "warping_error", "asked")
    return {name: dict(zip(keys, map(statistics.fmean, zip(*row)))) for name, row in rows.items()}


def table(first: str, header: tuple[str, ...], figures: dict[str, dict[str, float]]) -> str:
    """Write figures as a Markdown table, a row for each way to go; ``first`` heads the names."""
    return markdown((first, *header), [(name, *row.values()) for name, row in figures.items()])


def sheet(held: Held, pictures: dict[str, Tensor], file: Path) -> None:
    """Write ten scenes side by side; below each its depth, the sample without it, and with it."""
    rows = (held.frames, depth_picture(held.depth), pictures[WITHOUT], pictures[WITH])
    whole = torch.cat([torch.cat(list(row[:10]), -1) for row in rows], -2)
    write_image(whole.repeat_interleave(2, -1).repeat_interleave(2, -2), file)


def main() -> None:
    """Measure and print the table; ``--json`` and ``--sheet`` also write files."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.depth", description=__doc__)
    parser.add_argument("--network", default="embedded", help="embedded, or a ControlNet's folder")
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--edits", type=int, default=6, help="edits to compare; 0: none")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--sheet", type=Path, help="write a picture of ten of the samples")
    options = parser.parse_args()
    if options.scenes < 1 or options.edits < 0:
        parser.error("--scenes wants a number of at least 1, --edits of at least 0")
    network = load_depth(options.network, device="cpu")
    held = held_out(options.scenes)
    control = DepthControl(network, held.depth)
    pictures = {
        name: draw(held, each, guidance=options.guidance, n_steps=options.steps)
        for name, each in ((WITHOUT, None), (WITH, control))
    }
    figures = {"samples": {name: score(held, judge(drawn)) for name, drawn in pictures.items()}}
    print(f"{options.scenes} scenes, guidance {options.guidance:g}, {options.steps} steps\n")
    print(table("sample", SAMPLE_HEADER, figures["samples"]))
    if options.edits:
        figures["edits"] = edits(network, options.edits)
        print(f"\n{options.edits} edits of colour or background, no fine-tuning\n")
        print(table("edit", EDIT_HEADER, figures["edits"]))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    if options.sheet:
        sheet(held, pictures, options.sheet)


if __name__ == "__main__":
    main()

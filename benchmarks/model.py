"""``python -m benchmarks.model``: does the embedded model draw what the prompt asks for?

Stands for the generator of the paper's Section 3.1. Plain diffusers loads the folder and samples
prompts of the grammar; the judge, which knows nothing of the model, says what came out, and the
nearest render how far that is from a picture with straight edges and even colours. The VAE's round
trip on held-out clips is the ceiling of every reconstruction.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from PIL import Image, ImageDraw
from torch import Tensor
from tqdm import tqdm

from benchmarks.judge import Verdicts, judge
from benchmarks.nearest_render import nearest_renders
from course.clips import write_image
from course.clips.captions import HELD_OUT_SEED, random_caption
from course.clips.grammar import SHAPES
from course.clips.scenes import Scene, render

EMBEDDED = Path(__file__).resolve().parent.parent / "course" / "embedded"
ATTRIBUTES = ("shape", "colour", "background")

_PROMPT_SEED = HELD_OUT_SEED + 1_000_000  # apart from the renders that measure the judge
_CLIP_SEED = HELD_OUT_SEED + 2_000_000
_SURE = 0.9  # a shape this certain is no blob that happens to resemble one
_SHEET = 48
_TILE, _LETTERS = 160, 24


@dataclass(frozen=True)
class Prompt:
    """A prompt of the grammar and what a picture of it must show."""

    text: str
    shape: str
    colour: str
    background: str
    texture: str = "plain"

    @property
    def scene(self) -> Scene:
        """A scene of these words; its place and size are anything."""
        return Scene(self.shape, self.colour, self.background, self.texture)


def draw_prompts(n_prompts: int, shapes: tuple[str, ...] = SHAPES) -> list[Prompt]:
    """Draw prompts with random attributes; each names size and motion half of the time.

    The same for every call; a longer list begins with the shorter one. ``shapes`` keeps to some
    of the grammar's shapes. Raises ValueError for a shape that the grammar does not have.
    """
    unknown = set(shapes) - set(SHAPES)
    if unknown or not shapes:
        raise ValueError(f"shapes are {tuple(shapes)}; choose some of {', '.join(SHAPES)}")
    prompts, seed = [], _PROMPT_SEED
    while len(prompts) < n_prompts:
        generator = torch.Generator().manual_seed(seed)
        scene, seed = Scene.random(generator), seed + 1
        if scene.shape in shapes:
            words = scene.shape, scene.colour, scene.background, scene.texture
            prompts.append(Prompt(random_caption(scene, generator), *words))
    return prompts


def sample(
    pipe: StableDiffusionPipeline, prompts: list[Prompt], *,
    guidance: float = 4.0, n_steps: int = 25, batch_size: int = 8,
) -> Tensor:  # fmt: skip
    """Sample one picture for each prompt, (N, 3, 64, 64) in [0, 1], each from a seed of its own."""
    pictures = []
    for start in tqdm(range(0, len(prompts), batch_size), desc="sample", mininterval=2):
        part = prompts[start : start + batch_size]
        seeds = [torch.Generator().manual_seed(start + i) for i in range(len(part))]
        pictures.append(
            pipe(
                [prompt.text for prompt in part], height=64, width=64, guidance_scale=guidance,
                num_inference_steps=n_steps, generator=seeds, output_type="pt",
            ).images
        )  # fmt: skip
    return torch.cat(pictures).float().clamp(0, 1)


def score(prompts: list[Prompt], verdicts: Verdicts) -> dict:
    """Count what is right: each attribute, all three at once, and each word of each attribute.

    Every figure is {"right", "of", "percent"}. ``shape_sure`` counts only right shapes that the
    judge is certain of, so that a blob does not pass by luck.
    """
    right = {
        name: [getattr(prompt, name) == word for prompt, word in zip(prompts, seen)]
        for name, seen in zip(ATTRIBUTES, _seen(verdicts))
    }
    sure = (verdicts.confidence >= _SURE).tolist()
    by_word: dict[str, dict] = {}
    for name in ATTRIBUTES:
        groups = defaultdict(list)
        for prompt, hit in zip(prompts, right[name]):
            groups[getattr(prompt, name)].append(hit)
        by_word[name] = {word: _count(hits) for word, hits in sorted(groups.items())}
    return {
        **{name: _count(right[name]) for name in ATTRIBUTES},
        "all_three": _count([all(hits) for hits in zip(*right.values())]),
        "shape_sure": _count([a and b for a, b in zip(right["shape"], sure)]),
        "by_word": by_word,
    }


def _seen(verdicts: Verdicts) -> tuple[list[str], list[str], list[str]]:
    """The verdicts in the order of ``ATTRIBUTES``."""
    return verdicts.shapes, verdicts.colours, verdicts.backgrounds


def _count(hits: list[bool]) -> dict:
    percent = 100 * sum(hits) / len(hits) if hits else 0.0
    return {"right": sum(hits), "of": len(hits), "percent": round(percent, 1)}


@torch.inference_mode()
def round_trip_psnr(
    pipe: StableDiffusionPipeline, n_clips: int = 20, n_frames: int = 4
) -> list[float]:
    """PSNR in dB of held-out clips through the VAE and back; one figure a clip, peak value 1."""
    figures = []
    for index in range(n_clips):
        scene = Scene.random(torch.Generator().manual_seed(_CLIP_SEED + index))
        frames = render(scene, n_frames=n_frames).frames
        latents = pipe.vae.encode(frames.to(pipe.vae.dtype) * 2 - 1).latent_dist.mode()
        restored = (pipe.vae.decode(latents).sample.float() / 2 + 0.5).clamp(0, 1)
        figures.append(float(-10 * (restored - frames).square().mean().log10()))
    return figures


def mean_and_lowest_tenth(values: list[float]) -> tuple[float, float]:
    """Return the mean of all values and the mean of the lowest tenth of them (at least one)."""
    lowest = sorted(values)[: max(1, len(values) // 10)]
    return sum(values) / len(values), sum(lowest) / len(lowest)


def contact_sheet(pictures: Tensor, prompts: list[Prompt], verdicts: Verdicts) -> Image.Image:
    """Lay out up to 48 pictures with their prompts, and under each what the judge saw wrong."""
    n = min(_SHEET, len(prompts))
    sheet = Image.new("RGB", (8 * _TILE, -(-n // 8) * (_TILE + 48)), "white")
    draw = ImageDraw.Draw(sheet)
    pixels = (pictures[:n] * 255).round().byte().permute(0, 2, 3, 1).numpy()
    for index, prompt in enumerate(prompts[:n]):
        x, y = index % 8 * _TILE, index // 8 * (_TILE + 48)
        sheet.paste(Image.fromarray(pixels[index]).resize((_TILE - 8,) * 2, 0), (x + 4, y + 4))
        words = prompt.text.removesuffix(" background")
        cut = words.rfind(" ", 0, _LETTERS) if len(words) > _LETTERS else len(words)
        draw.multiline_text((x + 4, y + _TILE), f"{words[:cut]}\n{words[cut + 1 :]}", fill="black")
        wanted = (prompt.shape, prompt.colour, prompt.background)
        wrong = [seen[index] for seen, want in zip(_seen(verdicts), wanted) if seen[index] != want]
        if wrong:
            draw.text((x + 4, y + _TILE + 30), "seen: " + ", ".join(wrong), fill=(190, 0, 0))
    return sheet


def measure(pipe: StableDiffusionPipeline, folder: Path, options: argparse.Namespace) -> dict:
    """Return every figure of the benchmark; writes the contact sheet where one is asked for."""
    prompts = draw_prompts(options.prompts, tuple(options.shapes))
    start = time.perf_counter()
    pictures = sample(pipe, prompts, guidance=options.guidance, n_steps=options.steps)
    seconds = time.perf_counter() - start
    verdicts = judge(pictures)
    if options.sheet:
        write_image(contact_sheet(pictures, prompts, verdicts), options.sheet)
    psnr = round_trip_psnr(pipe)
    nearest, _ = nearest_renders(pictures, [prompt.scene for prompt in prompts])
    nearest_mean, nearest_lowest = mean_and_lowest_tenth(nearest.tolist())
    parts = (pipe.vae, pipe.unet, pipe.text_encoder)
    n_bytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return {
        "prompts": len(prompts), "guidance": options.guidance, "steps": options.steps,
        **score(prompts, verdicts),
        "nearest_mean_db": round(nearest_mean, 2), "nearest_tenth_db": round(nearest_lowest, 2),
        "psnr_mean_db": round(sum(psnr) / len(psnr), 2), "psnr_min_db": round(min(psnr), 2),
        "parameters": sum(p.numel() for part in parts for p in part.parameters()),
        "mib_on_disk": round(n_bytes / 2**20, 2), "sampling_seconds": round(seconds, 1),
    }  # fmt: skip


def table(figures: dict) -> str:
    """Write the figures as a small table; a word of an attribute that is weak shows at once."""
    lines = [f"{figures['prompts']} prompts, guidance {figures['guidance']:g}, "
             f"{figures['steps']} steps"]  # fmt: skip
    for name in (*ATTRIBUTES, "all_three", "shape_sure"):
        lines.append(f"{name:<12}{_cell(figures[name])}")
    for name in ATTRIBUTES:
        lines.append(f"by {name}")
        lines += [f"  {word:<10}{_cell(count)}" for word, count in figures["by_word"][name].items()]
    lines.append(f"nearest render: {figures['nearest_mean_db']} dB mean, "
                 f"{figures['nearest_tenth_db']} dB lowest tenth")  # fmt: skip
    lines.append(f"VAE round trip: {figures['psnr_mean_db']} dB mean, "
                 f"{figures['psnr_min_db']} dB lowest clip")  # fmt: skip
    lines.append(f"{figures['parameters']:,} parameters, {figures['mib_on_disk']} MiB on disk")
    lines.append(f"{figures['sampling_seconds']} s for sampling")
    return "\n".join(lines)


def _cell(count: dict) -> str:
    return f"{count['percent']:6.1f} %  {count['right']:>4} of {count['of']}"


def main() -> None:
    """Measure a model folder and print the table; ``--json`` and ``--sheet`` also write files."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.model", description=__doc__)
    parser.add_argument("--folder", type=Path, default=EMBEDDED)
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--sheet", type=Path, help="write a picture of the first 48 samples")
    options = parser.parse_args()
    if options.prompts < 1:
        parser.error(f"--prompts is {options.prompts}; wanted at least 1")
    if not (options.folder / "model_index.json").exists():
        parser.error(f"{options.folder} is no model folder: it holds no model_index.json")
    pipe = StableDiffusionPipeline.from_pretrained(
        options.folder, dtype=torch.float32, safety_checker=None, local_files_only=True
    )
    pipe.set_progress_bar_config(disable=True)
    figures = measure(pipe, options.folder, options)
    print(table(figures))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()

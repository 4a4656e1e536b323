"""``python -m benchmarks.swaps``: the quick look at ``benchmarks.edit``, without its baselines.

The same held-out scenes and the same judge; four of the eight frames of each scene, all in one
batch, by the paper's method. Frames pass through the model independently,
so the figures are those of the whole clips up to the choice of frames.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

from benchmarks.judge import judge
from benchmarks.scenes import KINDS, Swap, draw_swaps
from course import models
from course.clips import render
from course.methods import Task, Texts, paper
from course.metrics import background_psnr, psnr

FRAMES = [0, 2, 5, 7]


def edited(pipe, frames: Tensor, swaps: list[Swap], options: argparse.Namespace) -> Tensor:
    """Return the edited frames (N, 3, H, W): one source and one target prompt a frame."""
    prompts = [swap.scene.caption for swap in swaps], [swap.target.caption for swap in swaps], ""
    task = Task(
        pipe, models.encode_frames(pipe, frames),
        Texts(*(models.encode_prompt(pipe, prompt) for prompt in prompts)),
        n_steps=options.steps, skip=options.skip, guidance=options.guidance, progress=True,
        # One chunk: the text has a row for each frame.
        chunk_size=len(frames), mask_threshold=options.mask or None,
    )  # fmt: skip
    with torch.inference_mode():
        latents = paper.run(task).latents
    return models.decode_latents(pipe, latents)


def row(
    kind: str, swaps: list[Swap], images: Tensor, frames: Tensor, truth: Tensor, masks: Tensor
) -> str:
    """Return one line of the table: how often each attribute is the target's, and the PSNRs."""
    chosen = [index for index, swap in enumerate(swaps) if swap.kind == kind]
    seen = judge(images[chosen])
    cells = []
    for attribute in KINDS:
        wanted = [getattr(swaps[index].target, attribute) for index in chosen]
        hits = sum(a == b for a, b in zip(getattr(seen, attribute + "s"), wanted))
        cells.append(f"{100 * hits / len(chosen):.1f} %")
    values = [background_psnr(images[i : i + 1], frames[i : i + 1], masks[i]) for i in chosen]
    cells.append("-" if kind == "background" else f"{torch.stack(values).mean():.1f} dB")
    values = [psnr(images[i], truth[i]) for i in chosen]
    cells.append(f"{torch.stack(values).mean():.1f} dB")
    return f"| {kind} | {len(chosen)} | " + " | ".join(cells) + " |"


def main() -> None:
    """Print how many frames show what was asked, for each kind of swap."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.swaps", description=__doc__)
    parser.add_argument("--scenes", type=int, default=60)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--skip", type=int, default=6)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--mask", type=float, default=0.15, help="threshold; 0: no mask")
    options = parser.parse_args()
    swaps = draw_swaps(options.scenes)
    sources = [render(swap.scene) for swap in swaps]
    targets = [render(swap.target) for swap in swaps]
    frames = torch.cat([clip.frames[FRAMES] for clip in sources])
    truth = torch.cat([clip.frames[FRAMES] for clip in targets])
    masks = torch.cat([torch.maximum(a.mask, b.mask)[FRAMES] for a, b in zip(sources, targets)])
    swaps = [swap for swap in swaps for _ in FRAMES]
    images = edited(models.load(), frames, swaps, options)
    print(
        "| swap | frames | " + " | ".join(f"{k} right" for k in KINDS) + " | background PSNR "
        "| PSNR to the true target |"
    )
    print("|---|---:|" + "---:|" * (len(KINDS) + 2))
    print("\n".join(row(kind, swaps, images, frames, truth, masks[:, None]) for kind in KINDS))


if __name__ == "__main__":
    main()

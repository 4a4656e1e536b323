"""``python -m training``: make the embedded model from nothing but this repository.

Renders the data, trains the autoencoder, encodes the frames, trains UNet and text encoder, and
writes a Stable Diffusion folder in float16; then the depth control beside it. Interrupt it at any
time; the same command resumes, and ``python -m training.export`` writes what there is by then.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline

from course import models

from . import autoencoder, data, denoiser, depth, text
from .export import export


def main() -> None:
    """Run the stages that are not done yet; every stage leaves its result in ``--folder``."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs"), help="checkpoints and data")
    parser.add_argument("--output", type=Path, default=Path("runs/model"), help="finished model")
    parser.add_argument("--start", type=Path, help="go on from this model; keep its autoencoder")
    parser.add_argument("--images", type=int, default=120_000)
    parser.add_argument("--autoencoder-steps", type=int, default=1_900)
    parser.add_argument("--autoencoder-batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=5_400)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--depth-output", type=Path, default=Path("runs/model_depth"))
    parser.add_argument("--depth-images", type=int, default=6_000)
    parser.add_argument("--depth-steps", type=int, default=700)
    parser.add_argument("--depth-batch", type=int, default=16)
    options = parser.parse_args()

    start = models.load(options.start, device="cpu") if options.start else None
    vae = finished_autoencoder(start, options)
    latents, captions = finished_latents(vae, options)
    model = denoiser.fit(
        latents, captions, options.folder / "denoiser",
        n_steps=options.steps, batch_size=options.batch, start=start,
    )  # fmt: skip
    tokenizer = text.kept_tokenizer(options.folder / "denoiser" / "tokenizer")
    export(options.output, vae, model, tokenizer)
    control(latents, captions, options)


def finished_autoencoder(
    start: StableDiffusionPipeline | None, options: argparse.Namespace
) -> AutoencoderKL:
    """Return the autoencoder: of an earlier run, of ``start``, or trained here, in this order."""
    folder = options.folder / "vae"
    if (folder / "config.json").exists():
        return AutoencoderKL.from_pretrained(folder).requires_grad_(False).eval()
    if start is not None:
        vae = start.vae
    else:
        frames, _ = data.cached(options.folder / "data", options.images)
        vae = autoencoder.fit(
            frames, folder, n_steps=options.autoencoder_steps, batch_size=options.autoencoder_batch
        )
    vae.save_pretrained(folder)
    return vae


def finished_latents(
    vae: AutoencoderKL, options: argparse.Namespace
) -> tuple[torch.Tensor, list[str]]:
    """Return the latents of all frames and their captions, encoded once and kept."""
    file = options.folder / f"latents_{options.images}.pt"
    if not file.exists():
        frames, captions = data.cached(options.folder / "data", options.images)
        torch.save((autoencoder.encode(vae, frames), captions), file)
    return torch.load(file, weights_only=True)


def control(latents: torch.Tensor, captions: list[str], options: argparse.Namespace) -> None:
    """Train the depth control on the finished model, as it is in float16, and write it."""
    pipe = models.load(options.output, device="cpu")
    n_images = min(options.depth_images, len(captions))
    network = depth.fit(
        pipe, latents[:n_images], captions[:n_images],
        depth.cached(options.folder / "data", n_images), options.folder / "depth",
        n_steps=options.depth_steps, batch_size=options.depth_batch,
    )  # fmt: skip
    depth.export(network, options.depth_output)


if __name__ == "__main__":
    main()

"""``python -m training``: make the embedded model from nothing but this repository.

Renders the data, trains the autoencoder, encodes the frames, trains UNet and text encoder, and
writes a Stable Diffusion folder in float16; then the depth control beside it. Interrupt it at any
time; the same command resumes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline

from course import models

from . import autoencoder, data, denoiser, depth, text


def main() -> None:
    """Run the stages that are not done yet; every stage leaves its result in ``--folder``."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs"), help="checkpoints and data")
    parser.add_argument("--output", type=Path, default=Path("runs/model"), help="finished model")
    parser.add_argument("--images", type=int, default=24_000)
    parser.add_argument("--autoencoder-steps", type=int, default=1_900)
    parser.add_argument("--autoencoder-batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=2_950)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--depth-output", type=Path, default=Path("runs/model_depth"))
    parser.add_argument("--depth-images", type=int, default=6_000)
    parser.add_argument("--depth-steps", type=int, default=700)
    parser.add_argument("--depth-batch", type=int, default=16)
    options = parser.parse_args()

    frames, captions = data.cached(options.folder / "data", options.images)
    vae = finished_autoencoder(frames, options)
    latents_file = options.folder / "latents.pt"
    if not latents_file.exists():
        torch.save(autoencoder.encode(vae, frames), latents_file)
    latents = torch.load(latents_file, weights_only=True)
    model, scheduler = denoiser.fit(
        latents, captions, options.folder / "denoiser",
        n_steps=options.steps, batch_size=options.batch,
    )  # fmt: skip
    export(options.output, vae, model, scheduler)
    control(latents, captions, options)


def finished_autoencoder(frames: torch.Tensor, options: argparse.Namespace) -> AutoencoderKL:
    """Return the trained autoencoder, training it first where that was not done."""
    folder = options.folder / "vae"
    if (folder / "config.json").exists():
        return AutoencoderKL.from_pretrained(folder).requires_grad_(False).eval()
    vae = autoencoder.fit(
        frames, folder, n_steps=options.autoencoder_steps, batch_size=options.autoencoder_batch
    )
    vae.save_pretrained(folder)
    return vae


def export(
    folder: Path,
    vae: AutoencoderKL,
    model: denoiser.Denoiser,
    scheduler: denoiser.DDIMScheduler,
) -> None:
    """Write the pipeline as float16 safetensors in Stable Diffusion's layout."""
    pipe = StableDiffusionPipeline(
        vae=vae,
        unet=model.unet,
        text_encoder=model.text_encoder,
        tokenizer=text.build_tokenizer(),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.to(dtype=torch.float16).save_pretrained(folder)
    text.check_tokenizer(folder / "tokenizer")
    print(f"wrote {folder}")


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

"""``python -m training.export``: write the average of the newest checkpoint as a model folder.

Training may go on meanwhile, or have been stopped at any step.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from transformers import CLIPTokenizer

from . import text
from .denoiser import Denoiser, build, build_scheduler
from .loop import load_average


def export(folder: Path, vae: AutoencoderKL, model: Denoiser, tokenizer: CLIPTokenizer) -> None:
    """Write the pipeline as float16 safetensors in Stable Diffusion's layout."""
    pipe = StableDiffusionPipeline(
        vae=vae,
        unet=model.unet,
        text_encoder=model.text_encoder,
        tokenizer=tokenizer,
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.to(dtype=torch.float16).save_pretrained(folder)
    text.check_tokenizer(folder / "tokenizer")
    print(f"wrote {folder}")


def main() -> None:
    """Export what ``python -m training`` has in ``--folder`` so far."""
    parser = argparse.ArgumentParser(prog="python -m training.export", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs"), help="checkpoints and data")
    parser.add_argument("--output", type=Path, default=Path("runs/model"), help="finished model")
    options = parser.parse_args()
    run = options.folder / "denoiser"
    tokenizer = text.kept_tokenizer(run / "tokenizer")
    model = build(len(tokenizer))
    n_steps = load_average(run / "checkpoint.pt", model)
    vae = AutoencoderKL.from_pretrained(options.folder / "vae")
    export(options.output, vae, model.requires_grad_(False).eval(), tokenizer)
    print(f"the average after {n_steps} steps")


if __name__ == "__main__":
    main()

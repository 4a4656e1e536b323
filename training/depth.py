"""The depth control of Fig. 1: a ControlNet that learns to place the object where the depth is.

The denoiser stays frozen. The ControlNet starts as a copy of the UNet's down path whose outputs
pass through convolutions of zeros, so that it changes nothing before its first step.
"""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import ControlNetModel, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor, nn
from tqdm import tqdm

from course.clips.scenes import Scene, render
from course.depth import depth_picture

from .data import TRAINING_SEED
from .denoiser import PLACE, draw_batch
from .loop import train

CAPTION_DROPOUT = 0.3
"""Share of empty captions: more than the denoiser saw, so that the depth alone must suffice."""


def build(unet: UNet2DConditionModel) -> ControlNetModel:
    """Return a ControlNet for ``unet``; its depth picture is four times as large as the latents."""
    return ControlNetModel.from_unet(
        unet, conditioning_channels=3, conditioning_embedding_out_channels=(16, 32, 64)
    )


def depths(n_images: int, seed: int = TRAINING_SEED) -> Tensor:
    """Return the depth (N, 1, 64, 64) of the frames that ``data.frames_and_captions`` draws."""
    maps = torch.empty(n_images, 1, 64, 64, dtype=torch.float16)
    for index in tqdm(range(n_images), desc="depth", mininterval=5):
        scene = Scene.random(torch.Generator().manual_seed(seed + index))
        maps[index] = render(scene, n_frames=1).depth[0]
    return maps


def cached(folder: Path, n_images: int) -> Tensor:
    """Return the depth of the training set, rendered once and kept in ``folder``."""
    file = folder / f"depth_{n_images}.pt"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(depths(n_images), file)
    return torch.load(file, weights_only=True)


def fit(
    pipe: StableDiffusionPipeline, latents: Tensor, captions: list[str], maps: Tensor,
    folder: Path, *, n_steps: int, batch_size: int, save_every: int = 100,
) -> ControlNetModel:  # fmt: skip
    """Train on latents (N, 4, 16, 16) with captions and depth maps (N, 1, 64, 64)."""
    torch.manual_seed(2)
    unet, scheduler = pipe.unet, pipe.scheduler
    with torch.no_grad():
        ids = pipe.tokenizer(
            [*captions, ""], padding="max_length", max_length=pipe.tokenizer.model_max_length,
            return_tensors="pt",
        ).input_ids  # fmt: skip
        text = torch.cat([pipe.text_encoder(part)[0] for part in ids.split(256)])

    def loss_of(model: nn.Module, generator: torch.Generator) -> Tensor:
        batch = draw_batch(latents, scheduler, batch_size, CAPTION_DROPOUT, generator, PLACE)
        given = batch.noisy, batch.timesteps, text[batch.captions]
        picture = depth_picture(maps[batch.frames].float())
        down, middle = model(*given, picture, return_dict=False)
        predicted = unet(
            *given, down_block_additional_residuals=down,
            mid_block_additional_residual=middle, return_dict=False,
        )[0]  # fmt: skip
        return (predicted - batch.velocity).square().mean()

    model = train(
        build(unet), loss_of, folder,
        n_steps=n_steps, learning_rate=5e-4, seed=2, warm_up=50, ema_decay=0.99,
        save_every=save_every,
    )  # fmt: skip
    return model.requires_grad_(False).eval()


def export(model: ControlNetModel, folder: Path) -> None:
    """Write the ControlNet as float16 safetensors in diffusers' own layout."""
    model.to(torch.float16).save_pretrained(folder)
    print(f"wrote {folder}")

"""UNet and text encoder, trained together to predict the velocity of noisy latents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextModel

from .initial import start_residuals_at_zero
from .loop import train
from .text import CONTEXT, build_text_encoder, kept_tokenizer

CAPTION_DROPOUT = 0.1
"""Share of the captions that are left empty, which makes classifier-free guidance possible."""
SHARP, PLACE = -0.8, 0.4
"""Centres of the timesteps: where edges are drawn, and where the object finds its place.

Held against the nearest render, a third of what sampling loses is lost below timestep 160 and more
than half below 360, although an object's place and shape are decided far above.
"""
PART = 16
"""Pictures that pass at once: a sixth faster here than a batch of 64 in one piece."""


class Denoiser(nn.Module):
    """UNet and text encoder as one module, so that one optimiser trains both."""

    def __init__(self, unet: UNet2DConditionModel, text_encoder: CLIPTextModel) -> None:
        super().__init__()
        self.unet = unet
        self.text_encoder = text_encoder

    def forward(self, latents: Tensor, timesteps: Tensor, token_ids: Tensor) -> Tensor:
        text = self.text_encoder(token_ids).last_hidden_state
        return self.unet(latents, timesteps, text, return_dict=False)[0]


def build_scheduler() -> DDIMScheduler:
    """Return Stable Diffusion's schedule with velocity prediction."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        num_train_timesteps=1000,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
        timestep_spacing="leading",
    )


def build_unet() -> UNet2DConditionModel:
    """Return a UNet of widths 64 and 128 with cross-attention at 16 x 16 and at 8 x 8."""
    unet = UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=(64, 128),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        cross_attention_dim=96,
        attention_head_dim=4,
        norm_num_groups=16,
    )
    start_residuals_at_zero(unet)
    return unet


def draw_timesteps(n: int, generator: torch.Generator, centre: float = SHARP) -> Tensor:
    """Draw timesteps in [0, 1000): two in five anywhere, the others around sigmoid(``centre``)."""
    around = torch.sigmoid(centre + torch.randn(n, generator=generator))
    uniform = torch.rand(n, generator=generator)
    pick = torch.rand(n, generator=generator) < 0.4
    return (torch.where(pick, uniform, around) * 1000).long().clamp(0, 999)


@dataclass(frozen=True)
class Batch:
    """Noisy latents, their timesteps, the velocity to predict, which frames, and which captions.

    `captions` are indices like `frames`; one past the last stands for the empty caption.
    """

    noisy: Tensor
    timesteps: Tensor
    velocity: Tensor
    frames: Tensor
    captions: Tensor


def draw_batch(
    latents: Tensor, scheduler: DDIMScheduler, size: int, dropout: float,
    generator: torch.Generator, centre: float = SHARP,
) -> Batch:  # fmt: skip
    """Draw everything random about one step, in one order: frames, noise, timesteps, captions."""
    frames = torch.randint(len(latents), (size,), generator=generator)
    clean = latents[frames]
    noise = torch.randn(clean.shape, generator=generator)
    timesteps = draw_timesteps(size, generator, centre)
    dropped = torch.rand(size, generator=generator) < dropout
    return Batch(
        noisy=scheduler.add_noise(clean, noise, timesteps),
        timesteps=timesteps,
        velocity=scheduler.get_velocity(clean, noise, timesteps),
        frames=frames,
        captions=torch.where(dropped, len(latents), frames),
    )


def build(n_tokens: int, start: StableDiffusionPipeline | None = None) -> Denoiser:
    """Return a denoiser with random weights (seed 1), or with those of ``start``, to train."""
    torch.manual_seed(1)
    if start is None:
        model = Denoiser(build_unet(), build_text_encoder(n_tokens))
    else:
        model = Denoiser(start.unet, start.text_encoder)
    # Faster than the fused attention for a training step on a processor.
    model.unet.set_attn_processor(AttnProcessor())
    return model.requires_grad_(True).train()


def fit(
    latents: Tensor, captions: list[str], folder: Path, *, n_steps: int, batch_size: int,
    start: StableDiffusionPipeline | None = None,
) -> Denoiser:  # fmt: skip
    """Train on latents (N, 4, 16, 16) with their captions, anew or from what ``start`` knows.

    Keeps checkpoints and the tokenizer in ``folder``.
    """
    tokenizer = kept_tokenizer(folder / "tokenizer", start.tokenizer if start else None)
    scheduler, model = build_scheduler(), build(len(tokenizer), start)
    tokens = tokenizer(
        [*captions, ""], padding="max_length", max_length=CONTEXT, return_tensors="pt"
    ).input_ids

    def loss_of(model: nn.Module, generator: torch.Generator) -> Tensor:
        batch = draw_batch(latents, scheduler, batch_size // n_parts, CAPTION_DROPOUT, generator)
        predicted = model(batch.noisy, batch.timesteps, tokens[batch.captions])
        return (predicted - batch.velocity).square().mean()

    n_parts = max(1, batch_size // PART)
    model = train(
        model, loss_of, folder,
        n_steps=n_steps, learning_rate=8e-4, seed=1, warm_up=200, ema_decay=0.9995, n_parts=n_parts,
    )  # fmt: skip
    return model.requires_grad_(False).eval()

"""The autoencoder: 64 x 64 x 3 frames to 16 x 16 x 4 latents of mean 0 and deviation 1."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from .initial import start_carriers_orthogonal, start_residuals_at_zero
from .loop import train

NOISE = 0.05
"""Deviation of the noise on latents in training."""


def build() -> AutoencoderKL:
    """Return a small AutoencoderKL with random weights (seed the global generator first)."""
    model = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 32, 64),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=64,
        scaling_factor=1.0,
        mid_block_add_attention=False,
    )
    start_residuals_at_zero(model)
    start_carriers_orthogonal(model)
    return model


def to_model_range(frames: Tensor) -> Tensor:
    """uint8 frames to floats in [-1, 1]."""
    return frames.float() / 127.5 - 1


def fit(frames: Tensor, folder: Path, *, n_steps: int, batch_size: int) -> AutoencoderKL:
    """Train on frames (N, 3, 64, 64) uint8 by the mean squared error."""
    torch.manual_seed(0)
    model = build()

    def loss_of(model: nn.Module, generator: torch.Generator) -> Tensor:
        chosen = torch.randint(len(frames), (batch_size,), generator=generator)
        images = to_model_range(frames[chosen])
        latents = model.encode(images).latent_dist.mode()
        # Noise of a fixed size in place of a learnt one: the decoder learns to stand small errors
        # from the first step on, and the mild pull on the latents keeps their scale from growing.
        noise = NOISE * torch.randn(latents.shape, generator=generator)
        restored = model.decode(latents + noise).sample
        return (restored - images).square().mean() + 1e-4 * latents.square().mean()

    model = train(
        model, loss_of, folder, n_steps=n_steps, learning_rate=2e-3, ema_decay=0.995, warm_up=50
    )
    model.requires_grad_(False).eval()
    standardise(model, frames[:2000])
    return model


@torch.no_grad()
def encode(model: AutoencoderKL, frames: Tensor, batch_size: int = 64) -> Tensor:
    """Return the mean latents (N, 4, 16, 16) of uint8 frames."""
    parts = frames.split(batch_size)
    return torch.cat([model.encode(to_model_range(part)).latent_dist.mode() for part in parts])


@torch.no_grad()
def standardise(model: AutoencoderKL, frames: Tensor) -> None:
    """Fold the mean and deviation of the latents into the 1 x 1 convolutions around them.

    Exact: encoding then gives latents of mean 0 and deviation 1 in each channel, decoding undoes
    it, and ``scaling_factor`` stays 1.
    """
    latents = encode(model, frames)
    mean, deviation = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    into, out = model.quant_conv, model.post_quant_conv
    into.weight[:4] /= deviation[:, None, None, None]
    into.bias[:4] = (into.bias[:4] - mean) / deviation
    into.bias[4:] -= 2 * deviation.log()
    out.bias += out.weight[:, :, 0, 0] @ mean
    out.weight *= deviation[None, :, None, None]

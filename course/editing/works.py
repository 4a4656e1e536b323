"""The work whose memory is counted: an edit step, decoding, a training step, on any parts.

They run on real tensors and on fake ones alike: `memory` counts them on a model without values,
``python -m benchmarks.stable_diffusion --check`` on real random weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from course.adapters import default_taps, lora_parameters
from course.diffusion import NoiseSchedule
from course.finetune.objective import Draw, Objective
from course.methods import Task, Texts, recipe
from course.models import decode_latents

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

STABLE_DIFFUSION_1_5: dict[str, Mapping[str, object]] = {
    "unet": {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8},
    "vae": {
        "block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "latent_channels": 4,
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
    },
    "text_encoder": {
        "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
        "num_attention_heads": 12, "max_position_embeddings": 77,
    },
}  # fmt: skip
"""The configurations of its parts, where they differ from the libraries' defaults."""


def configurations(pipe: StableDiffusionPipeline) -> dict[str, Mapping[str, object]]:
    """Return what `needs` takes of a pipeline: the configurations of its parts."""
    parts = {"unet": dict(pipe.unet.config), "vae": dict(pipe.vae.config)}
    return parts | {"text_encoder": pipe.text_encoder.config.to_dict()}


def build(parts: Mapping[str, Mapping[str, object]]) -> tuple[nn.Module, nn.Module, nn.Module]:
    """Return UNet, VAE and text encoder of these configurations, with random weights, frozen."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    made = (
        UNet2DConditionModel.from_config(parts["unet"]),
        AutoencoderKL.from_config(parts["vae"]),
        CLIPTextModel(CLIPTextConfig(**parts["text_encoder"])),
    )
    return tuple(part.requires_grad_(False).eval() for part in made)


class Work(NamedTuple):
    """Something to run, and the part of the model that it runs on."""

    part: nn.Module
    run: Callable[[], object]


def edit_step(unet: nn.Module, latents: Tensor, text: Tensor, method: str, guidance: float) -> Work:
    """Return the work of editing latents (T, C, h, w), all in flight, by the method in two steps.

    Two, because links that the source leaves for the first half of the steps need one.
    """
    pipe = SimpleNamespace(unet=unet, scheduler=_scheduler())
    way, texts = recipe(method), Texts(text, text.clone(), text.clone())
    task = Task(pipe, latents, texts, n_steps=2, guidance=guidance, chunk_size=len(latents))
    return Work(unet, torch.no_grad()(lambda: way.run(way.prepare(task))))


def _scheduler() -> object:
    from diffusers import DDIMScheduler

    return DDIMScheduler(clip_sample=False)


def decoding(vae: nn.Module, latents: Tensor) -> Work:
    """Return the work of decoding latents (T, C, h, w) at once."""
    pipe = SimpleNamespace(vae=vae)
    return Work(vae, lambda: decode_latents(pipe, latents, chunk_size=len(latents)))


def finetuning(
    unet: nn.Module, latents: Tensor, text: Tensor, *, checkpointing: bool = False
) -> Work:
    """Return the work of one training step on a window of latents (T, C, h, w), adapter in place.

    Without the optimiser's step: its two numbers for each trained one are held from the start.
    """
    if checkpointing:
        unet.enable_gradient_checkpointing()
    schedule, taps = NoiseSchedule.stable_diffusion(), default_taps(unet)
    objective = Objective(unet, schedule, latents, text, None, taps, "frames", 1.0, 0.01)
    draw = Draw(slice(0, len(latents)), (500,), torch.empty_like(latents))

    def run() -> None:
        trained = lora_parameters(unet)
        moments = [torch.empty_like(p) for p in trained for _ in range(2)]
        objective(draw).total.backward()
        del moments

    return Work(unet, torch.enable_grad()(run))

"""A number that is not finite ends an edit where it appears, with the stage's name and the cure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

from course.adapters import has_adapter

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

VAE_CURE = "if the model is in float16, call pipe.vae.to(torch.float32), or load it in bfloat16"


class NotFinite(ValueError):
    """Says what is not finite and what to do; `Task.stage` adds where."""


def has_values(tensor: Tensor) -> bool:
    """Return whether there are numbers to look at; tensors that only have a shape have none."""
    return tensor.device.type != "meta" and not isinstance(tensor, FakeTensor)


def finite(what: str, tensor: Tensor, cure: str) -> Tensor:
    """Return the tensor; raise `NotFinite` unless all its numbers are finite. Reads one back."""
    if has_values(tensor) and not bool(torch.isfinite(tensor).all()):
        raise NotFinite(f"{what} hold numbers that are not finite; {cure}")
    return tensor


def finite_noise(
    predict: Callable[[Tensor, int], Tensor], pipe: StableDiffusionPipeline, guidance: float
) -> Callable[[Tensor, int], Tensor]:
    """Return the noise prediction, which stops at the first number that is not finite."""

    def watched(latents: Tensor, timestep: int) -> Tensor:
        noise = predict(latents, timestep)
        what = f"the UNet's predictions at timestep {int(timestep)}"
        return finite(what, noise, _cure(pipe, guidance))

    watched.prediction_type = "epsilon"
    return watched


def _cure(pipe: StableDiffusionPipeline, guidance: float) -> str:
    parts = []
    if pipe.unet.dtype is torch.float16:
        parts.append("load the model in bfloat16 or float32, for float16 ends at 65504")
    if has_adapter(pipe.unet):
        parts.append("edit without the adapter, or train it anew")
    if abs(guidance) > 1:
        parts.append(f"take a guidance below {guidance:g}")
    return ", or ".join(parts) or "look at the clip and at the model's weights"

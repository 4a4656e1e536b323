"""LoRA in the UNet's attention: Eqs. 2 and 6, Fig. 1. The layers W_0 x + B A x are peft's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn

from course.checks import check_choice, check_whole

from .switches import (
    plain_module,
    require_separate_projections,
    require_weights_in_place,
)  # fmt: skip

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

_LAYERS = r"(to_q|to_k|to_v|to_out\.0)"
_TARGETS = {"cross": rf".*\.attn2\.{_LAYERS}", "all": rf".*\.attn[12]\.{_LAYERS}"}
NAME = "default"
"""How peft calls our adapter in a UNet."""


def add_lora(
    unet: UNet2DConditionModel,
    rank: int = 4,
    targets: str = "cross",
    *,
    generator: torch.Generator | None = None,
) -> list[nn.Parameter]:
    """Freeze the UNet, add LoRA to its attention, and return the parameters to train (Eq. 2).

    `targets`: "cross" (queries, keys, values and output of attn2) or "all" (attn1 as well). The
    parameters are float32 whatever the UNet's dtype. B starts at 0, so the output is unchanged; A
    is normal with standard deviation 1 / rank, drawn from `generator` (default: seed 0, CPU).
    Raises ValueError for a rank below 1, unknown targets, or a UNet that has an adapter already,
    TypeError for a rank that is no whole number.
    """
    from peft import LoraConfig

    check_whole("rank", rank, 1)
    check_choice("targets", targets, _TARGETS)
    require_free(unet)
    unet = plain_module(unet)
    was_training = unet.training
    unet.requires_grad_(False)
    # Scale alpha / rank = 1: diffusers then needs nothing but the weights to rebuild the layers.
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=_TARGETS[targets]), NAME)
    unet.train(was_training)
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    for name, parameter in unet.named_parameters():
        if ".lora_A." in name:
            start = torch.randn(parameter.shape, generator=generator, device=generator.device)
            parameter.data = (start / rank).to(parameter.device)
        elif ".lora_B." in name:
            parameter.data = parameter.data.float()
    return lora_parameters(unet)


def lora_parameters(unet: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of the UNet's adapter, in the order of its modules ([] for none)."""
    return [parameter for name, parameter in unet.named_parameters() if ".lora_" in name]


def remove_lora(unet: UNet2DConditionModel) -> None:
    """Take the adapter out again; the UNet is then as before `add_lora`. Without one: nothing."""
    if has_adapter(unet):
        plain_module(unet).unload_lora()


def has_adapter(unet: nn.Module) -> bool:
    """Return whether the UNet carries a peft adapter."""
    return bool(getattr(unet, "peft_config", None))


@contextmanager
def adapter_disabled(unet: nn.Module) -> Iterator[None]:
    """Run the UNet without its adapter inside the context; without one, nothing changes."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [m for m in unet.modules() if isinstance(m, BaseTunerLayer) and not m.disable_adapters]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)


def require_free(unet: nn.Module) -> None:
    """Raise ValueError for a UNet in which an adapter has no place."""
    if has_adapter(unet):
        raise ValueError("the UNet has an adapter already; take it out with remove_lora(unet)")
    require_separate_projections(unet)
    require_weights_in_place(unet)

"""What a user may have switched on in a UNet before: it stays on, and nothing of ours runs past it.

`torch.compile` keeps the graph that it saw, and does not look at hooks that come later; fused
projections pass over adapters; gradient checkpointing trades time for memory. Each is a question
or a context manager here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import nn

_BEYOND_TEXT = {
    "encoder_hid_dim_type": ("text_proj",),
    "addition_embed_type": ("text",),
    "class_embed_type": (),
    "num_class_embeds": (),
}
"""Settings of a UNet that ask for images, sizes or classes, but for the values that take text."""


def plain_module(module: nn.Module) -> nn.Module:
    """Return the module that `torch.compile` wrapped, or the module itself."""
    return getattr(module, "_orig_mod", module)


def is_compiled(module: nn.Module) -> bool:
    """Return whether a module, or a part of it, was given to `torch.compile`."""
    return plain_module(module) is not module or any(
        getattr(part, "_compiled_call_impl", None) is not None for part in module.modules()
    )


@contextmanager
def uncompiled(module: nn.Module) -> Iterator[None]:
    """Run a compiled module as it is written inside the context, so that new hooks are seen."""
    with torch.compiler.set_stance("force_eager") if is_compiled(module) else nullcontext():
        yield


@contextmanager
def checkpointing(unet: nn.Module, on: bool) -> Iterator[None]:
    """Keep a UNet's activations only at block borders and compute the rest again (if `on`).

    Gradients are the same, memory is less, and a step takes about a third longer. What was on
    before stays on.
    """
    unet = plain_module(unet)
    if not on or unet.is_gradient_checkpointing:
        yield
        return
    unet.enable_gradient_checkpointing()
    try:
        yield
    finally:
        unet.disable_gradient_checkpointing()


def require_separate_projections(unet: nn.Module) -> None:
    """Raise ValueError for a UNet whose fused projections would pass over an adapter."""
    if any(getattr(part, "fused_projections", False) for part in unet.modules()):
        raise ValueError(
            "the UNet's projections are fused, and an adapter on to_q, to_k and to_v would have no "
            "effect; call pipe.unfuse_qkv_projections() before"
        )


def require_weights_in_place(unet: nn.Module) -> None:
    """Raise ValueError for a UNet whose weights are fetched layer by layer."""
    if any(getattr(getattr(part, "_hf_hook", None), "offload", False) for part in unet.modules()):
        raise ValueError(
            "the UNet's weights are offloaded layer by layer, and an adapter cannot be put beside "
            "them; call pipe.remove_all_hooks() before, or take enable_model_cpu_offload()"
        )


def require_text_alone(unet: nn.Module) -> None:
    """Raise ValueError for a UNet that cannot work from latents, a timestep and text alone."""
    config = getattr(plain_module(unet), "config", None)
    for name, own in _BEYOND_TEXT.items():
        if (kind := getattr(config, name, None)) not in (None, *own):
            raise ValueError(
                f"the UNet wants more than text ({name}={kind!r}), as with an IP-Adapter or in "
                "Stable Diffusion XL; call pipe.unload_ip_adapter() before, or take another model"
            )

"""Keys and values of a text, computed once for all diffusion steps (Eq. 14 on a fixed prompt)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from course.adapters.switches import is_compiled


@contextmanager
def cached_text(unet: nn.Module, *, entries: int = 8) -> Iterator[None]:
    """Compute the cross-attention keys and values of a text once, not at every diffusion step.

    Inside the context, each attn2 layer keeps its last `entries` results. A text is recognised by
    its memory and version, so another text, and changed or switched adapter weights, are computed
    anew; so is everything while gradients are recorded. A text made under
    `torch.inference_mode()` has no version: do not write into it. A compiled UNet is left alone.
    """
    if is_compiled(unet):
        yield
        return
    # A layer that already has a forward of its own is cached by an outer context, or offloaded.
    layers = [
        layer
        for name, module in unet.named_modules()
        if name.endswith("attn2")
        for layer in (module.to_k, module.to_v)
        if "forward" not in vars(layer)
    ]
    for layer in layers:
        layer.forward = _remember(layer, entries)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _remember(layer: nn.Module, entries: int) -> Callable[..., Tensor]:
    compute, weights = layer.forward, tuple(layer.parameters())
    kept: dict[tuple, tuple[Tensor, Tensor]] = {}

    def forward(text: Tensor, *args: object, **kwargs: object) -> Tensor:
        if torch.is_grad_enabled() or args or kwargs:
            return compute(text, *args, **kwargs)
        key = (
            text.data_ptr(),
            text.shape,
            text.stride(),
            text.dtype,
            *(0 if tensor.is_inference() else tensor._version for tensor in (text, *weights)),
            _adapter_state(layer),
        )
        if key not in kept:
            while len(kept) >= entries:
                kept.pop(next(iter(kept)))
            # The text is kept too: while it lives, nothing else can have its address.
            kept[key] = text, compute(text)
        return kept[key][1]

    return forward


def _adapter_state(layer: nn.Module) -> tuple:
    """Return what decides, apart from its weights, how a peft layer adds its adapters."""
    scaling = getattr(layer, "scaling", None)
    if not isinstance(scaling, dict):
        return ()
    return layer.disable_adapters, *layer.active_adapters, *scaling.items()

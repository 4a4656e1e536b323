"""Self-attention that looks at other frames: what the attention-based methods share.

A diffusers UNet sees a batch of images. Here the batch is G groups of T frames in order: one group,
or two under classifier-free guidance. A `FrameAttention` splits it so, (G, T, N, C), and says where
keys and values come from; `attending` puts one into a UNet and takes it out again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from course.adapters.switches import uncompiled

_DIFFUSERS = "diffusers.models.attention_processor"
_PLAIN = (
    "AttnProcessor",
    "AttnProcessor2_0",
    "FusedAttnProcessor2_0",
    "SlicedAttnProcessor",
    "XFormersAttnProcessor",
)
"""Processors of diffusers that compute plain attention, each in its way."""


class FrameAttention:
    """An attention processor for the self-attention of T frames; plain attention as it stands.

    `frames` are the frames in the batch, `slice(0, n_frames)` unless a clip goes through in
    chunks; whoever cuts it sets `frames` before each chunk, from the first frame on. A method
    overrides `context`, or `attend` where more changes than keys and values. Its `reach` says what
    a frame must see: "frame" (itself), "past" (earlier chunks, which are remembered), "chunk"
    (whatever is in the batch) or "clip" (all frames, in one batch). One with `looks_at_source` is
    shown the source's latents before the edit's at every step: its `mode` says which of the two it
    sees, and is "plain" where there is no source to look at.
    """

    reach = "frame"
    looks_at_source = False

    def __init__(self, n_frames: int) -> None:
        self.frames = slice(0, n_frames)
        self.mode = "plain"
        self._first: dict[nn.Module, Tensor] = {}
        self._last: dict[nn.Module, Tensor] = {}

    def begin(self, frames: slice, mode: str, timestep: int) -> None:
        """Tell which frames come next, at which timestep, and whether as "source" or "edit"."""
        self.frames, self.mode = frames, mode

    def hook(self, unet: nn.Module) -> list:
        """Return the handles of what else goes into the UNet while this is in it."""
        return []

    def __call__(
        self, layer: nn.Module, hidden_states: Tensor, *args: object, **kwargs: object
    ) -> Tensor:
        """Return the layer's output (G T, N, C); called by diffusers."""
        n_frames = self.frames.stop - self.frames.start
        if len(hidden_states) % n_frames:
            raise ValueError(
                f"the batch has {len(hidden_states)} images, which is no multiple of the "
                f"{n_frames} frames that the attention was made for"
            )
        states = hidden_states.unflatten(0, (-1, n_frames))
        return layer.to_out[1](layer.to_out[0](self.attend(layer, states).flatten(0, 1)))

    def attend(self, layer: nn.Module, states: Tensor) -> Tensor:
        """Return attention (G, T, N, C) before the output projection."""
        return attention(layer, states, self.context(layer, states))

    def context(self, layer: nn.Module, states: Tensor) -> Tensor:
        """Return what keys and values are made of, (G, T, M, C), from states (G, T, N, C)."""
        return states

    def first(self, layer: nn.Module, states: Tensor) -> Tensor:
        """Return the states of the clip's first frame, (G, 1, N, C), in every chunk."""
        if self.frames.start == 0:
            self._first[layer] = states[:, :1].clone()
        return self._first[layer]

    def previous(self, layer: nn.Module, states: Tensor) -> Tensor:
        """Return the states of frame t-1 for every t, (G, T, N, C); frame 0 gets its own."""
        before = states[:, :1] if self.frames.start == 0 else self._last[layer]
        self._last[layer] = states[:, -1:].clone()
        return torch.cat([before, states[:, :-1]], 1)


def attention(
    layer: nn.Module, states: Tensor, context: Tensor, *, queries: Tensor | None = None,
    keys: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return the layer's attention (..., N, C) of states to context (..., M, C) (Eq. 14).

    Queries (..., N, C) and keys (..., M, C) that are given replace the layer's own.
    """
    queries = layer.to_q(states) if queries is None else queries
    keys = layer.to_k(context) if keys is None else keys
    return scaled_attention(layer, queries, keys, layer.to_v(context))


def scaled_attention(
    layer: nn.Module, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Return softmax(Q K' / sqrt(d)) V, (..., N, C), head by head.

    Leading axes are batches. `mask` (..., N, M) is true where a query may look.
    """

    def heads(rows: Tensor) -> Tensor:  # (batch, heads, rows, C / heads)
        return rows.reshape(-1, *rows.shape[-2:]).unflatten(-1, (layer.heads, -1)).transpose(1, 2)

    if mask is not None:
        mask = mask.reshape(-1, 1, *mask.shape[-2:])
    mixed = scaled_dot_product_attention(
        heads(queries), heads(keys), heads(values), attn_mask=mask, scale=layer.scale
    )
    return mixed.transpose(1, 2).flatten(2).reshape(*queries.shape[:-1], -1)


def self_attention_layers(unet: nn.Module) -> list[nn.Module]:
    """Return the self-attention layers of a UNet's transformer blocks, in order.

    Raises ValueError for a UNet without any.
    """
    layers = [module for name, module in unet.named_modules() if name.endswith(".attn1")]
    if not layers:
        raise ValueError("the UNet has no self-attention (attn1) for a method to change")
    return layers


def _require_plain(layers: list[nn.Module]) -> None:
    for layer in layers:
        kind = type(layer.processor)
        is_plain = kind.__module__ == _DIFFUSERS and kind.__name__ in _PLAIN
        if not is_plain and not isinstance(layer.processor, FrameAttention):
            raise ValueError(
                f"the UNet's self-attention has a processor of its own, {kind.__name__}, and this "
                "method would replace it; take a method that changes no attention, such as paper "
                "or flow_edit, or call pipe.unet.set_default_attn_processor() before"
            )


@contextmanager
def attending(unet: nn.Module, processor: FrameAttention | None) -> Iterator[None]:
    """Give every self-attention layer this processor inside the context (None: leave them).

    A compiled UNet runs as it is written meanwhile. Raises ValueError for a UNet whose
    self-attention was changed already, by a processor that is none of diffusers' plain ones.
    """
    if processor is None:
        yield
        return
    layers = self_attention_layers(unet)
    _require_plain(layers)
    before, handles = [layer.processor for layer in layers], processor.hook(unet)
    try:
        for layer in layers:
            layer.set_processor(processor)
        with uncompiled(unet):  # what was compiled does not look at hooks
            yield
    finally:
        for layer, old in zip(layers, before):
            layer.set_processor(old)
        for handle in handles:
            handle.remove()

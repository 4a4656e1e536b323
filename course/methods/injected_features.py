"""Where the source looks, the edit looks too: queries and keys of self-attention are the source's.

At every step the source's latents go through the UNet first; the edit then takes its queries and
keys (so its attention maps) in the up path, and the features of one residual block, for the first
`share` of the steps. Layout and motion come from the source, looks from the target. Source:
Plug-and-Play, arXiv 2211.09572, Section 4 (injection in layers 4 to 11, features in layer 4), and
FateZero, arXiv 2303.09535, Section 3.2, which injects the maps themselves.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from course.adapters import default_taps
from course.adapters.switches import plain_module

from .frame_attention import FrameAttention, attention
from .task import Task


def link(task: Task, *, share: float = 0.5, features: bool = True) -> Task:
    """Return the task that takes the source's attention in the first `share` of the steps."""
    return replace(
        task,
        attention=InjectedFeatures(
            len(task.latents), last_timestep=task.timestep_after(share), features=features
        ),
    )


class InjectedFeatures(FrameAttention):
    """Self-attention (G, T, N, C) with the source's queries and keys above `last_timestep`.

    `features` takes the source's residual features as well.
    """

    looks_at_source = True

    def __init__(self, n_frames: int, *, last_timestep: int = 0, features: bool = True) -> None:
        super().__init__(n_frames)
        self.last_timestep, self.features = last_timestep, features
        self._kept: dict[nn.Module, tuple[Tensor, ...]] = {}
        self._layers: set[nn.Module] = set()

    def begin(self, frames: slice, mode: str, timestep: int) -> None:
        super().begin(frames, mode if timestep >= self.last_timestep else "plain", timestep)

    def hook(self, unet: nn.Module) -> list:
        modules = dict(plain_module(unet).named_modules())
        self._layers = {modules[name] for name in default_taps(unet)}
        blocks = [block for up in unet.up_blocks for block in up.resnets]
        # Layer 4 of Stable Diffusion's 12: a third of the way up.
        chosen = blocks[len(blocks) // 3]
        return [chosen.register_forward_hook(self._features)] if self.features else []

    def attend(self, layer: nn.Module, states: Tensor) -> Tensor:
        if self.mode == "source" and layer in self._layers:
            self._kept[layer] = layer.to_q(states), layer.to_k(states)
        if self.mode != "edit" or layer not in self._layers:
            return super().attend(layer, states)
        queries, keys = (rows.expand(len(states), -1, -1, -1) for rows in self._kept[layer])
        return attention(layer, states, states, queries=queries, keys=keys)

    def _features(self, block: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
        if self.mode == "source":
            self._kept[block] = (output,)
        if self.mode != "edit":
            return output
        (kept,) = self._kept[block]
        return torch.cat([kept] * (len(output) // len(kept)))

"""Attention along the path of the flow: a token looks at itself in the other frames.

First all frames attend to all (`all_frames`); what comes out is then mixed along paths: the token
at p in frame t looks only at the tokens where p is in every frame that shows it, weighed by queries
and keys of the layer. Source: FLATTEN, arXiv 2310.05922, Section 4.2, with the flow that is known.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from .all_frames import AllFrames
from .frame_attention import scaled_attention
from .motion import Motion
from .task import Task


def link(task: Task) -> Task:
    """Return the task with every token looking along its path."""
    return replace(task, attention=FlowAttention(task.motion))


class FlowAttention(AllFrames):
    """Self-attention (G, T, N, C) of the whole clip, then along its paths."""

    def __init__(self, motion: Motion) -> None:
        super().__init__(len(motion.forward) + 1)
        self.motion = motion
        self._paths: dict[int, tuple[Tensor, Tensor]] = {}

    def attend(self, layer: nn.Module, states: Tensor) -> Tensor:
        n_tokens = states.shape[2]
        if n_tokens not in self._paths:
            self._paths[n_tokens] = paths(self.motion.on_grid_of(n_tokens))
        index, visible = self._paths[n_tokens]  # (T, N, T)

        def along(rows: Tensor) -> Tensor:  # (G, T, N, C) -> (G, T, N, T, C)
            return rows.flatten(1, 2)[:, index]

        dense = super().attend(layer, states)
        queries, keys = layer.to_q(states)[..., None, :], along(layer.to_k(states))
        mask = visible[..., None, :].expand(len(states), -1, -1, -1, -1)
        mixed = scaled_attention(layer, queries, keys, along(dense), mask)
        return mixed[..., 0, :]


def paths(motion: Motion) -> tuple[Tensor, Tensor]:
    """Return where every token is in every frame, and whether it can be seen there.

    index (T, N, T): the token of (frame s, cell) as a number of T N, for the token (t, cell);
    visible (T, N, T): false where it is hidden in s or was hidden on the way; true for s = t.
    """
    n_frames, (height, width) = len(motion.forward) + 1, motion.forward.shape[-2:]
    rows = torch.arange(height, device=motion.forward.device)[:, None]
    columns = torch.arange(width, device=motion.forward.device)
    index, visible = [], []
    for t in range(n_frames):
        places = motion.displacements(t)
        x = (columns + places[:, 0]).round().long()
        y = (rows + places[:, 1]).round().long()
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height) & (places[:, 2] < 0.5)
        cell = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
        frame = torch.arange(n_frames, device=cell.device)[:, None, None] * (height * width)
        index.append((cell + frame).flatten(1).mT)
        visible.append(inside.flatten(1).mT)
    return torch.stack(index), torch.stack(visible)

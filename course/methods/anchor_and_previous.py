"""Keys and values come from frame 0 and from the frame before: an anchor and a neighbour.

Attn(Q_t, [K_0, K_t-1], [V_0, V_t-1]): the anchor stops drift, the neighbour follows slow change.
Source: Tune-A-Video, arXiv 2212.11565, Section 3.2 (sparse-causal attention, there fine-tuned), and
Pix2Video, arXiv 2303.12688, Section 3 (the same without training).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from .frame_attention import FrameAttention
from .task import Task


def link(task: Task) -> Task:
    """Return the task with every frame looking at the first and the one before."""
    return replace(task, attention=AnchorAndPrevious(len(task.latents)))


class AnchorAndPrevious(FrameAttention):
    """Self-attention (G, T, N, C) over the 2 N tokens of frame 0 and frame t-1."""

    reach = "past"

    def context(self, layer: nn.Module, states: Tensor) -> Tensor:
        anchor = self.first(layer, states).expand_as(states)
        return torch.cat([anchor, self.previous(layer, states)], 2)

"""Keys and values of every frame come from the first one (Text2Video-Zero's cross-frame attention).

Attn(Q_t, K_1, V_1): frame t asks where it is, frame 1 answers what is there. Objects keep their
looks; what frame 1 does not show cannot come in. Source: arXiv 2303.13439, Section 3.3.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from .frame_attention import FrameAttention
from .task import Task


def link(task: Task) -> Task:
    """Return the task with every frame looking at the first one."""
    return replace(task, attention=FirstFrame(len(task.latents)))


class FirstFrame(FrameAttention):
    """Self-attention (G, T, N, C) whose context is the clip's frame 0, in every chunk."""

    reach = "past"

    def context(self, layer: nn.Module, states: Tensor) -> Tensor:
        return self.first(layer, states).expand_as(states)

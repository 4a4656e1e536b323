"""Keys and values come from all frames at once: full, or dense, spatio-temporal attention.

Attn(Q_t, [K_1 ... K_T], [V_1 ... V_T]). Cost and memory grow with the square of the number of
frames. Source: ControlVideo, arXiv 2305.13077, Section 3.1 (fully cross-frame attention), and
vid2vid-zero, arXiv 2303.17599, Section 3.3.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from .frame_attention import FrameAttention, attention
from .task import Task


def link(task: Task) -> Task:
    """Return the task with every frame looking at all of them."""
    return replace(task, attention=AllFrames(len(task.latents)))


class AllFrames(FrameAttention):
    """Self-attention (G, T, N, C) over the T N tokens of the whole clip."""

    reach = "clip"

    def attend(self, layer: nn.Module, states: Tensor) -> Tensor:
        clip = states.flatten(1, 2)  # (G, T N, C): one long image
        return attention(layer, clip, clip).unflatten(1, states.shape[1:3])

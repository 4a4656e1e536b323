"""Keys and values of the frame before, moved to where the flow takes them, beside the frame's own.

Attn(Q_t, [K_t, w(K_t-1)], [V_t, w(V_t-1)]): a token finds its own past at its own place. Tokens
are warped before the projections, which is the same: both are linear. What frame t-1 did not show
is filled with frame t's own. Source: TokenWarping, arXiv 2402.12099, as its abstract has it, where
queries are warped as well.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from .frame_attention import FrameAttention
from .motion import Motion
from .task import Task


def link(task: Task) -> Task:
    """Return the task with every frame looking at itself and the warped one before."""
    return replace(task, attention=WarpedTokens(task.motion))


class WarpedTokens(FrameAttention):
    """Self-attention (G, T, N, C) over frame t and the warped frame t-1, by the clip's motion."""

    reach = "past"

    def __init__(self, motion: Motion) -> None:
        super().__init__(len(motion.forward) + 1)
        self.motion = motion

    def context(self, layer: nn.Module, states: Tensor) -> Tensor:
        motion = self.motion.on_grid_of(states.shape[2])
        size = motion.forward.shape[-2:]
        start = self.frames.start
        # The first frame of all has no past: it gets its own tokens, unmoved.
        pairs = slice(max(start - 1, 0), self.frames.stop - 1)
        before = self.previous(layer, states)
        moving = before if start else before[:, 1:]
        cells = moving.mT.unflatten(-1, size)
        new = motion.new[pairs].flatten(2).mT.to(states)
        own = states if start else states[:, 1:]
        warped = torch.lerp(motion.carry(cells, motion.backward[pairs]).flatten(3).mT, own, new)
        if start == 0:
            warped = torch.cat([states[:, :1], warped], 1)
        return torch.cat([states, warped], 2)

"""Similar tokens of several frames are merged, attend as one, and are handed out again.

In each chunk one frame is drawn as the target. Of the other frames' tokens the `ratio` that
resemble one of its tokens most become one with it (their mean, where the paper keeps the target's),
the rest stays; all attend to all, and merged tokens get one output, so they look alike. With ratio
0 nothing is merged and frames stay alone, as does a last chunk of one frame. Source: VidToMe,
arXiv 2312.10656, Eq. 3 and Section 4.2 (local token merging), after ToMe, arXiv 2210.09461.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from .frame_attention import FrameAttention, attention
from .task import Task


def link(task: Task, *, ratio: float = 0.9) -> Task:
    """Return the task with similar tokens of a chunk's frames merged.

    Raises ValueError for a ratio outside [0, 1], and for chunks of one frame.
    """
    merging = MergedTokens(len(task.latents), ratio=ratio, generator=task.generator)
    if ratio and task.chunk_size < 2:
        raise ValueError(
            "merged_tokens merges what the frames of a chunk have in common, and chunk_size is 1; "
            "give chunk_size=2 or more, for there would be nothing to merge"
        )
    return replace(task, attention=merging)


class MergedTokens(FrameAttention):
    """Self-attention (G, T, N, C) over the merged tokens of the frames in a chunk."""

    reach = "chunk"

    def __init__(
        self, n_frames: int, *, ratio: float = 0.9, generator: torch.Generator | None = None
    ) -> None:
        super().__init__(n_frames)
        if not 0 <= ratio <= 1:
            raise ValueError(f"ratio is the share of tokens to merge, in [0, 1], got {ratio}")
        self.ratio, self.generator, self.target = ratio, generator, 0

    def begin(self, frames: slice, mode: str, timestep: int) -> None:
        super().begin(frames, mode, timestep)
        n_frames = frames.stop - frames.start
        self.target = int(torch.randint(n_frames, (), generator=self.generator))

    def attend(self, layer: nn.Module, states: Tensor) -> Tensor:
        if self.ratio == 0 or states.shape[1] == 1:
            return super().attend(layer, states)
        merged, back = merge(states, self.target, self.ratio)
        output = attention(layer, merged, merged)
        index = back[..., None].expand(-1, -1, output.shape[-1])
        return output.gather(1, index).unflatten(1, states.shape[1:3])


def merge(states: Tensor, target: int, ratio: float) -> tuple[Tensor, Tensor]:
    """Return merged tokens (G, M, C), and for every token of T N which of the M it became.

    Tokens (G, T, N, C) of all frames but `target` are matched with their most similar token of
    that frame (cosine); the share `ratio` of them that match best is merged.
    """
    _, n_frames, n_tokens, width = states.shape
    others = [t for t in range(n_frames) if t != target]
    movable, goal = states[:, others].flatten(1, 2), states[:, target]
    score, match = (normalize(movable, dim=-1) @ normalize(goal, dim=-1).mT).max(-1)
    order = score.argsort(-1, descending=True)
    n_merged = int(ratio * movable.shape[1])
    gone, kept = order[:, :n_merged], order[:, n_merged:]
    where = match.gather(1, gone)

    def rows(index: Tensor) -> Tensor:
        return index[..., None].expand(-1, -1, width)

    mean = goal.scatter_reduce(1, rows(where), movable.gather(1, rows(gone)), "mean")
    merged = torch.cat([movable.gather(1, rows(kept)), mean], 1)
    numbers = torch.arange(kept.shape[1], device=order.device).expand_as(kept)
    moved = torch.empty_like(order).scatter(1, kept, numbers)
    moved = moved.scatter(1, gone, where + kept.shape[1]).unflatten(1, (-1, n_tokens))
    own = torch.arange(n_tokens, device=order.device) + kept.shape[1]
    own = own.expand(len(states), 1, -1)
    return merged, torch.cat([moved[:, :target], own, moved[:, target:]], 1).flatten(1)

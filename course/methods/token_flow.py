"""Attention outputs of a few key frames, carried to all others by the nearest source feature.

At every step one key frame in each run of `every` frames is drawn; the key frames attend to one
another. For every token of another frame, the source clip says which token of the key frame before
and after it resembles most; the edit takes their outputs there, blended by distance in time.
Source: TokenFlow, arXiv 2307.10373, Sections 4.1 (key frames) and 4.2 (carrying). The paper weighs
by distance, so a key frame keeps its own output; the released code puts a sigmoid around the
weight, which gives it 27 % of its neighbour's.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from .frame_attention import FrameAttention, attention
from .task import Task

BLENDS = ("paper", "code")


def link(task: Task, *, every: int = 4, blend: str = "paper") -> Task:
    """Return the task with outputs of key frames carried to the others."""
    return replace(
        task,
        attention=TokenFlow(len(task.latents), every=every, blend=blend, generator=task.generator),
    )


class TokenFlow(FrameAttention):
    """Self-attention (G, T, N, C) of drawn key frames, and its outputs carried to the others."""

    reach = "clip"
    looks_at_source = True

    def __init__(
        self, n_frames: int, *, every: int = 4, blend: str = "paper",
        generator: torch.Generator | None = None,
    ) -> None:  # fmt: skip
        super().__init__(n_frames)
        if blend not in BLENDS:
            raise ValueError(f"blend must be one of {', '.join(BLENDS)}, got {blend!r}")
        if every < 1:
            raise ValueError(f"every must be 1 or more frames for a key frame, got {every}")
        self.every, self.blend, self.generator = every, blend, generator
        self.keys = list(range(0, n_frames, every))
        self._source: dict[nn.Module, Tensor] = {}

    def begin(self, frames: slice, mode: str, timestep: int) -> None:
        super().begin(frames, mode, timestep)
        if mode == "source":
            n_frames, starts = frames.stop, range(0, frames.stop, self.every)
            draws = torch.rand(len(starts), generator=self.generator).tolist()
            runs = [range(a, min(a + self.every, n_frames)) for a in starts]
            self.keys = [run[int(draw * len(run))] for run, draw in zip(runs, draws)]

    def attend(self, layer: nn.Module, states: Tensor) -> Tensor:
        if self.mode != "edit":
            output = super().attend(layer, states)
            if self.mode == "source":
                self._source[layer] = output[-1]  # with the prompt, where there is guidance
            return output
        source = normalize(self._source[layer], dim=-1)
        chosen = states[:, self.keys].flatten(1, 2)
        edited = attention(layer, chosen, chosen).unflatten(1, (len(self.keys), -1))
        return torch.stack([self._carried(edited, source, t) for t in range(states.shape[1])], 1)

    def _carried(self, edited: Tensor, source: Tensor, frame: int) -> Tensor:
        """Return the output (G, N, C) of one frame from those of the key frames (G, K, N, C)."""
        parts = []
        for number, weight in neighbours(self.keys, frame, self.blend):
            nearest = (source[frame] @ source[self.keys[number]].mT).argmax(-1)
            # A key frame's tokens are their own nearest, but for ties.
            same = self.keys[number] == frame
            output = edited[:, number]
            parts.append(weight * (output if same else output[:, nearest]))
        return sum(parts)


def neighbours(keys: list[int], frame: int, blend: str = "paper") -> list[tuple[int, float]]:
    """Return (number of the key frame, weight) for the key frames before and after a frame.

    The weight falls with the distance in time, d_+ / (d_- + d_+) for the key before; "code" takes
    its sigmoid. Before the first and after the last key frame there is one neighbour.
    """
    before = [k for k, key in enumerate(keys) if key <= frame]
    after = [k for k, key in enumerate(keys) if key > frame]
    if not before or not after:
        return [(before[-1] if before else after[0], 1.0)]
    first, second = before[-1], after[0]
    weight = (keys[second] - frame) / (keys[second] - keys[first])
    if blend == "code":
        weight = float(torch.tensor(weight).sigmoid())
    return [(first, weight), (second, 1 - weight)]

"""What goes into a method beside the latents, and what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


class Texts(NamedTuple):
    """Text tokens (1, L, d) of the source prompt, the target prompt and the empty one."""

    source: Tensor
    target: Tensor
    empty: Tensor


class Passes(NamedTuple):
    """What decides how often a sampler sends one frame through the UNet.

    The `n_steps` that are taken; the `sides` of a prediction, 2 with guidance; whether attention
    `looks` at the source in passing; whether there is a mask to find; `refine` and `draws`.
    """

    n_steps: int
    sides: int
    looks: bool = False
    has_mask: bool = False
    refine: int = 0
    draws: int = 1


@dataclass(frozen=True)
class Inversion:
    """Where DDIM inversion passed: what sampling starts from, and what it may return to.

    `path[timestep]` are the latents (T, C, h, w) at that timestep, `path[start]` the noisiest.
    `mask` (T, 1, h, w) is 1 where the edit may change the clip; None: everywhere.
    """

    path: dict[int, Tensor]
    mask: Tensor | None

    @property
    def latents(self) -> Tensor:
        return self.path[max(self.path)]


@dataclass(frozen=True)
class Outcome:
    """The edited latents (T, C, h, w), the mask of what could change, the inversion if any."""

    latents: Tensor
    mask: Tensor | None = None
    inversion: Inversion | None = None

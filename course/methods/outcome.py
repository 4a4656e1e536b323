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

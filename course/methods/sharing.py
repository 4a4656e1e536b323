"""How the chunks of a clip are run: one after the other here, or shared with other processes.

Nothing but what goes through the UNet or the autoencoder is worth sharing; all else is done alike
everywhere. `course.editing.processes` has the way that shares.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

SHARED = ("frame", "chunk", "neighbours")
"""The reaches (see `registry.Method`) whose chunks can be run by different processes.

With "past" a chunk remembers what the one before it saw, with "clip" there is one chunk only: those
are run by every process alike.
"""


class Share(Protocol):
    """Runs chunks of frames and puts them together along the first axis."""

    def __call__(
        self,
        chunks: Sequence[slice],
        run: Callable[[slice], Tensor],
        like: Tensor,
        passed: Callable[[slice], None] | None = None,
    ) -> Tensor:
        """Return run(chunk) of all chunks as one tensor with the shape and type of `like`.

        `passed` is called, in order, with the chunks that another process runs: whatever is drawn
        for a chunk must be drawn everywhere.
        """
        ...


def in_turn(
    chunks: Sequence[slice],
    run: Callable[[slice], Tensor],
    like: Tensor,
    passed: Callable[[slice], None] | None = None,
) -> Tensor:
    """Run every chunk here, from the first on; see `Share`."""
    return torch.cat([run(frames) for frames in chunks])

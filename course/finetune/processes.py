"""One step of training shared by several processes (data parallel, through accelerate).

Every process makes all draws of a step from one generator, works on its own part of them, and the
gradients are added up. The sum is that of one process, up to the order of additions. Accelerate's
`prepare` is not used: its wrapper would rename the modules that the taps and the LoRA file name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import torch
from torch import Tensor

import course

if TYPE_CHECKING:
    from accelerate import Accelerator

_PATIENCE = timedelta(days=7)  # a process with short clips waits for one with long ones


@contextmanager
def launched() -> Iterator[Accelerator | None]:
    """Give accelerate's view of the processes, None where this one is alone; all end together."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield None
        return
    from accelerate import Accelerator, InitProcessGroupKwargs

    # Unless told, accelerate takes several processes without a GPU for as many separate runs.
    accelerator = Accelerator(
        cpu=course.device().type == "cpu",
        kwargs_handlers=[InitProcessGroupKwargs(timeout=_PATIENCE)],
    )
    yield accelerator
    accelerator.wait_for_everyone()
    accelerator.end_training()


class Team:
    """The processes that train together; without an accelerator it is this one alone."""

    def __init__(self, accelerator: Accelerator | None = None) -> None:
        alone = accelerator is None or accelerator.num_processes == 1
        self._accelerator = None if alone else accelerator
        self.size = 1 if alone else accelerator.num_processes
        self.index = 0 if alone else accelerator.process_index

    def part(self, n_items: int) -> range:
        """Return the indices of this process among n_items."""
        return range(self.index, n_items, self.size)

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all processes, in place."""
        if self._accelerator is None:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        flat = self._accelerator.reduce(flat, reduction="sum")
        for tensor, total in zip(tensors, flat.split([tensor.numel() for tensor in tensors])):
            tensor.copy_(total.view_as(tensor))

    def agree(self, parameters: Sequence[Tensor], generator: torch.Generator) -> None:
        """Give all processes the parameters and the generator state of the first, in place."""
        if self._accelerator is None:
            return
        from accelerate.utils import broadcast, broadcast_object_list

        for parameter in parameters:
            parameter.data.copy_(broadcast(parameter.data))
        state = [generator.get_state()]
        broadcast_object_list(state)
        generator.set_state(state[0])

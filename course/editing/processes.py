"""One edit shared by several processes: chunks of frames go to different ones (through accelerate).

Every process walks the same chain with the same draws; only the chunks that go through the UNet and
the autoencoder are shared out, and what comes out is brought together at every step. So the result
is that of one process. Where a chunk needs what another one saw (`Method.reach` "past" and "clip"),
every process computes all of it, with the same result and no gain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from course.finetune.processes import Team
from course.methods import Recipe, Task
from course.methods.sharing import SHARED, Share, in_turn
from course.models import decode_latents, encode_frames


class SharedChunks:
    """Runs each chunk in one process of a team and gives all of them the whole; a `Share`."""

    def __init__(self, team: Team) -> None:
        self.team = team

    def __call__(
        self,
        chunks: Sequence[slice],
        run: Callable[[slice], Tensor],
        like: Tensor,
        passed: Callable[[slice], None] | None = None,
    ) -> Tensor:
        """Return run(chunk) of all chunks as one tensor; see `course.methods.sharing.Share`."""
        whole, own = like.new_zeros(like.shape), self.team.part(len(chunks))
        for number, frames in enumerate(chunks):
            if number in own:
                whole[frames] = run(frames)
            elif passed is not None:
                passed(frames)
        self.team.add_up([whole])  # each frame is in one of the sums only: nothing is rounded
        return whole


def share_of(team: Team) -> Share:
    """Return how the chunks of an edit are run by a team."""
    return in_turn if team.size == 1 else SharedChunks(team)


def encoded(task: Task, frames: Tensor) -> Tensor:
    """Return the latents (T, C, h, w) of frames (T, 3, H, W), chunk by chunk of the task."""
    config = task.pipe.vae.config
    factor = 2 ** (len(config.block_out_channels) - 1)
    sides = (side // factor for side in frames.shape[2:])
    like = frames.new_empty(len(frames), config.latent_channels, *sides)
    size = task.decode_chunk_size
    return task.share(
        task.chunks(), lambda part: encode_frames(task.pipe, frames[part], chunk_size=size), like
    )


def decoded(task: Task, latents: Tensor, like: Tensor) -> Tensor:
    """Return the frames of latents (T, C, h, w), shaped `like` those of the clip."""
    size = task.decode_chunk_size
    return task.share(
        task.chunks(),
        lambda part: decode_latents(task.pipe, latents[part], chunk_size=size),
        latents.new_empty(like.shape),
    )


def fair_chunk_size(chunk_size: int, n_frames: int, n_processes: int, way: Recipe) -> int:
    """Return a chunk size that leaves no process without frames, where it changes no result.

    Chunks become smaller only for a method whose frames do not look at each other.
    """
    reaches = {method.reach for method in (way.sampler, *way.links)}
    if n_processes == 1 or not reaches <= set(SHARED) - {"chunk"}:
        return chunk_size
    return min(chunk_size, -(-n_frames // n_processes))

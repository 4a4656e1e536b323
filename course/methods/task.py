"""What a method is given and what it gives back; chunks, so that memory stays flat."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from tqdm import tqdm

from course.clips import Clip
from course.diffusion import NoiseSchedule, predicted_original
from course.models import noise_predictor

from .finite import NotFinite, finite, finite_noise
from .frame_attention import FrameAttention, attending
from .motion import Motion
from .outcome import Outcome, Texts
from .sharing import SHARED, Share, in_turn

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

Predictor = Callable[[Tensor, int], Tensor]
Finish = Callable[[Tensor, Clip, Tensor | None], Tensor]
Until = Callable[["Task", Callable[["Task"], Outcome]], Outcome]


@dataclass(frozen=True)
class Task:
    """An edit of latents (T, C, h, w) from a source prompt to a target prompt, for any method.

    `pipe` needs a `unet` and a `scheduler` only. `skip` of the `n_steps` steps, the noisiest, are
    left out. At most `chunk_size` frames are in the UNet, `decode_chunk_size` in the VAE. Below the
    share `mask_threshold` of the prompts' largest difference the source stays (None: no mask).
    `motion` is the source's. What links frames: `attention`, `smooth` (a filter of the predicted
    x_0, given it and the timestep), `wrap` (of the noise prediction, given it and `chunk_size`),
    `finish` (of decoded frames, given them, the source with its motion, and the mask).
    `until` runs the sampler, given the task and it, until the edit is what was asked.
    `refine` and `latent_filter` belong to the paper's method, `tokens` and `control` to the edit.
    `generator` draws all noise (CPU; None: torch's own); `share` runs the chunks;
    `announce` is told the name of each stage.
    """

    pipe: StableDiffusionPipeline
    latents: Tensor
    texts: Texts
    n_steps: int = 25
    skip: int = 0
    guidance: float = 3.0
    chunk_size: int = 8
    decode_chunk_size: int = 8
    mask_threshold: float | None = None
    motion: Motion | None = None
    attention: FrameAttention | None = None
    smooth: Callable[[Tensor, int], Tensor] | None = None
    wrap: Callable[[Predictor, int], Predictor] | None = None
    finish: Finish | None = None
    until: Until | None = None
    refine: int = 0
    latent_filter: Callable[[Tensor], Tensor] | None = None
    tokens: Callable[[Tensor, slice], Tensor] | None = None
    control: object | None = None
    generator: torch.Generator | None = None
    share: Share = in_turn
    progress: bool = False
    announce: Callable[[str], None] | None = None
    label: str = ""
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def schedule(self) -> NoiseSchedule:
        return NoiseSchedule.from_scheduler(self.pipe.scheduler)

    def pairs(self) -> list[tuple[int, int]]:
        """Return (timestep, previous timestep) of the steps that are taken, from noise to data."""
        schedule = self.schedule
        timesteps = schedule.timesteps(self.n_steps).tolist()[self.skip :]
        return [(t, schedule.previous_timestep(t, self.n_steps)) for t in timesteps]

    def require_motion(self) -> None:
        """Raise ValueError for a task that does not know how its frames move."""
        if self.motion is None:
            raise ValueError(
                "the method follows the clip's flow and the task has no motion; give "
                "Task(..., motion=Motion.of(clip, size))"
            )

    def timestep_after(self, share: float) -> int:
        """Return the last timestep of the first `share` of the steps; above all steps for 0."""
        if not 0 <= share <= 1:
            raise ValueError(f"share is a part of the steps, in [0, 1], got {share}")
        timesteps = [timestep for timestep, _ in self.pairs()]
        count = round(share * len(timesteps))
        return timesteps[count - 1] if count else timesteps[0] + 1

    def noise(self, *, shared: bool) -> Tensor:
        """Draw noise like the latents; `shared`: the same for every frame."""
        shape = (1 if shared else len(self.latents), *self.latents.shape[1:])
        return torch.randn(shape, generator=self.generator).to(self.latents).expand_as(self.latents)

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[tqdm]:
        """Time a stage, show its progress bar, and say where a number was not finite."""
        start, name = time.perf_counter(), name + self.label
        total = self.n_steps - self.skip if total is None else total
        if self.announce is not None:
            self.announce(name)
        with tqdm(total=total, desc=name, disable=not self.progress, leave=False) as bar:
            try:
                yield bar
            except NotFinite as error:
                raise ValueError(f"stage {name!r}, step {bar.n + 1}: {error}") from None
        self.seconds[name] = time.perf_counter() - start

    def chunks(self) -> list[slice]:
        """Split the frames, so that peak memory does not grow with their number.

        Raises ValueError where the attention needs all frames at once and they do not fit.
        """
        n_frames, size = len(self.latents), self.chunk_size
        if self.attention is not None and self.attention.reach == "clip" and size < n_frames:
            raise ValueError(
                f"{type(self.attention).__name__} needs all {n_frames} frames at once and "
                f"chunk_size is {size}; give chunk_size={n_frames} (memory grows with the frames) "
                "or fewer frames"
            )
        return [slice(a, min(a + size, n_frames)) for a in range(0, n_frames, size)]

    def chunk_filter(self) -> Callable[[Tensor], Tensor] | None:
        """Return `latent_filter` (on x_t, Eq. 9), chunk by chunk as everything else."""
        if self.latent_filter is None:
            return None
        chunks, given = self.chunks(), self.latent_filter
        return lambda latents: torch.cat(
            [
                finite("what latent_filter returns", given(latents[frames]), "correct the filter")
                for frames in chunks
            ]
        )

    def then(self, step: Finish) -> Task:
        """Return the task whose decoded frames go through one more step, after those it has."""
        before = self.finish
        if before is None:
            return replace(self, finish=step)
        return replace(
            self, finish=lambda frames, source, mask: step(
                before(frames, source, mask), source, mask
            )
        )  # fmt: skip

    def predictor(
        self, text: str, *, guidance: float = 1.0, source_at: Callable[[int], Tensor] | None = None
    ) -> Predictor:
        """Return eps_theta (latents (T, C, h, w), timestep) for the text called `text`.

        `source_at(timestep)` are the source's own latents there, for attention that looks at them.
        """
        if self.wrap is not None:
            self._refuse_frames_of_their_own()
            return self.wrap(self._part(text, guidance, None), self.chunk_size)
        chunks, part = self.chunks(), self._parts(text, guidance)
        looks = source_at is not None and getattr(self.attention, "looks_at_source", False)
        source = self._parts("source", 1.0) if looks else None

        def predict(latents: Tensor, timestep: int) -> Tensor:
            def run(frames: slice) -> Tensor:
                if looks:
                    self._run(source(frames), source_at(timestep), timestep, frames, "source")
                mode = "edit" if looks else "plain"
                return self._run(part(frames), latents, timestep, frames, mode)

            return self._over(chunks, run, latents, timestep)

        return predict

    def pair(self, source_guidance: float) -> Callable[[Tensor, Tensor, int], tuple]:
        """Return (source latents, edit latents, timestep) -> (source noise, target noise).

        Each with its own prompt; attention that looks at the source sees it in passing.
        """
        if self.wrap is not None or not getattr(self.attention, "looks_at_source", False):
            source = self.predictor("source", guidance=source_guidance)
            target = self.predictor("target", guidance=self.guidance)
            return lambda clip, latents, t: (source(clip, t), target(latents, t))
        chunks = self.chunks()
        sides = (
            (self._parts("source", source_guidance), "source"),
            (self._parts("target", self.guidance), "edit"),
        )

        def predict(*given: Tensor | int) -> tuple[Tensor, ...]:
            *clips, timestep = given

            def run(frames: slice) -> Tensor:
                outputs = [
                    self._run(part(frames), latents, timestep, frames, mode)
                    for (part, mode), latents in zip(sides, clips)
                ]
                return torch.cat(outputs, 1)  # both in one tensor, so that they are sent at once

            return self._over(chunks, run, torch.cat(clips, 1), timestep).chunk(2, 1)

        return predict

    def _over(
        self, chunks: list[slice], run: Callable[[slice], Tensor], like: Tensor, timestep: int
    ) -> Tensor:
        """Run the chunks, shared among processes where none needs what another one saw."""
        looks = self.attention or FrameAttention(len(self.latents))
        share = self.share if looks.reach in SHARED else in_turn
        return share(chunks, run, like, lambda frames: looks.begin(frames, "plain", timestep))

    def smoothed(self, step: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """Return `step` (called like `ddim_step`) with the noise that the smoothed x_0 implies.

        The latents stay as they are: changing x_0 and keeping the noise would push them off the
        chain, and the frames come apart where smoothing ends.
        """
        if self.smooth is None:
            return step

        def smooth_step(
            latents: Tensor, noise: Tensor, timestep: int, schedule: NoiseSchedule, **options
        ) -> Tensor:
            original = predicted_original(latents, noise, timestep, schedule)
            level = schedule.level(timestep, latents)
            original = self.smooth(original, timestep)
            noise = (latents - level**0.5 * original) / (1 - level) ** 0.5
            return step(latents, noise, timestep, schedule, **options)

        return smooth_step

    def _run(
        self, part: Predictor, latents: Tensor, timestep: int, frames: slice, mode: str
    ) -> Tensor:
        if self.attention is not None:
            self.attention.begin(frames, mode, timestep)
        with attending(self.pipe.unet, self.attention):
            return part(latents[frames], timestep)

    def _parts(self, text: str, guidance: float) -> Callable[[slice], Predictor]:
        """Return a chunk's noise prediction by its frames; one for all where nothing differs."""
        if self.tokens is None and self.control is None:
            # One text tensor, whose keys `cached_text` computes only once.
            whole = self._part(text, guidance, None)
            return lambda frames: whole
        parts = {frames.start: self._part(text, guidance, frames) for frames in self.chunks()}
        return lambda frames: parts[frames.start]

    def _part(self, text: str, guidance: float, frames: slice | None) -> Predictor:
        given = getattr(self.texts, text), self.texts.empty
        if self.tokens is not None:
            given = tuple(self.tokens(each, frames) for each in given)
        predict = noise_predictor(
            self.pipe, given[0], guidance=guidance, negative_text=given[1],
            control=None if self.control is None else self.control[frames],
        )  # fmt: skip
        return finite_noise(predict, self.pipe, guidance)

    def _refuse_frames_of_their_own(self) -> None:
        if self.tokens is not None or self.control is not None:
            raise ValueError(
                "grid_shuffle lays frames in one picture, so prompt tokens and depth of single "
                "frames do not fit; edit without them or with another method"
            )

    def towards_source(self) -> Task:
        """Return the task whose target is the source prompt, at guidance 1 and without a mask."""
        texts = self.texts._replace(target=self.texts.source)
        return replace(self, texts=texts, guidance=1.0, mask_threshold=None, until=None)

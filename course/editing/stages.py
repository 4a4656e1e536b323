"""The stages of an edit on the latents: inversion, mask and sampling (Fig. 1, Eqs. 6, 9, 12)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from tqdm.auto import tqdm

from course.depth import DepthControl
from course.diffusion import DiffusionStep, NoiseSchedule, ddim_step, invert, sample
from course.models import noise_predictor
from course.tokens import PromptTokens

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

PROBES = (1 / 3, 2 / 3)
"""Where on the way to noise the two prompts are compared: coarse shapes show, details do not."""


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


def difference_mask(differences: Tensor, threshold: float) -> Tensor:
    """Return 1 where two prompts disagree about the noise by a share of their largest difference.

    Takes absolute differences (T, C, h, w) of two predictions, returns (T, 1, h, w), like them;
    0 everywhere in a frame on which the prompts agree. Source: DiffEdit, arXiv 2210.11427, 3.2;
    here the latents are inverted instead of noised at random, so that two levels are enough.
    """
    magnitude = differences.mean(1, keepdim=True)
    largest = magnitude.amax((2, 3), keepdim=True)
    return (magnitude > threshold * largest).to(differences.dtype)


def masked_step(inversion: Inversion, frames: slice) -> Callable[..., Tensor]:
    """Return a DDIM step that keeps the inverted clip's own latents outside the mask.

    What lies outside is not reconstructed but known: every level of the inversion is kept.
    """

    def step(
        latents: Tensor, noise: Tensor, timestep: int, schedule: NoiseSchedule,
        *, previous_timestep: int, **options: object,
    ) -> Tensor:  # fmt: skip
        stepped = ddim_step(
            latents, noise, timestep, schedule, previous_timestep=previous_timestep, **options
        )
        return torch.lerp(
            inversion.path[previous_timestep][frames], stepped, inversion.mask[frames]
        )

    return step


@dataclass
class Run:
    """What every stage of an edit needs, and the seconds that each of them took."""

    pipe: StableDiffusionPipeline
    n_steps: int
    skip: int
    chunk_size: int
    progress: bool
    latent_filter: Callable[[Tensor], Tensor] | None
    tokens: PromptTokens | None = None
    control: DepthControl | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[tqdm]:
        """Time a stage and show its progress bar."""
        start = time.perf_counter()
        with tqdm(total=total, desc=name, disable=not self.progress, leave=False) as bar:
            yield bar
        self.seconds[name] = time.perf_counter() - start

    def chunks(self, n_frames: int) -> list[slice]:
        """Split the frames, so that peak memory does not grow with their number."""
        size = self.chunk_size
        return [slice(a, min(a + size, n_frames)) for a in range(0, n_frames, size)]

    def predictor(
        self, text: Tensor, frames: slice, *, guidance: float = 1.0, empty: Tensor | None = None
    ) -> Callable[[Tensor, int], Tensor]:
        """Return the noise prediction for a chunk, with its prompt tokens (Eq. 13) and depth."""
        text, negative = (
            given if given is None or self.tokens is None else self.tokens(given, frames)
            for given in (text, empty)
        )
        return noise_predictor(
            self.pipe, text, guidance=guidance, negative_text=negative,
            control=None if self.control is None else self.control[frames],
        )  # fmt: skip

    def invert(
        self, name: str, latents: Tensor, texts: Texts, *, refine: int, threshold: float | None
    ) -> Inversion:
        """Carry latents (T, C, h, w) to noise with the source prompt, and find the mask."""
        chunks = self.chunks(len(latents))
        with self.stage(name, len(chunks) * (self.n_steps - self.skip)) as bar:
            parts = [
                self._invert_chunk(latents[frames], frames, texts, refine, threshold, bar)
                for frames in chunks
            ]
        path = {t: torch.cat([part.path[t] for part in parts]) for t in parts[0].path}
        mask = None if threshold is None else torch.cat([part.mask for part in parts])
        return Inversion(path, mask)

    def _invert_chunk(
        self, latents: Tensor, frames: slice, texts: Texts, refine: int,
        threshold: float | None, bar: tqdm,
    ) -> Inversion:  # fmt: skip
        predict = self.predictor(texts.source, frames)
        other = self.predictor(texts.target, frames)
        schedule = NoiseSchedule.from_scheduler(self.pipe.scheduler)
        probes = {round(share * (self.n_steps - self.skip - 1)) for share in PROBES}
        path, differences = {}, []
        for step in invert(
            predict, latents, schedule, self.n_steps,
            skip=self.skip, refine=refine, latent_filter=self.latent_filter,
        ):  # fmt: skip
            path.setdefault(step.previous_timestep, latents)  # the clean end
            path[step.timestep] = step.latents
            if threshold is not None and step.index in probes:
                at = step.latents, step.timestep
                differences.append((predict(*at) - other(*at)).abs())
            bar.update()
        mask = None
        if threshold is not None:
            mask = difference_mask(torch.stack(differences).mean(0), threshold)
        return Inversion(path, mask)

    def sample(
        self, name: str, start: Tensor | Inversion, text: Tensor, empty: Tensor, guidance: float,
        *, skip: int | None = None,
    ) -> Tensor:  # fmt: skip
        """Carry latents to the clean end; those of an inversion keep what its mask keeps."""
        skip = self.skip if skip is None else skip
        latents = start.latents if isinstance(start, Inversion) else start
        masked = isinstance(start, Inversion) and start.mask is not None
        schedule = NoiseSchedule.from_scheduler(self.pipe.scheduler)
        chunks, results = self.chunks(len(latents)), []
        with self.stage(name, len(chunks) * (self.n_steps - skip)) as bar:
            for frames in chunks:
                predict = self.predictor(text, frames, guidance=guidance, empty=empty)
                chain = sample(
                    predict, latents[frames], schedule, self.n_steps,
                    step=masked_step(start, frames) if masked else ddim_step,
                    skip=skip, latent_filter=self.latent_filter,
                )  # fmt: skip
                results.append(_last(chain, bar))
        return torch.cat(results)


def _last(chain: Iterator[DiffusionStep], bar: tqdm) -> Tensor:
    latents = None
    for step in chain:
        latents = step.latents
        bar.update()
    return latents

"""The objective of Eq. 6 on a window of the clip, in both readings of its temporal term.

The paper compares three frames at one diffusion time (Eqs. 4 and 19). The code that He et al. 2025
released compares two frames at two diffusion times, and weights the two terms the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from course.adapters import FeatureTap
from course.checks import widen
from course.diffusion import NoiseSchedule, add_noise, noise_to_velocity
from course.temporal import adjacent_similarities, temporal_loss
from course.tokens import PromptTokens

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

WEIGHTS = {
    "paper": {"temporal_weight": 1.0, "diffusion_weight": 0.01},
    "released": {"temporal_weight": 0.01, "diffusion_weight": 1.0},
}
"""Keyword arguments of `finetune` for both readings of Eq. 6: its text, and the released code."""

LEAST_FRAMES = {"frames": 3, "times": 2}
"""The readings of the temporal term, and how many neighbouring frames each takes at least."""


@dataclass(frozen=True)
class Draw:
    """All that is random about one window: its frames, 1 or 2 timesteps, and the noise.

    `noise` has a row for each frame at each timestep, (len(timesteps) T, C, h, w).
    """

    frames: slice
    timesteps: tuple[int, ...]
    noise: Tensor


@dataclass(frozen=True)
class Drawer:
    """Draws windows of `window` frames at `n_times` timesteps of [low, high), each another.

    `shared_noise` gives all rows of a window the same noise.
    """

    window: int
    low: int
    high: int
    n_times: int
    shared_noise: bool
    generator: torch.Generator

    def __call__(self, latents: Tensor) -> Draw:
        """Return the next draw for latents (T, C, h, w)."""
        start = self._integer(0, len(latents) - self.window + 1)
        timesteps = [self._integer(self.low, self.high)]
        if self.n_times == 2:  # a distance of at least 1, around the range as around a clock
            width = self.high - self.low
            distance = self._integer(1, width)
            timesteps.append(self.low + (timesteps[0] - self.low + distance) % width)
        n_rows = self.n_times * self.window
        noise = torch.randn(
            (1 if self.shared_noise else n_rows, *latents.shape[1:]),
            generator=self.generator,
            device=self.generator.device,
        )
        noise = noise.to(latents).expand(n_rows, -1, -1, -1)
        return Draw(slice(start, start + self.window), tuple(timesteps), noise)

    def _integer(self, low: int, high: int) -> int:
        return int(
            torch.randint(low, high, (), generator=self.generator, device=self.generator.device)
        )


class Losses(NamedTuple):
    """What one window costs: tensors (), with gradient except for the similarity."""

    temporal: Tensor
    diffusion: Tensor
    total: Tensor
    similarity: Tensor


@dataclass(frozen=True)
class Objective:
    """Eq. 6 as a function of a `Draw`; `temporal` names the reading of its first term."""

    unet: UNet2DConditionModel
    schedule: NoiseSchedule
    latents: Tensor
    text: Tensor
    tokens: PromptTokens | None
    taps: Sequence[str]
    temporal: str
    temporal_weight: float
    diffusion_weight: float

    def __call__(self, draw: Draw) -> Losses:
        """Return the losses of one draw (Eqs. 4, 5 and 6), each term an average over the taps."""
        noisy, target = self._noised(draw)
        timesteps: int | Tensor = draw.timesteps[0]
        if len(draw.timesteps) > 1:
            each = torch.tensor(draw.timesteps, device=noisy.device)
            timesteps = each.repeat_interleave(len(noisy) // len(each))
        text = self._text(draw.frames).repeat(len(draw.timesteps), 1, 1)
        unet = self.unet
        with FeatureTap(unet, self.taps) as features:
            output = unet(noisy.to(unet.dtype), timesteps, text.to(unet.dtype)).sample
        # Sums of squares overflow in half precision.
        diffusion = nn.functional.mse_loss(widen(output).to(target.dtype), target)
        wide = [widen(f) for f in features.values()]
        terms = {"frames": temporal_loss, "times": two_times_loss}
        temporal = torch.stack([terms[self.temporal](f) for f in wide]).mean()
        similarity = torch.stack(
            [
                adjacent_similarities(part).mean()
                for f in wide
                for part in f.detach().chunk(len(draw.timesteps))
            ]
        ).mean()
        total = self.temporal_weight * temporal + self.diffusion_weight * diffusion
        return Losses(temporal, diffusion, total, similarity)

    def _noised(self, draw: Draw) -> tuple[Tensor, Tensor]:
        """Return the window at each timestep, one after the other, and what the UNet must say."""
        clean, schedule = self.latents[draw.frames], self.schedule
        rows, targets = [], []
        for timestep, noise in zip(draw.timesteps, draw.noise.chunk(len(draw.timesteps))):
            rows.append(add_noise(clean, noise, timestep, schedule))
            targets.append(
                noise_to_velocity(noise, rows[-1], timestep, schedule)
                if schedule.prediction_type == "v_prediction"
                else noise
            )
        return torch.cat(rows), torch.cat(targets)

    def _text(self, frames: slice) -> Tensor:
        text = self.text if len(self.text) == 1 else self.text[frames]
        if self.tokens is not None:
            return self.tokens(text, frames)
        return text.expand(frames.stop - frames.start, -1, -1)


def two_times_loss(features: Tensor) -> Tensor:
    """Return the mean of (s_t at one time - s_t at another)^2, (), from features (2T, ...).

    The first T rows are frames at one diffusion time, the last T the same frames at another; s_t
    is the cosine of neighbouring frames. In [0, 4]. Source: the code that He et al. 2025 released,
    with the cosine over whole frames in place of single numbers.
    """
    first, second = (adjacent_similarities(half) for half in features.chunk(2))
    return (first - second).square().mean()

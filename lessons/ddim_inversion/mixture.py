"""A mixture of Gaussians on a line, with noise on it: what lesson 05 checks diffusion against.

Noise on a mixture (the forward process behind Eq. 5) gives a mixture again, so its density, its
score, the best noise prediction and the exact way of every point are known in closed form.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from course.diffusion import NoiseSchedule, invert, sample


@dataclass(frozen=True)
class GaussianMixture:
    """Data on a line, a mixture of Gaussians, whose density is known at every level of noise.

    `weights` add up to 1; `means` and `deviations` say where each part lies and how wide it is.
    `level` is alpha-bar in (0, 1]: sqrt(level) x_0 + sqrt(1 - level) noise, as in Eq. 5. Positions
    have any shape, and results have the shape and dtype of the positions.
    """

    weights: tuple[float, ...] = (0.35, 0.65)
    means: tuple[float, ...] = (-1.4, 0.9)
    deviations: tuple[float, ...] = (0.35, 0.45)

    def density(self, x: Tensor, level: float = 1.0) -> Tensor:
        """Return the density at positions x of the mixture with noise on it."""
        return self._log_parts(x, level).exp().sum(-1)

    def score(self, x: Tensor, level: float = 1.0) -> Tensor:
        """Return the derivative of the logarithm of the density."""
        parts = self._log_parts(x, level).softmax(-1)
        means, variances = self._noisy(x, level)
        return (parts * (means - x.unsqueeze(-1)) / variances).sum(-1)

    def noise(self, x: Tensor, level: float) -> Tensor:
        """Return the mean of the noise in x, E[noise | x]: the minimiser of Eq. 5."""
        return -((1 - level) ** 0.5) * self.score(x, level)

    def below(self, x: Tensor, level: float = 1.0) -> Tensor:
        """Return the share of the mixture that lies below x, between 0 and 1."""
        means, variances = self._noisy(x, level)
        shares = torch.special.ndtr((x.unsqueeze(-1) - means) / variances.sqrt())
        return (x.new_tensor(self.weights) * shares).sum(-1)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Return n samples without noise, (n,) in float64."""
        weights = torch.tensor(self.weights, dtype=torch.float64)
        part = torch.multinomial(weights, n, replacement=True, generator=generator)
        means, deviations = (
            torch.tensor(v, dtype=torch.float64)[part] for v in (self.means, self.deviations)
        )
        return means + deviations * torch.randn(n, generator=generator, dtype=torch.float64)

    def predictor(self, schedule: NoiseSchedule) -> Callable[[Tensor, int], Tensor]:
        """Return eps(x, timestep), the exact noise predictor, for `sample` and `invert`."""
        return lambda x, timestep: self.noise(x, float(schedule.alphas_cumprod[timestep]))

    def _noisy(self, x: Tensor, level: float) -> tuple[Tensor, Tensor]:
        means = level**0.5 * x.new_tensor(self.means)
        return means, level * x.new_tensor(self.deviations).square() + 1 - level

    def _log_parts(self, x: Tensor, level: float) -> Tensor:
        means, variances = self._noisy(x, level)
        squared = (x.unsqueeze(-1) - means).square() / variances
        weights = x.new_tensor(self.weights)
        return weights.log() - 0.5 * (squared + (2 * math.pi * variances).log())


def round_trip(
    start: Tensor, n_steps: int, refine: int, schedule: NoiseSchedule
) -> tuple[Tensor, Tensor, Tensor]:
    """Invert points of the mixture and sample them back, with its exact noise.

    Returns both ways from data to noise, (n_steps + 1, N) each, and the timestep of each row, with
    0 for the clean end. The last rows are the same. Raises as `course.diffusion.invert`.
    """
    predictor = GaussianMixture().predictor(schedule)
    steps = list(invert(predictor, start, schedule, n_steps, refine=refine))
    up = torch.stack([start, *(step.latents for step in steps)])
    back = [step.latents for step in sample(predictor, up[-1], schedule, n_steps)]
    timesteps = torch.tensor([0, *(step.timestep for step in steps)])
    return up, torch.stack([up[-1], *back]).flip(0), timesteps


def exact_end(start: Tensor, schedule: NoiseSchedule, timestep: int) -> Tensor:
    """Return where the exact flow carries points (N,) from the clean end to `timestep`.

    Paths on a line cannot cross, so the share of the density below a point never changes: the end
    is found by halving an interval until it has that share below it.
    """
    data, level = GaussianMixture(), float(schedule.alphas_cumprod[timestep])
    share = data.below(start, schedule.final_alpha_cumprod)
    low, high = torch.full_like(start, -12.0), torch.full_like(start, 12.0)
    for _ in range(60):
        middle = (low + high) / 2
        less = data.below(middle, level) < share
        low, high = torch.where(less, middle, low), torch.where(less, high, middle)
    return (low + high) / 2


def gaussian_variances(step: Callable[..., Tensor], schedule: NoiseSchedule) -> Tensor:
    """Return the variance of x along a chain of single steps, from x_T to x_0, (len + 1,).

    The data is one unit Gaussian, for which sqrt(1 - level) x is the exact noise; the chain starts
    at variance 1, and a perfect one stays there. `step(x, noise, timestep, schedule,
    previous_timestep=, noise=)` is linear in x and in its fresh noise, so two calls tell all.
    """
    one, zero = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    variances = [1.0]
    for timestep in range(len(schedule) - 1, -1, -1):
        eps = (1 - schedule.alphas_cumprod[timestep]) ** 0.5 * one
        places = {"previous_timestep": timestep - 1}
        kept = step(one, eps, timestep, schedule, noise=zero, **places)
        fresh = step(zero, zero, timestep, schedule, noise=one, **places)
        variances.append(float(kept**2 * variances[-1] + fresh**2))
    return torch.tensor(variances, dtype=torch.float64)

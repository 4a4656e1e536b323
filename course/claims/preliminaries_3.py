"""Counterexamples, bounds and searches for Eqs. 1 to 17; Eqs. 14 and 15 stand in `attention_3`."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.linalg import matrix_norm, vector_norm

from course.attention import cross_attention
from course.bilateral import bilateral_filter
from course.claims.claim import Tightness, Violation
from course.claims.search import ascend, random_starts
from course.diffusion.schedule import NoiseSchedule
from course.diffusion.steps import ancestral_step, ddim_inverse_step

_SCHEDULE = NoiseSchedule.stable_diffusion()


def exact_noise(latents: Tensor, level: float, spread: float = 1.0) -> Tensor:
    """Return the best prediction of the noise for data N(0, spread^2) at this level alpha-bar."""
    return latents * math.sqrt(1 - level) / (level * spread**2 + 1 - level)


# Eq. 1


def noising_leaves_the_data_as_it_is() -> Violation:
    """Compare where Eq. 1 and DDIM inversion take data of standard deviation 1/2."""
    start, data = 0.5, torch.full((1, 1), 0.5, dtype=torch.float64)
    printed, inverted, previous = data, data, -1
    for timestep in range(0, 1000, 20):
        level = _SCHEDULE.level(timestep, data)
        predicted = exact_noise(printed, level, start)
        printed = printed + predicted - predicted
        lower = 1.0 if previous < 0 else _SCHEDULE.level(previous, data)
        inverted = ddim_inverse_step(
            inverted, exact_noise(inverted, lower, start), timestep, _SCHEDULE,
            previous_timestep=previous,
        )  # fmt: skip
        previous = timestep
    return Violation(
        abs(1 - printed.item()), abs(1 - inverted.item()),
        "data N(0, 1/4) with its exact noise predictor: how far from 1 the standard deviation "
        "ends under Eq. 1, and under DDIM inversion in 50 steps",
    )  # fmt: skip


# Eq. 2


def adapter_cancels_a_frame() -> Violation:
    """Measure the features of a frame before and after an adapter of rank 1 is added."""
    w_0 = torch.tensor([[2.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    x = torch.tensor([[1.0], [1.0]], dtype=torch.float64)
    b, a = -w_0 @ x, x.T / x.square().sum()
    return Violation(
        matrix_norm(w_0 @ x).item(), matrix_norm(w_0 @ x + b @ (a @ x)).item(),
        "B = -W_0 x and A = x' / ||x||^2, of rank 1: norm of the features without the adapter, and "
        "with it",
    )  # fmt: skip


def adapter_change_bound(scale: float, a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    """Return s ||B|| ||A|| ||x||, the most that an adapter changes the features of x."""
    return scale * matrix_norm(b, 2) * matrix_norm(a, 2) * vector_norm(x, dim=-1)


def search_equation_2(seed: int = 0, budget: int = 16) -> Tightness:
    """Look for an adapter of rank 2 that changes features by more than its factors allow."""

    def ratio(points: Tensor) -> Tensor:
        a, b, x = points.split([6, 6, 3], dim=-1)
        a, b = a.unflatten(-1, (2, 3)), b.unflatten(-1, (3, 2))
        change = vector_norm((b @ a @ x.unsqueeze(-1)).squeeze(-1), dim=-1)
        return change / adapter_change_bound(1.0, a, b, x)

    best, _ = ascend(ratio, random_starts(seed, budget, 15), n_steps=100)
    return Tightness(best.item(), "rank 2 and width 3: x along the factors' strongest directions")


# Eq. 5


def least_diffusion_loss(level: float) -> float:
    """Return alpha-bar, the least loss per number of a latent for data N(0, 1) at this level."""
    return level


def search_equation_5(seed: int = 0, budget: int = 16) -> Tightness:
    """Look for a linear predictor a x of the noise in data N(0, 1) below alpha-bar."""

    def ratio(points: Tensor) -> Tensor:
        level, a = points[:, 0].sigmoid(), points[:, 1]
        return level / ((1 - a * (1 - level).sqrt()).square() + a.square() * level)

    best, point = ascend(ratio, random_starts(seed, budget, 2), n_steps=100)
    return Tightness(best.item(), f"alpha-bar = {point[0].sigmoid().item():.2f}, the best a x")


# Eqs. 8 and 12


def one_latent_goes_to_two_places() -> Violation:
    """Take Eq. 8 twice from one latent, with two draws of z: an inversion would agree."""
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 4, 16, 16, generator=generator, dtype=torch.float64)
    predicted = exact_noise(latents, _SCHEDULE.level(500, latents))
    one, other = (
        ancestral_step(latents, predicted, 500, _SCHEDULE, generator=generator) for _ in range(2)
    )
    return Violation(
        vector_norm(one - other).item(), 0.0,
        "Stable Diffusion's schedule, t = 500, one latent of 1024 numbers: distance of two results "
        "of Eq. 8, and of two results of an inversion",
    )  # fmt: skip


def noise_weight_ratio(alpha: float, level: float) -> float:
    """Return 1 + sqrt((alpha - abar) / (1 - abar)): Eq. 8's weight of the noise over DDIM's."""
    return 1 + math.sqrt((alpha - level) / (1 - level))


def search_equation_8(seed: int = 0, budget: int = 16) -> Tightness:
    """Look on Stable Diffusion's schedule for a ratio of the two weights beyond 2."""
    timesteps = torch.randint(
        1, len(_SCHEDULE), (budget,), generator=torch.Generator().manual_seed(seed)
    )
    best = Tightness(0.0, "")
    for timestep in timesteps.tolist():
        lower, level = _SCHEDULE.alphas_cumprod[timestep - 1 : timestep + 1].tolist()
        alpha = level / lower
        printed = (1 - alpha) / math.sqrt(alpha * (1 - level))
        ddim = math.sqrt((1 - level) / alpha) - math.sqrt(1 - lower)
        if printed / ddim / 2 > best.ratio:
            best = Tightness(printed / ddim / 2, f"t = {timestep} of 1000 steps")
    return best


def filter_moves_what_needs_no_step() -> Violation:
    """Take Eq. 12 with alpha_t = 1, no noise and a predictor of 0: nothing should change."""
    latents = torch.tensor([0.0, 1.0], dtype=torch.float64).expand(1, 1, 2, 2)
    still = NoiseSchedule(torch.ones(2, dtype=torch.float64))
    filtered = bilateral_filter(latents, 3, 1.0, 1.0)
    zero = torch.zeros_like(latents)
    result = ancestral_step(filtered, zero, 1, still, noise=zero)
    return Violation(
        vector_norm(result - latents).item(), 0.0,
        "an edge of height 1, alpha_t = 1 and no noise predicted or added: how far Eq. 12 moves "
        "the latent, and how far Eq. 8 does",
    )  # fmt: skip


# Eqs. 9 to 11


def range_of_values(image: Tensor) -> Tensor:
    """Return max - min over each image (n, ...), the most that the filtered image's can be."""
    return image.flatten(1).amax(dim=-1) - image.flatten(1).amin(dim=-1)


def search_equation_9(seed: int = 0, budget: int = 16) -> Tightness:
    """Look for an image of which the filter makes a larger range of values than it had."""

    def ratio(x: Tensor) -> Tensor:
        return range_of_values(bilateral_filter(x, 3, 1.0, 1.0)) / range_of_values(x)

    best, _ = ascend(ratio, 3 * random_starts(seed, budget, 1, 4, 4), n_steps=80)
    return Tightness(best.item(), "4 x 4 pixels: two patches far apart in value")


# Eq. 13


def guidance_needs_two_texts() -> Violation:
    """Compare attention to two texts apart, and to both in one sequence, as Eq. 13 puts them."""
    generator = torch.Generator().manual_seed(0)
    x, conditional, empty = torch.randn(3, 5, 4, generator=generator, dtype=torch.float64)
    eye = torch.eye(4, dtype=torch.float64)
    apart = [cross_attention(x, text, eye, eye, eye) for text in (conditional, empty)]
    both = [torch.cat([conditional, empty]), torch.cat([empty, conditional])]
    joined = [cross_attention(x, text, eye, eye, eye) for text in both]
    return Violation(
        matrix_norm(apart[0] - apart[1]).item(), matrix_norm(joined[0] - joined[1]).item(),
        "what guidance multiplies, the difference of the two outputs: with the texts apart, and "
        "with both in one sequence, in either order",
    )  # fmt: skip


# Eq. 16


def sampler_that_shrinks_everything() -> Violation:
    """Count the powers of ten by which Eq. 16 shrinks samples with the exact predictor."""
    logarithm = 0.0
    for alpha, level in zip(_SCHEDULE.alphas.tolist(), _SCHEDULE.alphas_cumprod.tolist()):
        logarithm += math.log10(abs(1 - alpha * math.sqrt(1 - level)))
    return Violation(
        -logarithm, 0.0,
        "Stable Diffusion's schedule, data N(0, 1), exact predictor, 1000 steps: powers of ten by "
        "which Eq. 16 shrinks the samples, and by which it should",
    )  # fmt: skip

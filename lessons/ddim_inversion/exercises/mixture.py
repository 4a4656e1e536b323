"""A mixture whose best prediction is known, and the variance of chains (Eq. 8)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.inputs import DTYPES
from lessons.ddim_inversion.exercises.shared import LESSON, falling_alphas

# The best prediction of the noise in a mixture


def _mixture_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in DTYPES.items():
        for n_parts, level in ((1, 0.5), (2, 0.9), (2, 0.3), (3, 0.6)):
            x = 1.5 * torch.randn(5, generator=generator, dtype=torch.float64)
            weights = torch.arange(1.0, n_parts + 1, dtype=torch.float64)
            means = torch.linspace(0.8, -1.2, n_parts, dtype=torch.float64)
            deviations = torch.linspace(0.5, 0.9, n_parts, dtype=torch.float64)
            parts = (x, weights / weights.sum(), means, deviations)
            label = f"mixture of {n_parts} at level {level}, {name}"
            cases.append(Case(label, (*(each.to(dtype) for each in parts), level)))
        wide = (4 * x, parts[1], 5 * means, 3 * deviations)
        label = f"wide mixture of 3 at level 0.6, {name}"
        cases.append(Case(label, (*(each.to(dtype) for each in wide), 0.6)))
        # So far out that every density is 0 in floating point; its logarithm is not.
        far = torch.tensor([-90.0, 0.3, 70.0], dtype=torch.float64)
        label = f"mixture of 3 at level 0.6, points far out, {name}"
        cases.append(Case(label, (*(each.to(dtype) for each in (far, *parts[1:])), 0.6)))
    return cases


def _parts(
    x: Tensor, weights: Tensor, means: Tensor, variances: Tensor, *, normalised: bool = True
) -> Tensor:
    """Return how much each part has to do with each x (N, K), and its pull from x to its mean."""
    away = means - x[:, None]
    logs = weights.log() - 0.5 * away**2 / variances - 0.5 * variances.log()
    shares = logs.softmax(1) if normalised else logs.exp() / (2 * torch.pi) ** 0.5
    return (shares * away / variances).sum(1)


def _mixture_noise(
    x: Tensor, weights: Tensor, means: Tensor, deviations: Tensor, level: float
) -> Tensor:
    variances = level * deviations**2 + 1 - level
    return -((1 - level) ** 0.5) * _parts(x, weights, level**0.5 * means, variances)


def _mixture_score(
    x: Tensor, weights: Tensor, means: Tensor, deviations: Tensor, level: float
) -> Tensor:
    return -_mixture_noise(x, weights, means, deviations, level) / (1 - level) ** 0.5


def _mixture_unscaled_means(
    x: Tensor, weights: Tensor, means: Tensor, deviations: Tensor, level: float
) -> Tensor:
    return _mixture_noise(x, weights, means / level**0.5, deviations, level)


def _mixture_clean_widths(
    x: Tensor, weights: Tensor, means: Tensor, deviations: Tensor, level: float
) -> Tensor:
    return -((1 - level) ** 0.5) * _parts(x, weights, level**0.5 * means, deviations**2)


def _mixture_of_raw_weights(
    x: Tensor, weights: Tensor, means: Tensor, deviations: Tensor, level: float
) -> Tensor:
    variances = level * deviations**2 + 1 - level
    away = level**0.5 * means - x[:, None]
    return -((1 - level) ** 0.5) * (weights * away / variances).sum(1)


def _mixture_not_divided(
    x: Tensor, weights: Tensor, means: Tensor, deviations: Tensor, level: float
) -> Tensor:
    variances = level * deviations**2 + 1 - level
    pulls = _parts(x, weights, level**0.5 * means, variances, normalised=False)
    return -((1 - level) ** 0.5) * pulls


def _mixture_without_heights(
    x: Tensor, weights: Tensor, means: Tensor, deviations: Tensor, level: float
) -> Tensor:
    variances = level * deviations**2 + 1 - level
    tall = weights * variances.sqrt()  # takes the factor 1/s of each part away
    return -((1 - level) ** 0.5) * _parts(x, tall, level**0.5 * means, variances)


def _mixture_shared_over_points(
    x: Tensor, weights: Tensor, means: Tensor, deviations: Tensor, level: float
) -> Tensor:
    variances = level * deviations**2 + 1 - level
    away = level**0.5 * means - x[:, None]
    logs = weights.log() - 0.5 * away**2 / variances - 0.5 * variances.log()
    return -((1 - level) ** 0.5) * (logs.softmax(0) * away / variances).sum(1)


MIXTURE_NOISE = Exercise(
    name="mixture_noise",
    lesson=LESSON,
    title="The best prediction, in closed form",
    reference=_mixture_noise,
    cases=_mixture_cases,
    misconceptions=(
        Misconception(
            "wrong_sign",
            "The sign is wrong. The score points to where data is likely; the noise has carried "
            "x away from there, so it points the other way.",
            lambda *arguments: -_mixture_noise(*arguments),
        ),
        Misconception(
            "score_itself",
            "This is the score. The prediction of the noise is the score times "
            "-sqrt(1 - alpha-bar).",
            _mixture_score,
        ),
        Misconception(
            "forgot_the_factor",
            "The sign is right, but the factor sqrt(1 - alpha-bar) in front is missing.",
            lambda *arguments: -_mixture_score(*arguments),
        ),
        Misconception(
            "means_not_shrunk",
            "The means of the noisy mixture lie at sqrt(alpha-bar) times those of the data: the "
            "signal has shrunk.",
            _mixture_unscaled_means,
        ),
        Misconception(
            "noise_does_not_widen",
            "You kept the widths of the data. Each part of the noisy mixture has variance "
            "alpha-bar s^2 + 1 - alpha-bar.",
            _mixture_clean_widths,
        ),
        Misconception(
            "weights_for_all_x",
            "You weighted the parts by their share of the data, the same for all x. Near one mean "
            "that part counts most: use the share of each part in the density at x.",
            _mixture_of_raw_weights,
        ),
        Misconception(
            "not_divided_by_the_density",
            "You added up the slopes of the parts, which gives the derivative of the density. The "
            "score is that of its logarithm: divide by the density.",
            _mixture_not_divided,
        ),
        Misconception(
            "level_for_its_root",
            "The means shrink by the root of alpha-bar, not by alpha-bar itself.",
            lambda x, weights, means, deviations, level: _mixture_noise(
                x, weights, level**0.5 * means, deviations, level
            ),
        ),
        Misconception(
            "parts_without_their_height",
            "A narrow part has a higher density at its mean: the 1/s in front of each Gaussian is "
            "missing, or -log s in its logarithm.",
            _mixture_without_heights,
        ),
        Misconception(
            "shares_over_the_points",
            "Your shares add up to 1 over the points. At each point the parts share it among them: "
            "take the softmax over the parts.",
            _mixture_shared_over_points,
        ),
    ),
)


# The variance of a chain with fresh noise


def _variance_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in DTYPES.items():
        for n in (1, 2, 3, 12):
            fresh = torch.rand(n, generator=generator, dtype=torch.float64)
            fresh = 10 * fresh if n == 3 else fresh
            cases.append(Case(f"{n} steps, {name}", (falling_alphas(n, dtype), fresh.to(dtype))))
        printed = torch.cat([torch.ones(1, dtype=dtype), falling_alphas(11, dtype)])
        cases.append(Case(f"Eq. 8, 12 steps, {name}", (falling_alphas(12, dtype), 1 - printed)))
    return cases


def _walk(alphas: Tensor, fresh: Tensor, update: Callable[[Tensor, Tensor, Tensor], Tensor]):
    variance = torch.ones((), dtype=alphas.dtype)
    for t in range(len(alphas) - 1, -1, -1):
        variance = update(variance, alphas[t], fresh[t])
    return variance


def _chain_variance(alphas: Tensor, fresh: Tensor) -> Tensor:
    return _walk(alphas, fresh, lambda v, a, f: a * v + f)


CHAIN_VARIANCE = Exercise(
    name="chain_variance",
    lesson=LESSON,
    title="What a chain does to the variance",
    reference=_chain_variance,
    cases=_variance_cases,
    misconceptions=(
        Misconception(
            "factor_not_squared",
            "You multiplied the variance by sqrt(alpha_t), the factor of x. A variance takes the "
            "square of that factor.",
            lambda alphas, fresh: _walk(alphas, fresh, lambda v, a, f: a.sqrt() * v + f),
        ),
        Misconception(
            "added_deviations",
            "You added standard deviations. Fresh noise is independent of x, so the variances add.",
            lambda alphas, fresh: _walk(
                alphas, fresh, lambda v, a, f: (a.sqrt() * v.sqrt() + f.sqrt()) ** 2
            ),
        ),
        Misconception(
            "from_data_to_noise",
            "You start at timestep 0. Sampling starts at the noisy end, the last alpha, and the "
            "order matters.",
            lambda alphas, fresh: _chain_variance(alphas.flip(0), fresh.flip(0)),
        ),
        Misconception(
            "divided_by_alpha",
            "You divided by alpha_t, as the factor in front of Eq. 8 suggests. The prediction in "
            "the bracket shrinks x as well: together they make sqrt(alpha_t).",
            lambda alphas, fresh: _walk(alphas, fresh, lambda v, a, f: v / a + f),
        ),
        Misconception(
            "noise_before_the_step",
            "You added the fresh noise first and shrank it too. It enters at the end of each step.",
            lambda alphas, fresh: _walk(alphas, fresh, lambda v, a, f: a * (v + f)),
        ),
        Misconception(
            "started_at_zero",
            "Your chain starts with variance 0. It starts at noise, whose variance is 1.",
            lambda alphas, fresh: _chain_variance(alphas, fresh) - alphas.prod(),
        ),
    ),
    returns="number",
)

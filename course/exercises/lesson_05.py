"""Exercises of lesson 05: noise, its best prediction, chains and inversion (Eq. 5, 7, 8, 12).

Levels are values of alpha-bar, the share of the signal in the variance. Each reference is written
out rather than taken from `course.diffusion`, so that a test can hold one against the other; the
misconceptions share the references' parts and differ in the one slip that they stand for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from course.exercises.exercise import Case, Exercise, Misconception

LESSON = "05_ddim_inversion"
_DTYPES = {torch.float64: "float64", torch.float32: "float32"}
_SHAPES = ((2,), (2, 3), (2, 4, 3, 3))


def _alphas(n: int, dtype: torch.dtype) -> Tensor:
    """Return n per-step alphas that fall, as Stable Diffusion's do, but faster."""
    return torch.linspace(0.98, 0.7, n, dtype=torch.float64).to(dtype)


def _pair(shape: tuple, dtype: torch.dtype, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    drawn = torch.randn((2, *shape), generator=generator, dtype=torch.float64).to(dtype)
    return drawn[0], drawn[1]


def _shapes() -> Iterator[tuple[tuple, torch.dtype, str]]:
    for dtype, name in _DTYPES.items():
        for shape in _SHAPES:
            yield shape, dtype, name


# Adding noise


def _noising_cases(generator: torch.Generator) -> list[Case]:
    return [
        Case(
            f"shape {shape}, timestep {timestep} of 10, {name}",
            (*_pair(shape, dtype, generator), _alphas(10, dtype), timestep),
        )
        for (shape, dtype, name), timestep in zip(_shapes(), (0, 4, 9, 1, 5, 8))
    ]


def _noised(original: Tensor, noise: Tensor, alphas: Tensor, timestep: int) -> Tensor:
    level = alphas[: timestep + 1].prod()
    return level.sqrt() * original + (1 - level).sqrt() * noise


def _noised_by_one_alpha(original: Tensor, noise: Tensor, alphas: Tensor, timestep: int) -> Tensor:
    return _noised(original, noise, alphas[timestep:], 0)


def _noised_one_short(original: Tensor, noise: Tensor, alphas: Tensor, timestep: int) -> Tensor:
    level = alphas[:timestep].prod()
    return level.sqrt() * original + (1 - level).sqrt() * noise


def _noised_without_roots(original: Tensor, noise: Tensor, alphas: Tensor, timestep: int) -> Tensor:
    level = alphas[: timestep + 1].prod()
    return level * original + (1 - level) * noise


def _noised_swapped(original: Tensor, noise: Tensor, alphas: Tensor, timestep: int) -> Tensor:
    return _noised(noise, original, alphas, timestep)


def _noised_whole_signal(original: Tensor, noise: Tensor, alphas: Tensor, timestep: int) -> Tensor:
    return original + (1 - alphas[: timestep + 1].prod()).sqrt() * noise


FORWARD_NOISE = Exercise(
    name="forward_noise",
    lesson=LESSON,
    title="Noise in one go",
    reference=_noised,
    cases=_noising_cases,
    misconceptions=(
        Misconception(
            "one_alpha_only",
            "You used the alpha of this one step. All steps up to timestep t have added noise: "
            "take the product of their alphas.",
            _noised_by_one_alpha,
        ),
        Misconception(
            "product_one_short",
            "Your product stops before timestep t. Timesteps count from 0, and step t itself "
            "belongs to it: alphas[: timestep + 1].",
            _noised_one_short,
        ),
        Misconception(
            "forgot_the_roots",
            "Alpha-bar and 1 - alpha-bar share out the variance. The factors of the tensors are "
            "their square roots.",
            _noised_without_roots,
        ),
        Misconception(
            "swapped",
            "Signal and noise have changed places. At timestep 0 the result must be almost the "
            "original.",
            _noised_swapped,
        ),
        Misconception(
            "whole_signal",
            "You add noise and leave the signal as large as it was, so the variance grows. The "
            "signal shrinks by the root of alpha-bar.",
            _noised_whole_signal,
        ),
    ),
)


def _ratio_cases(generator: torch.Generator) -> list[Case]:
    return [
        Case(f"{n} alphas, {name}", (_alphas(n, dtype),))
        for dtype, name in _DTYPES.items()
        for n in (2, 5, 40)
    ]


def _ratio(alphas: Tensor) -> Tensor:
    level = alphas.cumprod(0)
    return level / (1 - level)


SIGNAL_TO_NOISE = Exercise(
    name="signal_to_noise",
    lesson=LESSON,
    title="The ratio of signal to noise",
    reference=_ratio,
    cases=_ratio_cases,
    misconceptions=(
        Misconception(
            "one_alpha_only",
            "You used alpha_t in place of the running product alpha-bar_t. `cumprod(0)` makes "
            "one from the other.",
            lambda alphas: alphas / (1 - alphas),
        ),
        Misconception(
            "upside_down",
            "This is noise over signal. The ratio falls as the noise grows.",
            lambda alphas: 1 / _ratio(alphas),
        ),
        Misconception(
            "ratio_of_deviations",
            "You divided the two factors, which are standard deviations. The ratio is one of "
            "variances: the square of yours.",
            lambda alphas: _ratio(alphas).sqrt(),
        ),
        Misconception(
            "in_decibels",
            "You give decibels, 10 log10 of the ratio. Here the plain ratio is asked for.",
            lambda alphas: 10 * _ratio(alphas).log10(),
        ),
        Misconception(
            "over_the_whole",
            "Signal over signal plus noise is alpha-bar itself. Divide by the noise alone.",
            lambda alphas: alphas.cumprod(0),
        ),
    ),
)


# The best prediction of the noise in a mixture


def _mixture_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in _DTYPES.items():
        for n_parts, level in ((1, 0.5), (2, 0.9), (2, 0.3), (3, 0.6)):
            x = 1.5 * torch.randn(5, generator=generator, dtype=torch.float64)
            weights = torch.arange(1.0, n_parts + 1, dtype=torch.float64)
            means = torch.linspace(0.8, -1.2, n_parts, dtype=torch.float64)
            deviations = torch.linspace(0.5, 0.9, n_parts, dtype=torch.float64)
            parts = (x, weights / weights.sum(), means, deviations)
            label = f"mixture of {n_parts} at level {level}, {name}"
            cases.append(Case(label, (*(each.to(dtype) for each in parts), level)))
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
    ),
)


# The variance of a chain with fresh noise


def _variance_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in _DTYPES.items():
        for n in (1, 2, 3, 12):
            fresh = torch.rand(n, generator=generator, dtype=torch.float64)
            cases.append(Case(f"{n} steps, {name}", (_alphas(n, dtype), fresh.to(dtype))))
        printed = torch.cat([torch.ones(1, dtype=dtype), _alphas(11, dtype)])
        cases.append(Case(f"Eq. 8, 12 steps, {name}", (_alphas(12, dtype), 1 - printed)))
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
    tolerance={torch.float64: 1e-6},  # torch.tensor(number) is float32, and right as well
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
    ),
    returns="number",
)


# DDIM, down and up


def _update_cases(generator: torch.Generator) -> list[Case]:
    ways = ((0.5, 0.8), (0.9, 1.0), (0.05, 0.3), (0.8, 0.5), (1.0, 0.6), (0.3, 0.3))
    return [
        Case(
            f"from level {level} to {target}, shape {shape}, {name}",
            (*_pair(shape, dtype, generator), level, target),
        )
        for (shape, dtype, name), (level, target) in zip(_shapes(), ways)
    ]


def _clean(latents: Tensor, noise: Tensor, level: float) -> Tensor:
    return (latents - (1 - level) ** 0.5 * noise) / level**0.5


def _ddim_update(latents: Tensor, noise: Tensor, level: float, target: float) -> Tensor:
    return target**0.5 * _clean(latents, noise, level) + (1 - target) ** 0.5 * noise


def _update_to_the_end(latents: Tensor, noise: Tensor, level: float, target: float) -> Tensor:
    return _clean(latents, noise, level)


def _update_not_divided(latents: Tensor, noise: Tensor, level: float, target: float) -> Tensor:
    return _ddim_update(latents, noise, level, target) + (
        target**0.5 * (level**0.5 - 1) * _clean(latents, noise, level)
    )


def _update_keeps_the_noise(latents: Tensor, noise: Tensor, level: float, target: float) -> Tensor:
    return target**0.5 * _clean(latents, noise, level) + (1 - level) ** 0.5 * noise


def _update_levels_swapped(latents: Tensor, noise: Tensor, level: float, target: float) -> Tensor:
    return _ddim_update(latents, noise, target, level)


def _update_without_roots(latents: Tensor, noise: Tensor, level: float, target: float) -> Tensor:
    return target * (latents - (1 - level) * noise) / level + (1 - target) * noise


def _update_ancestral(latents: Tensor, noise: Tensor, level: float, target: float) -> Tensor:
    alpha = level / target
    return (latents - (1 - alpha) / (1 - level + 1e-30) ** 0.5 * noise) / alpha**0.5


DDIM_UPDATE = Exercise(
    name="ddim_update",
    lesson=LESSON,
    title="The DDIM step",
    reference=_ddim_update,
    cases=_update_cases,
    misconceptions=(
        Misconception(
            "stopped_at_the_clean_one",
            "This is the predicted x_0, the end of the whole way. Put the noise back, as much of "
            "it as belongs to the target level.",
            _update_to_the_end,
        ),
        Misconception(
            "clean_one_not_divided",
            "Your x_0 is too small: after the noise is taken away, divide by the root of the "
            "level, since the signal had shrunk by it.",
            _update_not_divided,
        ),
        Misconception(
            "old_amount_of_noise",
            "You put back as much noise as there was. At the target level there is "
            "sqrt(1 - target) of it.",
            _update_keeps_the_noise,
        ),
        Misconception(
            "levels_swapped",
            "Level and target have changed places: you start from the target level.",
            _update_levels_swapped,
        ),
        Misconception(
            "forgot_the_roots",
            "The levels share out the variance. Signal and noise are multiplied by their square "
            "roots.",
            _update_without_roots,
        ),
        Misconception(
            "mean_of_equation_8",
            "This is the mean of Eq. 8. It leaves room for the fresh noise z; DDIM adds none, and "
            "takes another weight for the predicted noise.",
            _update_ancestral,
        ),
    ),
)


def _waves(latents: Tensor, level: float) -> Tensor:
    return torch.sin(latents + 3 * level)


def _shrinking(latents: Tensor, level: float) -> Tensor:
    return (1 - level) ** 0.5 * latents


def _inversion_cases(generator: torch.Generator) -> list[Case]:
    return [
        Case(
            f"from level {level} to {target}, {refine} refinements, {name}",
            (predict, _pair(shape, dtype, generator)[0], level, target, refine),
        )
        for (shape, dtype, name), (predict, level, target, refine) in zip(
            _shapes(),
            (
                (_shrinking, 0.9, 0.5, 0),
                (_waves, 0.9, 0.5, 1),
                (_waves, 0.95, 0.6, 2),
                (_waves, 0.9, 0.5, 0),
                (_shrinking, 0.6, 0.2, 2),
                (_waves, 0.8, 0.4, 3),
            ),
        )
    ]


def _refined(
    predict: Callable, latents: Tensor, level: float, target: float, refine: int
) -> Tensor:
    guess = latents
    for _ in range(refine + 1):
        guess = _ddim_update(latents, predict(guess, target), level, target)
    return guess


def _refined_at_the_source(
    predict: Callable, latents: Tensor, level: float, target: float, refine: int
) -> Tensor:
    guess = latents
    for _ in range(refine + 1):
        guess = _ddim_update(latents, predict(guess, level), level, target)
    return guess


def _refined_downwards(
    predict: Callable, latents: Tensor, level: float, target: float, refine: int
) -> Tensor:
    guess = latents
    for _ in range(refine + 1):
        guess = _ddim_update(latents, predict(guess, target), target, level)
    return guess


def _refined_from_the_guess(
    predict: Callable, latents: Tensor, level: float, target: float, refine: int
) -> Tensor:
    for _ in range(refine + 1):
        latents = _ddim_update(latents, predict(latents, target), level, target)
    return latents


def _never_refined(
    predict: Callable, latents: Tensor, level: float, target: float, refine: int
) -> Tensor:
    return _refined(predict, latents, level, target, 0)


def _one_round_short(
    predict: Callable, latents: Tensor, level: float, target: float, refine: int
) -> Tensor:
    return _refined(predict, latents, level, target, refine - 1)


REFINED_INVERSION = Exercise(
    name="refined_inversion",
    lesson=LESSON,
    title="One step up, refined",
    reference=_refined,
    cases=_inversion_cases,
    misconceptions=(
        Misconception(
            "predicted_at_the_source",
            "You ask the model at the level you come from. The step down will ask it at the "
            "upper end, so ask it there: predict(..., target).",
            _refined_at_the_source,
        ),
        Misconception(
            "went_down",
            "Level and target have changed places: this is the step down. You stand at `level` "
            "and want to reach `target`.",
            _refined_downwards,
        ),
        Misconception(
            "stepped_from_the_guess",
            "Each round moved on from the last guess, so you went up more than one step. Every "
            "round starts again from `latents`; only the prediction is new.",
            _refined_from_the_guess,
        ),
        Misconception(
            "never_refined",
            "The first step is right, but the refinements changed nothing. Predict the noise "
            "anew, from the guess and not from `latents`.",
            _never_refined,
        ),
        Misconception(
            "one_round_short",
            "You made one round too few. With refine=0 there is one prediction, and each "
            "refinement adds another.",
            _one_round_short,
        ),
    ),
)


EXERCISES: tuple[Exercise, ...] = (
    FORWARD_NOISE,
    SIGNAL_TO_NOISE,
    MIXTURE_NOISE,
    CHAIN_VARIANCE,
    DDIM_UPDATE,
    REFINED_INVERSION,
)

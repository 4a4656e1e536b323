"""Adding noise, and how much signal is left (Eq. 5)."""

from __future__ import annotations

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.inputs import DTYPES
from classroom.exercises.variations import Variation
from lessons.ddim_inversion.exercises.shared import LESSON, falling_alphas, pair, shapes

# Adding noise


def _noising_cases(generator: torch.Generator) -> list[Case]:
    cases = [
        Case(
            f"shape {shape}, timestep {timestep} of 10, {name}",
            (*pair(shape, dtype, generator), falling_alphas(10, dtype), timestep),
        )
        for (shape, dtype, name), timestep in zip(shapes(), (0, 4, 9, 1, 5, 8))
    ]
    for label, alpha in (("hardly any noise", 0.999999), ("hardly any signal", 1e-3)):
        alphas = torch.full((3,), alpha, dtype=torch.float64)
        images = pair((2, 3), torch.float64, generator)
        cases.append(Case(f"{label}, timestep 1 of 3, float64", (*images, alphas, 1)))
    return cases


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


def _noised_from_the_end(original: Tensor, noise: Tensor, alphas: Tensor, timestep: int) -> Tensor:
    level = alphas[timestep:].prod()
    return level.sqrt() * original + (1 - level).sqrt() * noise


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
        Misconception(
            "product_from_the_end",
            "You multiplied the alphas from timestep t on. What has been at work at timestep t "
            "are those from 0 up to it.",
            _noised_from_the_end,
        ),
    ),
    variations=(
        Variation(
            "original and noise 30 times as large",
            lambda a: (30 * a[0], 30 * a[1], *a[2:]),
            lambda value, arguments: 30 * value,
        ),
    ),
)


def _ratio_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in DTYPES.items():
        cases += [Case(f"{n} alphas, {name}", (falling_alphas(n, dtype),)) for n in (2, 5, 40)]
        for label, alphas in (
            ("hardly any noise", (0.999, 0.99)),
            ("all noise", (0.2, 0.01, 0.001, 1e-4)),
        ):
            cases.append(Case(f"{label}, {name}", (torch.tensor(alphas, dtype=dtype),)))
    return cases


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
        Misconception(
            "product_of_the_betas",
            "You multiplied the shares of noise of all steps. Noise adds up: what is left of it "
            "is 1 less the running product of the alphas.",
            lambda alphas: alphas.cumprod(0) / (1 - alphas).cumprod(0),
        ),
    ),
)

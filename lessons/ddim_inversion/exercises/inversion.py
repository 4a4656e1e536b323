"""DDIM down and up (arXiv 2010.02502, Eq. 12)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.variations import Variation
from lessons.ddim_inversion.exercises.shared import LESSON, pair, shapes

# DDIM, down and up


def _update_cases(generator: torch.Generator) -> list[Case]:
    ways = ((0.5, 0.8), (0.9, 1.0), (0.05, 0.3), (0.8, 0.5), (1.0, 0.6), (0.3, 0.3))
    return [
        Case(
            f"from level {level} to {target}, shape {shape}, {name}",
            (*pair(shape, dtype, generator), level, target),
        )
        for (shape, dtype, name), (level, target) in zip(shapes(), ways)
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


def _update_divided_too_early(
    latents: Tensor, noise: Tensor, level: float, target: float
) -> Tensor:
    clean = latents / level**0.5 - (1 - level) ** 0.5 * noise
    return target**0.5 * clean + (1 - target) ** 0.5 * noise


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
        Misconception(
            "divided_before_subtracting",
            "You divided the latents by the root of the level and subtracted the noise undivided. "
            "The whole bracket, latents less noise, is divided.",
            _update_divided_too_early,
        ),
    ),
    variations=(
        Variation(
            "latents and noise 30 times as large",
            lambda a: (30 * a[0], 30 * a[1], *a[2:]),
            lambda value, arguments: 30 * value,
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
            (predict, pair(shape, dtype, generator)[0], level, target, refine),
        )
        for (shape, dtype, name), (predict, level, target, refine) in zip(
            shapes(),
            (
                (_shrinking, 0.9, 0.5, 0),
                (_waves, 0.9, 0.5, 1),
                (_waves, 0.95, 0.6, 2),
                (_waves, 0.9, 0.5, 0),
                (_shrinking, 0.6, 0.2, 2),
                (_waves, 0.6, 0.2, 7),
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

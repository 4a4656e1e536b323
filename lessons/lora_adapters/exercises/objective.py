"""Exercises of lesson 09 on the objective: its weights, and a temporal loss that trains nothing.

Eqs. 3 to 6. The temporal loss here is the reading of the code that He et al. 2025 released: two
neighbouring frames, two diffusion times.
"""

from __future__ import annotations

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.inputs import DTYPES, normal
from lessons.lora_adapters.exercises.shared import LESSON

# The weights


def _total_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in DTYPES.items():
        for blocks, frames, weights in (
            (1, 1, (1.0, 0.01)),
            (3, 2, (1.0, 0.01)),
            (3, 4, (0.01, 1.0)),
            (8, 2, (2.0, 0.5)),
            (2, 3, (70.0, 300.0)),
        ):
            temporal = normal(generator, dtype, blocks).abs()
            noise, predicted = (normal(generator, dtype, frames, 4, 2, 2) for _ in range(2))
            label = f"{blocks} block(s), {frames} frame(s), weights {weights}, {name}"
            cases.append(Case(label, (temporal, noise, predicted, *weights)))
    return cases


def _total(
    temporal: Tensor,
    noise: Tensor,
    predicted: Tensor,
    temporal_weight: float,
    diffusion_weight: float,
) -> Tensor:
    diffusion = (noise - predicted).square().mean()
    return temporal_weight * temporal.mean() + diffusion_weight * diffusion


def _weights_of_the_paper(temporal: Tensor, noise: Tensor, predicted: Tensor, *_: float) -> Tensor:
    return _total(temporal, noise, predicted, 1.0, 0.01)


def _sum_of_squares(t: Tensor, noise: Tensor, predicted: Tensor, u: float, v: float) -> Tensor:
    return u * t.mean() + v * (noise - predicted).square().sum()


def _sum_for_each_frame(t: Tensor, noise: Tensor, predicted: Tensor, u: float, v: float) -> Tensor:
    return u * t.mean() + v * (noise - predicted).square().flatten(1).sum(1).mean()


TOTAL_LOSS = Exercise(
    name="total_loss",
    lesson=LESSON,
    title="The two terms and their weights",
    reference=_total,
    cases=_total_cases,
    misconceptions=(
        Misconception(
            "swapped_the_weights",
            "The weights have changed places. The first belongs to the temporal term.",
            lambda t, noise, predicted, u, v: _total(t, noise, predicted, v, u),
        ),
        Misconception(
            "weights_of_the_paper",
            "You wrote the weights 1 and 0.01 into the code. Use the two that are given: released "
            "code has others.",
            _weights_of_the_paper,
        ),
        Misconception(
            "sum_over_blocks",
            "You add the temporal losses of all blocks. Take their mean, so that a further block "
            "does not change the balance of the two terms.",
            lambda t, noise, predicted, u, v: _total(t.sum(), noise, predicted, u, v),
        ),
        Misconception(
            "sum_of_squares",
            "You add the squares of all numbers. Take the mean over frames and numbers.",
            _sum_of_squares,
        ),
        Misconception(
            "sum_for_each_frame",
            "You add the squares of each frame, as Eq. 5 is printed, and take the mean over "
            "frames only. The task is a mean over all numbers, as code has it.",
            _sum_for_each_frame,
        ),
        Misconception(
            "absolute_error",
            "You measure absolute differences. Eq. 5 squares them.",
            lambda t, noise, predicted, u, v: u * t.mean() + v * (noise - predicted).abs().mean(),
        ),
        Misconception(
            "divided_by_the_weights",
            "You divide by the sum of the weights. Eq. 6 is a plain weighted sum.",
            lambda t, noise, predicted, u, v: _total(t, noise, predicted, u, v) / (u + v),
        ),
        Misconception(
            "forgot_the_weights",
            "You added the two terms as they are. Each has a weight of its own.",
            lambda temporal, noise, predicted, temporal_weight, diffusion_weight: (
                temporal.mean() + (noise - predicted).square().mean()
            ),
        ),
        Misconception(
            "square_of_the_mean",
            "You squared the mean of the differences, in which they cancel. Square each of them "
            "first.",
            lambda temporal, noise, predicted, temporal_weight, diffusion_weight: (
                temporal_weight * temporal.mean()
                + diffusion_weight * (noise - predicted).mean().square()
            ),
        ),
    ),
    returns="number",
)


# The loss that trains nothing


def _feature_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in DTYPES.items():
        for shape in ((2, 1, 2), (2, 3, 4), (3, 4, 2), (5, 4, 3)):
            first, second = (normal(generator, dtype, *shape) for _ in range(2))
            # A common part, as features have one, so that no similarity is near 0.
            pair = [(1.0 + part).requires_grad_() for part in (first, second)]
            cases.append(Case(f"{shape[0]} frames, features {shape}, {name}", tuple(pair)))
    return cases


def _similarity(f: Tensor, g: Tensor) -> Tensor:
    return torch.cosine_similarity(f.flatten(), g.flatten(), dim=0)


def _similarities(features: Tensor) -> Tensor:
    return torch.stack([_similarity(f, g) for f, g in zip(features, features[1:])])


def _with_slope(loss: Tensor, early: Tensor) -> tuple[Tensor, Tensor]:
    return loss, torch.autograd.grad(loss, early)[0]


def _two_times(early: Tensor, late: Tensor) -> tuple[Tensor, Tensor]:
    loss = (_similarities(early) - _similarities(late)).square().mean()
    return _with_slope(loss, early)


def _difference_of_cosines(early: Tensor, late: Tensor, axis: int) -> Tensor:
    """Return the mean squared difference of many cosines, each along one axis of the features."""
    first, second = (
        torch.cosine_similarity(features[:-1], features[1:], dim=axis) for features in (early, late)
    )
    return (first - second).square().mean()


# What follows are plain functions, so that the site can show their code.


def _single_numbers(early: Tensor, late: Tensor) -> tuple[Tensor, Tensor]:
    loss = _difference_of_cosines(early[:, None], late[:, None], axis=1)
    return _with_slope(loss, early)


def _along_the_channels(early: Tensor, late: Tensor) -> tuple[Tensor, Tensor]:
    return _with_slope(_difference_of_cosines(early, late, axis=2), early)


def _along_the_positions(early: Tensor, late: Tensor) -> tuple[Tensor, Tensor]:
    return _with_slope(_difference_of_cosines(early, late, axis=1), early)


def _mean_then_square(early: Tensor, late: Tensor) -> tuple[Tensor, Tensor]:
    loss = (_similarities(early) - _similarities(late)).mean().square()
    return _with_slope(loss, early)


def _sum_of_pairs(early: Tensor, late: Tensor) -> tuple[Tensor, Tensor]:
    loss = (_similarities(early) - _similarities(late)).square().sum()
    return _with_slope(loss, early)


def _across_times(early: Tensor, late: Tensor) -> tuple[Tensor, Tensor]:
    similarities = torch.stack([_similarity(f, g) for f, g in zip(early, late)])
    return _with_slope((similarities - 1).square().mean(), early)


def _cut_off(early: Tensor, late: Tensor) -> tuple[Tensor, Tensor]:
    loss = (_similarities(early.detach()) - _similarities(late)).square().mean()
    return _with_slope(loss, early)


MEND_THE_LOSS = Exercise(
    name="mend_the_loss",
    lesson=LESSON,
    title="Mend the loss",
    reference=_two_times,
    cases=_feature_cases,
    misconceptions=(
        Misconception(
            "single_numbers",
            "The cosine still runs over an axis of length 1. So it is only the sign of a product, "
            "and a sign has no slope: the gradient is 0. Which axis did the batch of one become?",
            _single_numbers,
        ),
        Misconception(
            "along_the_channels",
            "You take one cosine at each position, over the channels. It trains, and it may be "
            "what the released code had in mind. Eq. 3 takes one cosine of whole frames.",
            _along_the_channels,
        ),
        Misconception(
            "along_the_positions",
            "You take one cosine for each channel, over the positions. Eq. 3 takes one cosine of "
            "whole frames.",
            _along_the_positions,
        ),
        Misconception(
            "across_times",
            "You compare each frame with itself at the other time. Compare neighbouring frames at "
            "each time, and then the two similarities.",
            _across_times,
        ),
        Misconception(
            "squared_the_mean",
            "You take the mean of the differences and square it. Differences of both signs then "
            "cancel. Square first.",
            _mean_then_square,
        ),
        Misconception(
            "sum_of_pairs",
            "You add over the pairs of neighbours. Take the mean.",
            _sum_of_pairs,
        ),
        Misconception(
            "gradient_cut_off",
            "The loss is cut off from the features (by .detach(), .item() or no_grad), so nothing "
            "can be trained on it. autograd at least says so.",
            _cut_off,
        ),
    ),
    returns="tensors",
)

"""The temporal loss of a clip (Eq. 19)."""

from __future__ import annotations

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.inputs import SCALE_FREE, SHORT, frames_reversed
from lessons.temporal_loss.exercises.shared import LESSON, clips, neighbour_similarities

# The loss


def _loss_cases(generator: torch.Generator) -> list[Case]:
    return [Case(label, (features,)) for label, features in clips(generator)]


def temporal_loss(features: Tensor) -> Tensor:
    return neighbour_similarities(features).diff().square().sum() / (len(features) - 1)


def _mean_over_differences(features: Tensor) -> Tensor:
    return neighbour_similarities(features).diff().square().mean()


def _sum_of_differences(features: Tensor) -> Tensor:
    return neighbour_similarities(features).diff().square().sum()


def _absolute_differences(features: Tensor) -> Tensor:
    return neighbour_similarities(features).diff().abs().sum() / (len(features) - 1)


def _differences_of_frames(features: Tensor) -> Tensor:
    return features.diff(dim=0).square().sum() / (len(features) - 1)


def _distance_from_one(features: Tensor) -> Tensor:
    return (1 - neighbour_similarities(features)).square().sum() / (len(features) - 1)


def _padded_with_one(features: Tensor) -> Tensor:
    similarities = neighbour_similarities(features)
    padded = torch.cat([torch.ones_like(similarities[:1]), similarities])
    return padded.diff().square().sum() / (len(features) - 1)


def _cosine_by_position(features: Tensor) -> Tensor:
    cosines = torch.nn.functional.cosine_similarity(features[:-1], features[1:], dim=1)
    return cosines.flatten(1).mean(1).diff().square().sum() / (len(features) - 1)


LOSS_OF_CLIP = Exercise(
    name="loss_of_clip",
    lesson=LESSON,
    title="The loss of a clip",
    reference=temporal_loss,
    cases=_loss_cases,
    misconceptions=(
        Misconception(
            "mean_over_differences",
            "You divide by the number of differences, T-2, as a mean does. Eq. 19 has T-2 terms "
            "and yet the divisor T-1.",
            _mean_over_differences,
        ),
        Misconception(
            "forgot_the_divisor",
            "The sum is right, but it is not divided. Eq. 19 has 1/(T-1) in front.",
            _sum_of_differences,
        ),
        Misconception(
            "absolute_differences",
            "You add absolute differences. Eq. 19 adds their squares.",
            _absolute_differences,
        ),
        Misconception(
            "differences_of_frames",
            "You compare the frames themselves. The loss compares their similarities: first one "
            "cosine for each pair of neighbours, then differences of the cosines.",
            _differences_of_frames,
        ),
        Misconception(
            "distance_from_one",
            "You measure how far each similarity is from 1. Eq. 19 measures how far it is from "
            "the similarity before it.",
            _distance_from_one,
        ),
        Misconception(
            "padded_with_one",
            "You count a similarity before the first frame, s_0 = 1. That is one way to read "
            "Eq. 4; Eq. 19 starts at t = 2 and uses frames that exist.",
            _padded_with_one,
        ),
        Misconception(
            "cosine_by_position",
            "Each pair of frames got many cosines, one for each position, and their mean. Sim "
            "is one cosine of whole frames: flatten all axes but the first.",
            _cosine_by_position,
        ),
        Misconception(
            "squared_the_sum",
            "You added the differences and squared the sum, so that they cancel: what is left "
            "is last less first. Square each one.",
            lambda features: (
                neighbour_similarities(features).diff().sum().square() / (len(features) - 1)
            ),
        ),
        Misconception(
            "variance_of_the_similarities",
            "This is a variance: how far similarities are from their mean. The loss asks how "
            "far each is from the next.",
            lambda features: neighbour_similarities(features).var(),
        ),
    ),
    returns="number",
    variations=(frames_reversed(), SCALE_FREE, SHORT),
)

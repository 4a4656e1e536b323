"""A clip that flickers and costs nothing (Lemma 4.5)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception, Property, by_properties
from lessons.temporal_loss.exercises.loss import temporal_loss
from lessons.temporal_loss.exercises.shared import LESSON, neighbour_similarities, planar

# A clip that flickers and costs nothing


def _flicker_cases(generator: torch.Generator) -> list[Case]:
    pairs = [(3, 0.5), (4, 0.0), (5, -0.5), (8, 0.9), (12, -1.0), (6, 0.999), (30, 0.97)]
    drawn = 2 * torch.rand(3, generator=generator, dtype=torch.float64) - 1
    pairs += [(7, round(most, 3)) for most in drawn.tolist()]
    return [
        Case(f"{n_frames} frames, similarities at most {most}", (n_frames, most))
        for n_frames, most in pairs
    ]


def _invisible_flicker(n_frames: int, most: float) -> Tensor:
    return planar(torch.arange(n_frames, dtype=torch.float64) * math.acos(most))


def _is_a_clip(arguments: tuple, features: Tensor) -> str | None:
    n_frames = arguments[0]
    if features.ndim < 2 or len(features) != n_frames or not features.is_floating_point():
        return (
            f"a clip of {n_frames} frames is a floating-point tensor ({n_frames}, ...) with two "
            f"axes or more, but {tuple(features.shape)}, {features.dtype} came"
        )
    if not features.isfinite().all() or (features.flatten(1).norm(dim=1) == 0).any():
        return "a frame is zero or not finite, and such a frame has no cosine"
    return None


def _neighbours_differ(arguments: tuple, features: Tensor) -> str | None:
    if _is_a_clip(arguments, features):
        return None  # the first property has said so
    largest = neighbour_similarities(features.double()).max().item()
    if largest <= arguments[1] + 1e-5:
        return None
    return f"two neighbours have similarity {largest:.7g}, more than the {arguments[1]} allowed"


def _loss_is_zero(arguments: tuple, features: Tensor) -> str | None:
    if _is_a_clip(arguments, features):
        return None
    similarities = neighbour_similarities(features.double())
    if similarities.diff().abs().max() <= 1e-5:
        return None
    loss = temporal_loss(features.double()).item()
    return (
        f"the loss is {loss:.3g} and not 0: the similarities run from "
        f"{similarities.min().item():.4f} to {similarities.max().item():.4f}"
    )


def _still_frames(n_frames: int, most: float) -> Tensor:
    return torch.ones(n_frames, 2, dtype=torch.float64)


def _brightness_flicker(n_frames: int, most: float) -> Tensor:
    brightness = 1.0 + torch.arange(n_frames, dtype=torch.float64) % 2
    return brightness[:, None] * torch.tensor([1.0, 1.0], dtype=torch.float64)


def _random_frames(n_frames: int, most: float) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n_frames, 64, generator=generator, dtype=torch.float64)


def _held_for_two(n_frames: int, most: float) -> Tensor:
    signs = 1.0 - 2.0 * (torch.arange(n_frames) // 2 % 2)
    return signs[:, None].double() * torch.tensor([1.0, 0.0], dtype=torch.float64)


def _is_still(arguments: tuple, features: Tensor) -> bool:
    return _is_a_clip(arguments, features) is None and bool((features == features[:1]).all())


def _changes_only_length(arguments: tuple, features: Tensor) -> bool:
    if _is_a_clip(arguments, features) or _is_still(arguments, features):
        return False
    return bool((neighbour_similarities(features.double()) > 1 - 1e-6).all())


def _turns_by_the_cosine(arguments: tuple, features: Tensor) -> bool:
    if _is_a_clip(arguments, features):
        return False
    wanted = math.cos(arguments[1])
    return bool((neighbour_similarities(features.double()) - wanted).abs().max() < 1e-5)


def _cosine_as_angle(n_frames: int, most: float) -> Tensor:
    return planar(torch.arange(n_frames, dtype=torch.float64) * most)


INVISIBLE_FLICKER = Exercise(
    name="invisible_flicker",
    lesson=LESSON,
    title="A flicker that costs nothing",
    reference=_invisible_flicker,
    cases=_flicker_cases,
    misconceptions=(
        Misconception(
            "still_frames",
            "A still clip has loss 0, but its neighbours are equal. Find one that moves and "
            "still has equal similarities.",
            _still_frames,
            matches=_is_still,
        ),
        Misconception(
            "brightness_flicker",
            "Only the length of the frames changes. A cosine does not see length, so the "
            "similarity stays 1. Change the direction.",
            _brightness_flicker,
            matches=_changes_only_length,
        ),
        Misconception(
            "random_frames",
            "Random frames differ, but their similarities differ from each other too, and that "
            "is what the loss counts.",
            _random_frames,
        ),
        Misconception(
            "held_for_two_frames",
            "Two equal frames and then a flip: the similarities jump between 1 and -1. A flip "
            "after every frame keeps them equal.",
            _held_for_two,
        ),
        Misconception(
            "cosine_used_as_angle",
            "You turn by the number `most`. It is a cosine; the angle is its arc cosine.",
            _cosine_as_angle,
            matches=_turns_by_the_cosine,
        ),
    ),
    properties=(
        Property("a clip of the right length", _is_a_clip),
        Property("neighbours differ", _neighbours_differ),
        Property("the loss is zero", _loss_is_zero),
    ),
    compare=by_properties,
)

"""The similarity of neighbours in a clip (Eq. 18)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.inputs import SCALE_FREE, SHORT, frames_reversed
from lessons.cosine_similarity.exercises.shared import LESSON


def _clips(generator: torch.Generator) -> list[Case]:
    cases = []
    for shape, dtype in (
        ((2, 3), torch.float64),
        ((3, 2, 2), torch.float64),
        ((6, 10), torch.float32),
        ((5, 3, 4, 6), torch.float64),
    ):
        clip = torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
        name = str(dtype).removeprefix("torch.")
        cases.append(Case(f"random clip of shape {shape}, {name}", (clip,)))
    grows = clip * torch.logspace(-1, 2, 5, dtype=clip.dtype).reshape(5, 1, 1, 1)
    still = torch.ones(4, 1, 2, 2)
    flips = still * torch.tensor([1.0, -1.0, 1.0, 1.0]).reshape(4, 1, 1, 1)
    return [
        *cases,
        Case("a clip that brightens a thousandfold, float64", (grows,)),
        Case("a still clip, float32", (still,)),
        Case("a clip that turns negative once, float32", (flips,)),
    ]


def _row_cosines(left: Tensor, right: Tensor) -> Tensor:
    left, right = left.flatten(1), right.flatten(1)
    return (left * right).sum(1) / (left.norm(dim=1) * right.norm(dim=1))


def _adjacent(features: Tensor) -> Tensor:
    return _row_cosines(features[:-1], features[1:])


def _by_position(features: Tensor) -> Tensor:
    return functional.cosine_similarity(features[:-1], features[1:], dim=1)


def _one_norm_twice(features: Tensor) -> Tensor:
    rows = features.flatten(1)
    return (rows[:-1] * rows[1:]).sum(1) / rows[:-1].square().sum(1)


ADJACENT_SIMILARITY = Exercise(
    name="adjacent_similarity",
    lesson=LESSON,
    title="The similarities of a clip",
    reference=_adjacent,
    cases=_clips,
    misconceptions=(
        Misconception(
            "compared_with_the_first_frame",
            "You compared every frame with the first one. s_t compares frame t with frame t + 1.",
            lambda x: _row_cosines(x[:1].expand_as(x[1:]), x[1:]),
        ),
        Misconception(
            "compared_with_itself",
            "All your numbers are 1: each frame was compared with itself. One of the two slices "
            "must start one frame later.",
            lambda x: _row_cosines(x[:-1], x[:-1]),
        ),
        Misconception(
            "closed_the_circle",
            "`torch.roll` puts the last frame before the first, so you have T numbers. A clip "
            "has a first and a last frame and T - 1 pairs: use the slices [:-1] and [1:].",
            lambda x: _row_cosines(x, x.roll(-1, 0)),
        ),
        Misconception(
            "dropped_the_wrong_pair",
            "Your first number compares the first frame with the last one: `torch.roll` joined "
            "them. Use the slices [:-1] and [1:].",
            lambda x: _row_cosines(x, x.roll(1, 0))[:-1],
        ),
        Misconception(
            "a_cosine_for_every_position",
            "dim=1 adds over one axis and leaves the others, so each pair has many cosines. "
            "Flatten all axes but the first: features.flatten(1).",
            _by_position,
        ),
        Misconception(
            "mean_of_position_cosines",
            "Each pair got the mean of many cosines, one for each position. Flatten all axes but "
            "the first, then take one cosine a pair.",
            lambda x: _by_position(x).reshape(len(x) - 1, -1).mean(1),
        ),
        Misconception(
            "norm_of_the_whole_clip",
            "You divided by norms over all frames together. Each frame has a norm of its own: "
            "keep the first axis, for example with norm(dim=1) after flatten(1).",
            lambda x: (x[:-1] * x[1:]).flatten(1).sum(1) / (x[:-1].norm() * x[1:].norm()),
        ),
        Misconception(
            "forgot_the_norms",
            "These are inner products. Divide each by the norms of its two frames.",
            lambda x: (x[:-1] * x[1:]).flatten(1).sum(1),
        ),
        Misconception(
            "distance_instead_of_similarity",
            "These are distances, 1 minus the cosine. A still clip must give ones, not zeros.",
            lambda x: 1 - _adjacent(x),
        ),
        Misconception(
            "averaged_over_the_clip",
            "This is the mean over the clip, one number. Wanted are all T - 1 numbers: lesson 02 "
            "needs each of them.",
            lambda x: _adjacent(x).mean(),
        ),
        Misconception(
            "distances_of_neighbours",
            "These are distances, the norms of differences. Eq. 18 is a product over two norms.",
            lambda features: features.flatten(1).diff(dim=0).norm(dim=1),
        ),
        Misconception(
            "one_norm_twice",
            "You divide by the square of the first frame's norm. The second frame has a norm of "
            "its own.",
            _one_norm_twice,
        ),
    ),
    variations=(frames_reversed(lambda value: value.flip(0)), SCALE_FREE, SHORT),
)

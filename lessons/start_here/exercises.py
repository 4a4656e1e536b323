"""Exercises of lesson 00: two short ones, on which a learner sees how a check answers.

They stand for no claim of the paper: the first counts the pairs that Eq. 18 is taken of, the second
is the plainest measure of change between neighbouring frames.
"""

from __future__ import annotations

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.inputs import SCALED, frames_reversed

LESSON = "start_here"


def _count_cases(generator: torch.Generator) -> list[Case]:
    return [Case(f"{n_frames} frames", (n_frames,)) for n_frames in (1, 2, 3, 4, 5, 8, 24, 2500)]


def _neighbour_pairs(n_frames: int) -> int:
    return n_frames - 1


def _one_a_frame(n_frames: int) -> int:
    return n_frames


def _every_pair(n_frames: int) -> int:
    return n_frames * (n_frames - 1) // 2


def _pairs_without_sharing(n_frames: int) -> int:
    return n_frames // 2


def _both_ways(n_frames: int) -> int:
    return 2 * (n_frames - 1)


def _both_ends_missing(n_frames: int) -> int:
    return n_frames - 2


NEIGHBOUR_PAIRS = Exercise(
    name="neighbour_pairs",
    lesson=LESSON,
    title="Count the neighbours",
    reference=_neighbour_pairs,
    cases=_count_cases,
    misconceptions=(
        Misconception(
            "one_a_frame",
            "You counted one pair for every frame. The last frame has no frame after it.",
            _one_a_frame,
        ),
        Misconception(
            "every_pair",
            "You counted every two frames, also those far apart. Neighbours follow each other.",
            _every_pair,
        ),
        Misconception(
            "pairs_without_sharing",
            "You gave each frame to one pair only. A frame in the middle has two neighbours, so it "
            "belongs to two pairs.",
            _pairs_without_sharing,
        ),
        Misconception(
            "both_ways",
            "You counted each pair twice, forwards and backwards. Frames 1 and 2 are one pair.",
            _both_ways,
        ),
        Misconception(
            "both_ends_missing",
            "You are one short. Try it with 2 frames: they are one pair.",
            _both_ends_missing,
        ),
    ),
    returns="number",
)


def _frame_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in ((torch.float64, "float64"), (torch.float32, "float32")):
        # Three frames of one pixel: small enough to follow by hand, and down as well as up.
        tiny = torch.tensor([0.25, 1.0, 0.5], dtype=dtype).reshape(3, 1, 1, 1)
        cases.append(Case(f"3 frames of one pixel, {name}", (tiny,)))
        for shape in ((2, 1, 2, 2), (5, 3, 4, 6), (8, 3, 16, 16)):
            frames = torch.rand(shape, generator=generator, dtype=torch.float64).to(dtype)
            cases.append(Case(f"{shape[0]} random frames of shape {shape[1:]}, {name}", (frames,)))
        still = torch.full((4, 3, 2, 2), 0.5, dtype=dtype)
        cases.append(Case(f"4 equal frames, {name}", (still,)))
    return cases


def _frame_changes(frames: Tensor) -> Tensor:
    return frames.diff(dim=0).abs().flatten(1).mean(1)


def _without_sign(frames: Tensor) -> Tensor:
    return frames.diff(dim=0).flatten(1).mean(1)


def _sign_too_late(frames: Tensor) -> Tensor:
    return _without_sign(frames).abs()


def _from_the_first(frames: Tensor) -> Tensor:
    return (frames[1:] - frames[:1]).abs().flatten(1).mean(1)


def _squared(frames: Tensor) -> Tensor:
    return frames.diff(dim=0).square().flatten(1).mean(1)


def _summed(frames: Tensor) -> Tensor:
    return frames.diff(dim=0).abs().flatten(1).sum(1)


def _closed_ring(frames: Tensor) -> Tensor:
    return (frames.roll(-1, dims=0) - frames).abs().flatten(1).mean(1)


def _one_number(frames: Tensor) -> Tensor:
    return frames.diff(dim=0).abs().mean()


def _relative_changes(frames: Tensor) -> Tensor:
    return _frame_changes(frames) / frames[:-1].abs().flatten(1).mean(1)


FRAME_CHANGES = Exercise(
    name="frame_changes",
    lesson=LESSON,
    title="How much does a frame change?",
    reference=_frame_changes,
    cases=_frame_cases,
    misconceptions=(
        Misconception(
            "kept_the_sign",
            "You added up changes with their sign, so brighter and darker pixels cancel. Take the "
            "absolute value of each.",
            _without_sign,
        ),
        Misconception(
            "absolute_value_after_the_mean",
            "You took the absolute value after the mean. By then, brighter and darker pixels have "
            "cancelled. Take it of each pixel first.",
            _sign_too_late,
        ),
        Misconception(
            "compared_with_the_first",
            "You compared every frame with the first one. Compare it with the frame before it.",
            _from_the_first,
        ),
        Misconception(
            "squared",
            "You took squares. Wanted is the absolute change.",
            _squared,
        ),
        Misconception(
            "summed_over_pixels",
            "You added the pixels up. A mean does not grow when the picture has more pixels.",
            _summed,
        ),
        Misconception(
            "closed_the_ring",
            "You also compared the last frame with the first one, so there is one value too many. "
            "A clip has two ends.",
            _closed_ring,
        ),
        Misconception(
            "one_number_for_the_clip",
            "You took the mean over the pairs as well. Keep one number for each pair.",
            _one_number,
        ),
        Misconception(
            "root_of_the_mean_square",
            "This is the root of the mean square. Wanted is the mean absolute change: no "
            "squares at all.",
            lambda frames: frames.diff(dim=0).square().flatten(1).mean(1).sqrt(),
        ),
        Misconception(
            "colours_added",
            "You added the colours up and took the mean over the pixels. The mean goes over "
            "colours, too.",
            lambda frames: frames.diff(dim=0).abs().sum(1).flatten(1).mean(1),
        ),
        Misconception(
            "share_of_the_frame",
            "You divide by the brightness of the frame. Wanted is the change itself, in the "
            "units of a pixel.",
            _relative_changes,
        ),
    ),
    variations=(frames_reversed(lambda value: value.flip(0)), SCALED),
)


EXERCISES: tuple[Exercise, ...] = (NEIGHBOUR_PAIRS, FRAME_CHANGES)

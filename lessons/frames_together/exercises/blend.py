"""TokenFlow's blend: what weights the key frames around a frame have (arXiv 2307.10373)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception

LESSON = "frames_together"


def _blend_cases(generator: torch.Generator) -> list[Case]:
    """Frames before, at, between and after key frames that stand unevenly."""
    cases = []
    for keys in ([0, 4], [2, 5], [1, 3, 7], [0, 3, 4, 9]):
        start, gap = keys[0], keys[1] - keys[0]
        frames = {keys[0], keys[0] + gap // 2, keys[-1], keys[-1] + 1, max(0, start - 1), keys[-2]}
        cases += [Case(f"key frames {keys}, frame {t}", (t, list(keys))) for t in sorted(frames)]
    many = sorted(torch.randperm(40, generator=generator)[:6].tolist())
    frames = torch.randint(0, 42, (4,), generator=generator).tolist()
    return cases + [Case(f"key frames {many}, frame {t}", (t, list(many))) for t in frames]


def _weights(frame: int, keys: list[int], share) -> Tensor:
    """Return (K,) weights; `share(d_before, d_after)` is that of the key frame before."""
    weights = torch.zeros(len(keys), dtype=torch.float64)
    before = [k for k, key in enumerate(keys) if key <= frame]
    after = [k for k, key in enumerate(keys) if key > frame]
    if not before or not after:
        weights[before[-1] if before else after[0]] = 1.0
        return weights
    first, second = before[-1], after[0]
    share = share(frame - keys[first], keys[second] - frame)
    weights[first], weights[second] = share, 1 - share
    return weights


def _blend(frame: int, keys: list[int]) -> Tensor:
    return _weights(frame, keys, lambda before, after: after / (before + after))


def _nearest(frame: int, keys: list[int]) -> Tensor:
    return _weights(frame, keys, lambda before, after: float(before <= after))


def _over_all(frame: int, keys: list[int]) -> Tensor:
    closeness = torch.tensor([1 / (1 + abs(frame - key)) for key in keys], dtype=torch.float64)
    return closeness / closeness.sum()


def _too_many(arguments: tuple, value: Tensor) -> bool:
    """Return whether all key frames share the 1, or more of them than lie beside the frame."""
    frame, keys = arguments
    beside = 2 if keys[0] <= frame < keys[-1] else 1
    if value.shape != (len(keys),) or abs(float(value.sum()) - 1) > 1e-6 or value.min() < 0:
        return False
    count = int((value > 1e-9).sum())
    return count > beside or count == len(keys)


def _eased(before: int, after: int) -> float:
    share = after / (before + after)
    return share**2 * (3 - 2 * share)


def _zero_outside(frame: int, keys: list[int]) -> Tensor:
    outside = not keys[0] <= frame < keys[-1]
    return torch.zeros(len(keys), dtype=torch.float64) if outside else _blend(frame, keys)


KEY_FRAME_BLEND = Exercise(
    name="key_frame_blend",
    lesson=LESSON,
    title="What weight has a key frame?",
    reference=_blend,
    cases=_blend_cases,
    misconceptions=(
        Misconception(
            "weights_swapped",
            "The farther key frame gets the larger weight. A frame that *is* a key frame must keep "
            "its own output: weight 1.",
            lambda t, keys: _weights(t, keys, lambda before, after: before / (before + after)),
        ),
        Misconception(
            "sigmoid_of_the_weight",
            "There is a sigmoid around your weight. The released code does that, and gives even a "
            "key frame 27 % of its neighbour; the paper's weight is linear in the distance.",
            lambda t, keys: _weights(
                t, keys, lambda before, after: 1 / (1 + math.exp(-after / (before + after)))
            ),
        ),
        Misconception(
            "half_and_half",
            "Both neighbours get a half everywhere. The weight falls with the distance in time.",
            lambda t, keys: _weights(t, keys, lambda before, after: 0.5),
        ),
        Misconception(
            "nearest_only",
            "The nearer key frame takes all. Then the result jumps half way between two of them.",
            _nearest,
        ),
        Misconception(
            "all_key_frames",
            "Too many key frames have a share. Only the two between which the frame lies should, "
            "and outside of all just the nearest.",
            _over_all,
            matches=_too_many,
        ),
        Misconception(
            "nothing_at_the_ends",
            "Before the first and from the last key frame on your weights are all 0. There the one "
            "neighbour has weight 1.",
            _zero_outside,
        ),
        Misconception(
            "reciprocal_distance",
            "You weigh by one over the distance, with one added. Linear weights are simpler and "
            "leave a key frame to itself.",
            lambda t, keys: _weights(
                t, keys, lambda before, after: (1 + after) / (2 + before + after)
            ),
        ),
        Misconception(
            "eased_in_and_out",
            "Your weight eases in and out. It has to be linear in the distance.",
            lambda t, keys: _weights(t, keys, _eased),
        ),
    ),
)

"""What an edit keeps: the clip's own latents where two prompts agree (arXiv 2210.11427, 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.inputs import DTYPES, normal
from classroom.exercises.variations import Variation
from lessons.video_edit.exercises.shared import LESSON


def _keep_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in DTYPES.items():
        # One frame, two channels, three cells; the prompts differ by 0.05, 0.5 and 1 on average.
        edited, clip = torch.ones(1, 2, 1, 3, dtype=dtype), torch.zeros(1, 2, 1, 3, dtype=dtype)
        source = torch.zeros(1, 2, 1, 3, dtype=dtype)
        target = torch.tensor([[0.1, -0.5, 1.2], [0.0, 0.5, 0.8]], dtype=dtype)
        tiny = (edited, clip, source, target.reshape(1, 2, 1, 3), 0.2)
        cases.append(Case(f"1 frame, 2 channels, 3 cells, {name}", tiny))
        for shape, threshold in (((2, 4, 2, 3), 0.5), ((5, 4, 4, 4), 0.3), ((8, 4, 16, 16), 0.15)):
            edited, clip, source = (normal(generator, dtype, *shape) for _ in range(3))
            # The prompts disagree strongly at few cells, and more in later frames.
            spot = normal(generator, dtype, shape[0], 1, *shape[2:]).square()
            strength = torch.linspace(0.1, 0.6, shape[0], dtype=dtype).reshape(-1, 1, 1, 1)
            target = source + strength * spot * normal(generator, dtype, *shape)
            label = f"latents {shape}, threshold {threshold}, {name}"
            cases.append(Case(label, (edited, clip, source, target, threshold)))
        target = torch.cat([target[:4], source[4:]])
        near = source + 1 + 0.1 * normal(generator, dtype, *shape)
        label = f"prompts that disagree everywhere, threshold 0.9, {name}"
        cases.append(Case(label, (edited, clip, source, near, 0.9)))
        label = f"prompts that agree on the last four frames, {name}"
        cases.append(Case(label, (edited, clip, source, target, threshold)))
    return cases


def _magnitude(source: Tensor, target: Tensor) -> Tensor:
    """Return how much two predictions differ at each cell, (T, 1, h, w)."""
    return (source - target).abs().mean(1, keepdim=True)


def _share(magnitude: Tensor) -> Tensor:
    """Return each value as a share of the largest in its frame; 0 where that is 0."""
    largest = magnitude.amax((1, 2, 3), keepdim=True)
    return torch.where(largest > 0, magnitude / largest, torch.zeros_like(magnitude))


def _keep(edited: Tensor, clip: Tensor, source: Tensor, target: Tensor, share: float) -> Tensor:
    return torch.where(_share(_magnitude(source, target)) > share, edited, clip)


def _sides_swapped(
    edited: Tensor, clip: Tensor, source: Tensor, target: Tensor, share: float
) -> Tensor:
    return _keep(clip, edited, source, target, share)


def _signs_cancel(
    edited: Tensor, clip: Tensor, source: Tensor, target: Tensor, share: float
) -> Tensor:
    magnitude = (source - target).mean(1, keepdim=True).abs()
    return torch.where(_share(magnitude) > share, edited, clip)


def _largest_of_the_clip(
    edited: Tensor, clip: Tensor, source: Tensor, target: Tensor, share: float
) -> Tensor:
    magnitude = _magnitude(source, target)
    return torch.where(magnitude > share * magnitude.max(), edited, clip)


def _absolute_threshold(
    edited: Tensor, clip: Tensor, source: Tensor, target: Tensor, share: float
) -> Tensor:
    return torch.where(_magnitude(source, target) > share, edited, clip)


def _channel_by_channel(
    edited: Tensor, clip: Tensor, source: Tensor, target: Tensor, share: float
) -> Tensor:
    return torch.where(_share((source - target).abs()) > share, edited, clip)


def _at_least(edited: Tensor, clip: Tensor, source: Tensor, target: Tensor, share: float) -> Tensor:
    magnitude = _magnitude(source, target)
    largest = magnitude.amax((2, 3), keepdim=True)
    return torch.where(magnitude >= share * largest, edited, clip)


def _blend(edited: Tensor, clip: Tensor, source: Tensor, target: Tensor, share: float) -> Tensor:
    return torch.lerp(clip, edited, _share(_magnitude(source, target)))


def _asked_the_latents(
    edited: Tensor, clip: Tensor, source: Tensor, target: Tensor, share: float
) -> Tensor:
    return torch.where(_share(_magnitude(clip, edited)) > share, edited, clip)


def _nothing_outside(
    edited: Tensor, clip: Tensor, source: Tensor, target: Tensor, share: float
) -> Tensor:
    return _keep(edited, torch.zeros_like(clip), source, target, share)


def _share_of_the_range(
    edited: Tensor, clip: Tensor, source: Tensor, target: Tensor, share: float
) -> Tensor:
    magnitude = _magnitude(source, target)
    least = magnitude.amin((1, 2, 3), keepdim=True)
    return torch.where(_share(magnitude - least) > share, edited, clip)


KEEP_WHERE_PROMPTS_AGREE = Exercise(
    name="keep_where_prompts_agree",
    lesson=LESSON,
    title="Keep what may stay",
    reference=lambda edited, clip, source_prediction, target_prediction, threshold: _keep(
        edited, clip, source_prediction, target_prediction, threshold
    ),
    cases=_keep_cases,
    misconceptions=(
        Misconception(
            "kept_the_wrong_side",
            "You kept the clip where the sentences disagree, so the object stays and the "
            "background changes. A large difference marks what may change.",
            _sides_swapped,
        ),
        Misconception(
            "signs_cancelled",
            "You took the mean over the channels before the absolute value. A channel that rises "
            "then hides one that falls. Absolute values first.",
            _signs_cancel,
        ),
        Misconception(
            "largest_of_the_whole_clip",
            "You compared with the largest difference of the clip. One loud frame then keeps the "
            "others from changing. Each frame has its own largest.",
            _largest_of_the_clip,
        ),
        Misconception(
            "absolute_threshold",
            "You compared the difference with the threshold itself. It is a share: multiply it by "
            "the largest difference of the frame.",
            _absolute_threshold,
        ),
        Misconception(
            "each_channel_for_itself",
            "You decided for each channel by itself. A cell of latents changes as a whole: take "
            "the mean over the channels first.",
            _channel_by_channel,
        ),
        Misconception(
            "agreement_changes_all",
            "Where both sentences predict the same in a whole frame, the largest difference is 0, "
            "and you let all of it change, for 0 >= 0. Ask for more than the threshold.",
            _at_least,
        ),
        Misconception(
            "blended",
            "You mixed clip and edit by the size of the difference. The mask is 0 or 1: a cell is "
            "the clip's own or it is the edit's.",
            _blend,
        ),
        Misconception(
            "compared_the_latents",
            "You compared the edited latents with the clip's. These differ wherever the edit "
            "went astray. Ask the two predictions what the sentences want.",
            _asked_the_latents,
        ),
        Misconception(
            "nothing_outside_the_mask",
            "Outside the mask your latents are 0. Put the clip's own ones there.",
            _nothing_outside,
        ),
        Misconception(
            "range_for_the_largest",
            "You compared with the range, largest less smallest. The threshold is a share of the "
            "largest difference of the frame.",
            _share_of_the_range,
        ),
    ),
    variations=(
        Variation(
            "predictions 50 times as large",
            lambda a: (a[0], a[1], 50 * a[2], 50 * a[3], a[4]),
            lambda value, arguments: value,
        ),
    ),
)

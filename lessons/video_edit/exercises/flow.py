"""The error of a clip along exact flow, which the table calls warping error."""

from __future__ import annotations

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.inputs import DTYPES
from classroom.exercises.variations import Variation
from lessons.video_edit.exercises.shared import LESSON, uniform


def _flow_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in DTYPES.items():
        # Three frames of three pixels, each with one pixel that the next frame hides. (Of two
        # frames, the last one could be left in without a word: one successor fits any number.)
        frames = torch.tensor([[0.2, 0.4, 0.6], [0.9, 0.5, 0.1], [0.3, 0.3, 0.7]], dtype=dtype)
        warped = torch.tensor([[0.9, 0.5, 0.8], [0.8, 0.5, 0.2]], dtype=dtype)
        hidden = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=dtype).reshape(2, 1, 1, 3)
        tiny = [part.reshape(-1, 1, 1, 3).expand(-1, 3, 1, 3).clone() for part in (frames, warped)]
        cases.append(Case(f"3 frames of 3 pixels, {name}", (*tiny, hidden)))
        for n_frames, height, width in ((2, 2, 3), (5, 4, 6), (8, 16, 16)):
            frames = uniform(generator, dtype, n_frames, 3, height, width)
            other = uniform(generator, dtype, n_frames - 1, 3, height, width)
            # Pairs differ in how well they fit, and in how much of them is hidden.
            share = torch.linspace(0.2, 0.9, n_frames - 1, dtype=dtype).reshape(-1, 1, 1, 1)
            drawn = uniform(generator, dtype, n_frames - 1, 1, height, width)
            hidden = (drawn < 0.7 * share).to(dtype)
            hidden[..., 0, 0], hidden[..., -1, -1] = 1, 0
            warped = torch.lerp(frames[:-1], other, share)
            label = f"{n_frames} frames of {height} x {width} pixels, {name}"
            cases.append(Case(label, (frames, warped, hidden)))
        label = f"8 frames, nothing hidden, {name}"
        cases.append(Case(label, (frames, warped, torch.zeros_like(hidden))))
        # What is seen follows the flow exactly: the right answer is 0.
        perfect = torch.where(hidden > 0, warped, frames[:-1])
        cases.append(Case(f"8 frames that follow the flow, {name}", (frames, perfect, hidden)))
    return cases


def _seen(squared: Tensor, occlusion: Tensor) -> Tensor:
    """Return the mean of differences (T-1, 3, H, W) over what is not hidden."""
    return squared[(occlusion == 0).expand_as(squared)].mean()


def _along_flow(frames: Tensor, warped_next: Tensor, occlusion: Tensor) -> Tensor:
    return _seen((frames[:-1] - warped_next).square(), occlusion)


def _hidden_counted(frames: Tensor, warped_next: Tensor, occlusion: Tensor) -> Tensor:
    return (frames[:-1] - warped_next).square().mean()


def _all_values(frames: Tensor, warped_next: Tensor, occlusion: Tensor) -> Tensor:
    return ((frames[:-1] - warped_next).square() * (1 - occlusion)).mean()


def _only_the_hidden(frames: Tensor, warped_next: Tensor, occlusion: Tensor) -> Tensor:
    return _seen((frames[:-1] - warped_next).square(), 1 - occlusion)


def _absolute_along_flow(frames: Tensor, warped_next: Tensor, occlusion: Tensor) -> Tensor:
    return _seen((frames[:-1] - warped_next).abs(), occlusion)


def _not_warped(frames: Tensor, warped_next: Tensor, occlusion: Tensor) -> Tensor:
    return _seen((frames[:-1] - frames[1:]).square(), occlusion)


def _against_its_own_warp(frames: Tensor, warped_next: Tensor, occlusion: Tensor) -> Tensor:
    return _seen((frames[1:] - warped_next).square(), occlusion)


def _pairs_alike(frames: Tensor, warped_next: Tensor, occlusion: Tensor) -> Tensor:
    squared = (frames[:-1] - warped_next).square()
    return torch.stack([_seen(*pair) for pair in zip(squared, occlusion)]).mean()


def _channels_added(frames: Tensor, warped_next: Tensor, occlusion: Tensor) -> Tensor:
    return frames.shape[1] * _along_flow(frames, warped_next, occlusion)


ERROR_ALONG_FLOW = Exercise(
    name="error_along_flow",
    lesson=LESSON,
    title="The error along the flow",
    reference=_along_flow,
    cases=_flow_cases,
    misconceptions=(
        Misconception(
            "hidden_points_counted",
            "You counted points that the next frame does not show. Flow leads there to something "
            "else, and the difference is nobody's fault. Leave them out.",
            _hidden_counted,
        ),
        Misconception(
            "divided_by_all_pixels",
            "You set hidden points to 0 and divided by all. They then count as perfect. Divide by "
            "the number of values that are seen.",
            _all_values,
        ),
        Misconception(
            "only_the_hidden_points",
            "You kept the hidden points and left out the others. Occlusion is 1 where a point is "
            "hidden: what is seen is 1 - occlusion.",
            _only_the_hidden,
        ),
        Misconception(
            "absolute_error",
            "You took absolute differences. The warping error is a mean of squares.",
            _absolute_along_flow,
        ),
        Misconception(
            "not_warped",
            "You compared neighbouring frames as they are, so honest motion counts as an error. "
            "Take `warped_next`, the next frame moved back.",
            _not_warped,
        ),
        Misconception(
            "against_its_own_warp",
            "You compared frame t+1 with itself, moved back: that measures the motion. "
            "`warped_next[t]` belongs beside `frames[t]`.",
            _against_its_own_warp,
        ),
        Misconception(
            "pairs_counted_alike",
            "You took the mean of each pair of frames, and then the mean of these. Take one mean "
            "over all that is seen, so that each point counts the same.",
            _pairs_alike,
        ),
        Misconception(
            "channels_added",
            "You added over the three colours and divided by the number of points. Take the mean "
            "over colours too.",
            _channels_added,
        ),
        Misconception(
            "root_of_the_error",
            "You took the root at the end. The warping error is the mean square itself.",
            lambda *arguments: _along_flow(*arguments).sqrt(),
        ),
    ),
    returns="number",
    variations=(
        Variation(
            "10 times as bright",
            lambda a: (10 * a[0], 10 * a[1], a[2]),
            lambda value, arguments: 100 * value,
        ),
    ),
)

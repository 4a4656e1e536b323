"""The PSNR of what an edit should keep, its background (the table of the lesson)."""

from __future__ import annotations

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.inputs import DTYPES
from classroom.exercises.variations import Variation
from lessons.video_edit.exercises.shared import LESSON, one_of, uniform


def _coverage(generator: torch.Generator, dtype: torch.dtype, *shape: int) -> Tensor:
    """Return masks in which about a third is background, a third in part covered, a third object.

    The first pixel of each frame is background and its last one object.
    """
    mask = (3 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1).clamp(0, 1)
    mask[..., 0, 0], mask[..., -1, -1] = 0, 1
    return mask.to(dtype)


def _background_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in DTYPES.items():
        # Background, edge and object, one pixel each: small enough to follow by hand.
        source = torch.full((1, 3, 1, 3), 0.5, dtype=dtype)
        change = torch.tensor([0.1, 0.2, 0.4], dtype=dtype)
        mask = torch.tensor([0.0, 0.4, 1.0], dtype=dtype).reshape(1, 1, 1, 3)
        cases.append(Case(f"1 frame of 3 pixels, {name}", (source + change, source, mask)))
        for n_frames, height, width in ((2, 2, 3), (5, 4, 6), (8, 16, 16)):
            frames, source = uniform(generator, dtype, 2, n_frames, 3, height, width)
            mask = _coverage(generator, dtype, n_frames, 1, height, width)
            label = f"{n_frames} frames of {height} x {width} pixels, {name}"
            # Frames differ in quality, so that a mean over frames shows.
            share = torch.linspace(0.1, 1, n_frames, dtype=dtype).reshape(-1, 1, 1, 1)
            cases.append(Case(label, (torch.lerp(source, frames, share), source, mask)))
        near = torch.lerp(source, frames, 0.01)  # a background that is kept well: above 40 dB
        cases.append(Case(f"8 frames, a background kept well, {name}", (near, source, mask)))
        without = torch.cat([mask[:4], torch.zeros_like(mask[4:])])
        label = f"8 frames, the object leaves after the fourth, {name}"
        cases.append(Case(label, (*cases[-2].arguments[:2], without)))
    return cases


def _decibels(squared: Tensor, weight: Tensor) -> Tensor:
    """Return the PSNR of squared differences (T, 3, H, W), each counted by its weight."""
    weight = weight.to(squared.dtype).expand_as(squared)
    return -10 * ((squared * weight).sum() / weight.sum()).log10()


def _error(frames: Tensor, source: Tensor, mask: Tensor) -> Tensor:
    """Return the mean squared difference over the background."""
    outside = (mask <= 0).expand_as(frames)
    return (frames - source).square()[outside].mean()


def _background(frames: Tensor, source: Tensor, mask: Tensor) -> Tensor:
    return -10 * _error(frames, source, mask).log10()


def _whole_frame(frames: Tensor, source: Tensor, mask: Tensor) -> Tensor:
    return _decibels((frames - source).square(), torch.ones_like(mask))


def _object(frames: Tensor, source: Tensor, mask: Tensor) -> Tensor:
    return _decibels((frames - source).square(), mask > 0)


def _object_by_coverage(frames: Tensor, source: Tensor, mask: Tensor) -> Tensor:
    return _decibels((frames - source).square(), mask)


def _covered_wholly(frames: Tensor, source: Tensor, mask: Tensor) -> Tensor:
    return _decibels((frames - source).square(), mask >= 1)


def _with_the_edge(frames: Tensor, source: Tensor, mask: Tensor) -> Tensor:
    return _decibels((frames - source).square(), mask < 1)


def _edge_by_coverage(frames: Tensor, source: Tensor, mask: Tensor) -> Tensor:
    return _decibels((frames - source).square(), 1 - mask)


def _edge_by_half(frames: Tensor, source: Tensor, mask: Tensor) -> Tensor:
    return _decibels((frames - source).square(), mask < 0.5)


def _each_frame(frames: Tensor, source: Tensor, mask: Tensor) -> Tensor:
    return torch.stack([_error(*frame) for frame in zip(frames, source, mask)])


def _mean_of_decibels(frames: Tensor, source: Tensor, mask: Tensor) -> Tensor:
    return (-10 * _each_frame(frames, source, mask).log10()).mean()


def _frames_alike(frames: Tensor, source: Tensor, mask: Tensor) -> Tensor:
    return -10 * _each_frame(frames, source, mask).mean().log10()


def _all_pixels(frames: Tensor, source: Tensor, mask: Tensor) -> Tensor:
    return -10 * ((frames - source).square() * (mask <= 0)).mean().log10()


def _without_channels(frames: Tensor, source: Tensor, mask: Tensor) -> Tensor:
    return -10 * (_error(frames, source, mask) * frames.shape[1]).log10()


def _absolute(frames: Tensor, source: Tensor, mask: Tensor) -> Tensor:
    outside = (mask <= 0).expand_as(frames)
    return -10 * (frames - source).abs()[outside].mean().log10()


BACKGROUND_PSNR_OF_EDIT = Exercise(
    name="background_psnr_of_edit",
    lesson=LESSON,
    title="The background, in decibels",
    reference=_background,
    cases=_background_cases,
    misconceptions=(
        Misconception(
            "whole_frame",
            "You counted every pixel. The object is meant to change: leave it out, with the mask.",
            _whole_frame,
        ),
        Misconception(
            "object_instead",
            "You measured the object. The mask is above 0 where the object is; the background is "
            "where it is 0.",
            _object,
            one_of(_object, _object_by_coverage, _covered_wholly),
        ),
        Misconception(
            "edge_counted",
            "You counted pixels at the object's edge, which it covers in part. They change with "
            "the object. Only a mask of exactly 0 is background.",
            _with_the_edge,
            one_of(_with_the_edge, _edge_by_coverage, _edge_by_half),
        ),
        Misconception(
            "mean_of_decibels",
            "You took decibels of each frame, and then their mean. One good frame then makes up "
            "for many bad ones. Take the mean of the squares over the whole clip first.",
            _mean_of_decibels,
        ),
        Misconception(
            "frames_counted_alike",
            "You took the mean of each frame, and then the mean of these. A frame with little "
            "background then counts as much as one with a lot. Take one mean over all the pixels.",
            _frames_alike,
        ),
        Misconception(
            "divided_by_all_pixels",
            "You set the object's error to 0 and divided by all pixels. The object then counts as "
            "kept without fault. Divide by the number of background values.",
            _all_pixels,
        ),
        Misconception(
            "forgot_the_channels",
            "You added over three colours and divided by the number of pixels. The mask has one "
            "channel and the frames have three: divide by three times as many values.",
            _without_channels,
        ),
        Misconception(
            "twenty_for_ten",
            "The factor is 20. That is for the root of the error. For a mean of squares it is 10.",
            lambda frames, source, mask: 2 * _background(frames, source, mask),
        ),
        Misconception(
            "log_of_the_root",
            "You took 10 times the logarithm of the root. Leave the root out, or take 20 times.",
            lambda frames, source, mask: _background(frames, source, mask) / 2,
        ),
        Misconception(
            "natural_logarithm",
            "You took the natural logarithm. Decibels are made with the one to base 10: log10.",
            lambda frames, source, mask: -10 * _error(frames, source, mask).log(),
        ),
        Misconception(
            "wrong_sign",
            "The sign is wrong. A smaller error is a better background, and must give more "
            "decibels: the error stands below 1 in the fraction.",
            lambda frames, source, mask: -_background(frames, source, mask),
        ),
        Misconception(
            "absolute_error",
            "You took absolute differences. PSNR is made from the mean of their squares.",
            _absolute,
        ),
    ),
    returns="number",
    variations=(
        Variation(
            "played backwards",
            lambda arguments: tuple(part.flip(0) for part in arguments),
            lambda value, arguments: value,
        ),
        Variation(
            "both clips 100 times as bright",
            lambda a: (100 * a[0], 100 * a[1], a[2]),
            lambda value, arguments: value - 40,
        ),
    ),
)

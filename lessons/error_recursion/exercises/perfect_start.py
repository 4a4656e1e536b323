"""A start without error, which the filter spoils (Theorem 4.6)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception, Property, by_properties
from classroom.exercises.inputs import drawn_sizes
from course.bilateral import bilateral_filter
from lessons.error_recursion.exercises.shared import LESSON


def _limit_cases(generator: torch.Generator) -> list[Case]:
    limits = [0.1, 7.0, 1000.0, 1e30, 1e-30, *drawn_sizes(generator, -6, 12, 2)]
    return [Case(f"limit {limit:g}", (limit,)) for limit in limits]


def _edge(contrast: float) -> Tensor:
    return torch.tensor([[0.0, contrast], [0.0, contrast]], dtype=torch.float64)[None, None]


def _spoilt_start(limit: float) -> tuple[Tensor, float]:
    return _edge(10 * limit), 10 * limit


def _is_an_image_and_a_sigma(arguments: tuple, answer: object) -> str | None:
    shape = "an image (1, 1, H, W) of 2 x 2 floating-point pixels or more, and a number above 0"
    if not (isinstance(answer, (tuple, list)) and len(answer) == 2):
        return f"Wanted is a pair: {shape}."
    image, sigma = answer
    if not isinstance(image, Tensor) or not image.is_floating_point() or image.ndim != 4:
        return f"Wanted is {shape}."
    if tuple(image.shape[:2]) != (1, 1) or min(image.shape[2:]) < 2:
        return f"Wanted is {shape}; the image has shape {tuple(image.shape)}."
    if not image.isfinite().all():
        return f"Wanted is {shape}; not all numbers of the image ({image.dtype}) are finite."
    if isinstance(sigma, Tensor) and not sigma.ndim:
        sigma = sigma.item()
    fits = isinstance(sigma, (int, float)) and 0 < sigma < math.inf
    return None if fits else f"Wanted is {shape}; sigma is {sigma!r}."


def _moves_far(arguments: tuple, answer: object) -> str | None:
    if _is_an_image_and_a_sigma(arguments, answer):
        return None  # the first property has said so
    image, sigma = answer
    image = image.detach().double()
    moved = float((bilateral_filter(image, 3, 1.0, float(sigma)) - image).norm())
    if moved > arguments[0]:
        return None
    return f"The filter moves this image by {moved:.4g}, which is not above {arguments[0]:g}."


def _on_steepness(law: Callable[[float], bool]) -> Callable[[tuple, object], bool]:
    """Make a `matches` of a law on contrast / sigma, for answers that are an image and a sigma."""

    def matches(arguments: tuple, answer: tuple) -> bool:
        if _is_an_image_and_a_sigma(arguments, answer):
            return False
        image = answer[0].detach().double()
        return law(float(image.max() - image.min()) / float(answer[1]))

    return matches


def _is_one_answer(pairs: Sequence[tuple[tuple, tuple]]) -> bool:
    """Return whether the limit changes nothing."""
    (image, sigma), matches = pairs[0][1], _on_steepness(lambda steepness: 0.2 <= steepness <= 5)
    same = all(torch.equal(other, image) and size == sigma for _, (other, size) in pairs)
    return same and matches(*pairs[0])


COUNTEREXAMPLE_PERFECT_START = Exercise(
    name="counterexample_perfect_start",
    lesson=LESSON,
    title="Spoil a perfect start",
    reference=_spoilt_start,
    cases=_limit_cases,
    misconceptions=(
        Misconception(
            "flat_image",
            "All pixels are equal, and the mean of equal numbers is that number. The filter "
            "leaves a flat image as it is.",
            lambda limit: (torch.full((1, 1, 2, 2), limit), 1.0),
            matches=_on_steepness(lambda steepness: steepness == 0),
        ),
        Misconception(
            "edge_above_sigma",
            "Your edge is much higher than sigma, so the filter takes its sides for two things "
            "and keeps them apart. Let sigma grow with the edge.",
            lambda limit: (_edge(100 * limit), limit),
            matches=_on_steepness(lambda steepness: steepness > 5),
        ),
        Misconception(
            "contrast_too_small",
            "Your sigma grows, but the image does not. The filter stays between the smallest and "
            "the largest pixel, so the contrast must grow with the limit too.",
            lambda limit: (_edge(0.1), limit + 1),
            matches=_on_steepness(lambda steepness: 0 < steepness < 0.2),
        ),
        Misconception(
            "ignores_the_limit",
            "You return one pair for every limit. It moves a little, and some limit is larger. "
            "Scale the image and sigma together: then the displacement scales too.",
            lambda limit: (_edge(1.0), 1.0),
            together=_is_one_answer,
            though_right=True,
        ),
        Misconception(
            "scaled_too_little",
            "Image and sigma fit each other, but they move less than the limit. The displacement "
            "is a share of the contrast: make both a few times larger.",
            lambda limit: (_edge(limit), limit),
            matches=_on_steepness(lambda steepness: 0.2 <= steepness <= 5),
        ),
    ),
    properties=(
        Property("an image and a sigma", _is_an_image_and_a_sigma),
        Property("the filter moves it far", _moves_far),
    ),
    compare=by_properties,
    returns="any",
)

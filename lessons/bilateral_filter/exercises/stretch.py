"""What the filter does to the distance of two images (Lemma 4.7)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception, Property, by_properties
from classroom.exercises.inputs import drawn_sizes
from lessons.bilateral_filter.exercises.shared import LESSON, MOST_STRETCH

# Two pixels by hand


def _no_arguments(generator: torch.Generator) -> list[Case]:
    return [Case("the pixels 0 and 1, both sigmas 1", ())]


def _share(weight: float) -> float:
    return weight / (1 + weight)


DARK_PIXEL = Exercise(
    name="dark_pixel",
    lesson=LESSON,
    title="Two pixels by hand",
    reference=lambda: _share(math.exp(-1.0)),
    cases=_no_arguments,
    tolerance={torch.float64: 2e-3},
    misconceptions=(
        Misconception(
            "forgot_the_spatial_weight",
            "You have used the difference in value alone. The neighbour is also one pixel away, "
            "so its weight is a product of two factors.",
            lambda: _share(math.exp(-0.5)),
        ),
        Misconception(
            "forgot_to_divide",
            "This is the neighbour's weight. Divide by the sum of both weights; a pixel's own "
            "weight is 1.",
            lambda: math.exp(-1.0),
        ),
        Misconception(
            "forgot_the_two",
            "Each exponent is -1/2, not -1: Eq. 10 and 11 divide by twice the square of sigma.",
            lambda: _share(math.exp(-2.0)),
        ),
        Misconception(
            "the_other_pixel",
            "This is what becomes of the pixel 1. Asked for is the pixel 0.",
            lambda: 1 - _share(math.exp(-1.0)),
        ),
        Misconception(
            "plain_mean",
            "This is the plain mean of both pixels. They differ in value and in place, so the "
            "neighbour weighs less than the pixel itself.",
            lambda: 0.5,
        ),
        Misconception(
            "neighbour_counted_twice",
            "You have counted the neighbour twice, as a reflecting border does. Here the two "
            "pixels are all there is.",
            lambda: _share(2 * math.exp(-1.0)),
        ),
        Misconception(
            "not_between_the_pixels",
            "A mean of 0 and 1 lies between them. Yours does not.",
            lambda: 1.5,
            matches=lambda arguments, value: not 0 <= float(value) <= 1,
        ),
    ),
    returns="number",
)


# Two images that the filter drives apart


def _sigma_cases(generator: torch.Generator) -> list[Case]:
    sigmas = [1.0, 0.1, 0.003, 40.0, 1e12, 1e-12, *drawn_sizes(generator, -5, 8, 2)]
    return [Case(f"sigma_intensity {sigma:g}", (sigma,)) for sigma in sigmas]


def _two_pixels(x: Tensor, sigma: float) -> Tensor:
    gap = x[1] - x[0]
    weight = torch.exp(-gap.square() / (2 * sigma**2))
    return x + torch.stack([gap, -gap]) * weight / (1 + weight)


def _gap_of_two_sigmas(sigma: float) -> tuple[Tensor, Tensor]:
    return _pair(1.95 * sigma, 2.05 * sigma)


def _pair(first: float, second: float) -> tuple[Tensor, Tensor]:
    """Return two images of two pixels with these gaps and the same mean."""
    half = torch.tensor([-0.5, 0.5], dtype=torch.float64)
    return first * half, second * half


def _is_two_images(arguments: tuple, pair: tuple) -> str | None:
    if len(pair) != 2 or any(not isinstance(image, Tensor) for image in pair):
        return f"wanted are two tensors (x, y), and {len(pair)} values came"
    for image in pair:
        if image.shape != (2,) or not image.is_floating_point() or not image.isfinite().all():
            return (
                "an image is a floating-point tensor of two finite pixels, but "
                f"{tuple(image.shape)}, {image.dtype} came"
            )
    return None if (pair[0] != pair[1]).any() else "x and y are equal, and 0 is not more than 0"


def _ratio(arguments: tuple, pair: tuple) -> float:
    x, y = (image.double() for image in pair)
    sigma = arguments[0]
    apart = torch.linalg.vector_norm(_two_pixels(x, sigma) - _two_pixels(y, sigma))
    return float(apart / torch.linalg.vector_norm(x - y))


def _is_stretched(arguments: tuple, pair: tuple) -> str | None:
    if _is_two_images(arguments, pair):
        return None  # the first property has said so
    ratio = _ratio(arguments, pair)
    if ratio > MOST_STRETCH:
        return None
    return f"the distance is multiplied by {ratio:.4f}, and more than {MOST_STRETCH} is wanted"


def _gaps(pair: tuple) -> list[float]:
    return [abs(float(image[1] - image[0])) for image in pair]


def _equal_images(arguments: tuple, pair: tuple) -> bool:
    return bool((pair[0] == pair[1]).all())


def _differ_by_a_shift(arguments: tuple, pair: tuple) -> bool:
    step = (pair[1] - pair[0]).double()
    moved = float(step.abs().max())
    return moved > 0 and abs(float(step[0] - step[1])) <= 1e-5 * moved


def _gaps_are_small(arguments: tuple, pair: tuple) -> bool:
    if _equal_images(arguments, pair) or _differ_by_a_shift(arguments, pair):
        return False
    return max(_gaps(pair)) < arguments[0]


def _gaps_are_large(arguments: tuple, pair: tuple) -> bool:
    if _equal_images(arguments, pair) or _differ_by_a_shift(arguments, pair):
        return False
    return min(_gaps(pair)) > 3.5 * arguments[0]


def _mirrored(arguments: tuple, pair: tuple) -> bool:
    x, y = pair
    return bool(torch.allclose(x, y.flip(0)) and (x != y).any())


def _gap_ignores_sigma(pairs: Sequence[tuple[tuple, tuple]]) -> bool:
    """Return whether the two images are the same for every sigma, and fit for one of them."""
    arguments, first = pairs[0]
    if _equal_images(arguments, first) or _differ_by_a_shift(arguments, first):
        return False
    return all(torch.equal(a, b) for _, pair in pairs for a, b in zip(first, pair))


EXPANDING_PAIR = Exercise(
    name="expanding_pair",
    lesson=LESSON,
    title="Drive two images apart",
    reference=_gap_of_two_sigmas,
    cases=_sigma_cases,
    misconceptions=(
        Misconception(
            "equal_images",
            "x and y are equal. Then both sides are 0, and nothing is stretched.",
            lambda sigma: _pair(2 * sigma, 2 * sigma),
            matches=_equal_images,
        ),
        Misconception(
            "differ_by_a_shift",
            "y is x with one number added to both pixels. The filter only sees differences, so "
            "both move alike and the distance stays. Change the gap.",
            lambda sigma: (_pair(2 * sigma, 0.0)[0], _pair(2 * sigma, 0.0)[0] + sigma),
            matches=_differ_by_a_shift,
        ),
        Misconception(
            "gaps_below_sigma",
            "Both gaps are well below sigma_intensity. There the two pixels are averaged, and "
            "the filter shrinks differences. Look for the top of the curve above.",
            lambda sigma: _pair(0.2 * sigma, 0.3 * sigma),
            matches=_gaps_are_small,
        ),
        Misconception(
            "gaps_too_large",
            "Both gaps are so large that the pixels ignore each other. The filter does nothing "
            "there, and the factor is about 1. Look for the top of the curve above.",
            lambda sigma: _pair(6 * sigma, 7 * sigma),
            matches=_gaps_are_large,
        ),
        Misconception(
            "ignores_sigma",
            "Your images are the same whatever sigma_intensity is. The filter compares the gap "
            "with sigma, so the gap must grow and shrink with it.",
            lambda sigma: _pair(1.95, 2.05),
            together=_gap_ignores_sigma,
        ),
        Misconception(
            "mirror_images",
            "y is x with its pixels exchanged. The filter takes both towards the same grey, so "
            "they come nearer. The two images must differ little, in the size of the gap.",
            lambda sigma: (_pair(2 * sigma, 0.0)[0], _pair(-2 * sigma, 0.0)[0]),
            matches=_mirrored,
        ),
    ),
    properties=(
        Property("two different images of two pixels", _is_two_images),
        Property("the filter drives them apart", _is_stretched),
    ),
    compare=by_properties,
    returns="tensors",
)

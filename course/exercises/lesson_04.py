"""Exercises of lesson 04: the bilateral filter and how far it can expand (Eq. 9-11, Lemma 4.7).

Each reference is written out rather than taken from `course.bilateral`, so that a test can hold one
against the other. The filter of one row of pixels and its wrong forms share one function, whose
options are the slips; the same holds for the ways to balance a matrix.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from course.bilateral import displacement_bound
from course.exercises.exercise import Case, Exercise, Misconception, Property, by_properties

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LESSON = "04_bilateral_filter"
_DTYPES = {torch.float64: "float64", torch.float32: "float32"}
_SIX_DIGITS = {torch.float64: 1e-5, torch.float32: 1e-4}  # a float32 result is right as well
_MOST_STRETCH = 1.3


# The spatial weights


def _window_cases(generator: torch.Generator) -> list[Case]:
    pairs = ((1, 1.0), (3, 1.0), (3, 0.5), (5, 1.5), (7, 2.0), (9, 100.0))
    return [Case(f"window {size}, sigma {sigma}", (size, sigma)) for size, sigma in pairs]


def _offsets(kernel_size: int) -> Tensor:
    return torch.arange(kernel_size, dtype=torch.float64) - kernel_size // 2


def _squared_distances(kernel_size: int) -> Tensor:
    squares = _offsets(kernel_size).square()
    return squares[:, None] + squares


def _spatial_weights(kernel_size: int, sigma: float) -> Tensor:
    return torch.exp(-_squared_distances(kernel_size) / (2 * sigma**2))


def _normalised_window(kernel_size: int, sigma: float) -> Tensor:
    weights = _spatial_weights(kernel_size, sigma)
    return weights / weights.sum()


def _window_without_two(kernel_size: int, sigma: float) -> Tensor:
    return torch.exp(-_squared_distances(kernel_size) / sigma**2)


def _window_of_plain_sigma(kernel_size: int, sigma: float) -> Tensor:
    return torch.exp(-_squared_distances(kernel_size) / (2 * sigma))


def _window_of_plain_distance(kernel_size: int, sigma: float) -> Tensor:
    return torch.exp(-_squared_distances(kernel_size).sqrt() / (2 * sigma**2))


def _window_from_the_corner(kernel_size: int, sigma: float) -> Tensor:
    squares = torch.arange(kernel_size, dtype=torch.float64).square()
    return torch.exp(-(squares[:, None] + squares) / (2 * sigma**2))


def _window_along_one_axis(kernel_size: int, sigma: float) -> Tensor:
    row = torch.exp(-_offsets(kernel_size).square() / (2 * sigma**2))
    return row.expand(kernel_size, kernel_size).clone()


SPATIAL_WEIGHTS = Exercise(
    name="spatial_weights",
    lesson=LESSON,
    title="The weights of distance",
    reference=_spatial_weights,
    cases=_window_cases,
    tolerance=_SIX_DIGITS,
    misconceptions=(
        Misconception(
            "normalised_too_early",
            "Your weights sum to one. Eq. 10 does not divide, and its centre is 1: Eq. 9 divides "
            "later, by the sum of the products with the weights of Eq. 11.",
            _normalised_window,
        ),
        Misconception(
            "forgot_the_two",
            "You divide by the square of sigma. Eq. 10 divides by twice the square.",
            _window_without_two,
        ),
        Misconception(
            "sigma_not_squared",
            "You divide by 2 sigma. Eq. 10 squares sigma, so that pixels stand over pixels and "
            "the exponent has no unit.",
            _window_of_plain_sigma,
        ),
        Misconception(
            "distance_not_squared",
            "The distance itself is in your exponent. Eq. 10 has its square, and then no root is "
            "needed.",
            _window_of_plain_distance,
        ),
        Misconception(
            "centre_in_the_corner",
            "Your largest weight is in the corner. Distances are counted from the middle of the "
            "window, so the offsets run from -r to r.",
            _window_from_the_corner,
        ),
        Misconception(
            "along_one_axis",
            "All rows of your window are equal: only the distance along one axis counts. Add the "
            "squares of both offsets.",
            _window_along_one_axis,
        ),
    ),
)


# The filter of one row of pixels


def _signal_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in _DTYPES.items():
        for n, window, spatial, intensity in (
            (2, 3, 0.7, 1.0),
            (3, 3, 2.0, 0.3),
            (6, 5, 1.5, 0.5),
            (17, 7, 2.0, 0.8),
        ):
            values = torch.randn(n, generator=generator, dtype=torch.float64).to(dtype)
            label = f"{n} random pixels, window {window}, {name}"
            cases.append(Case(label, (values, window, spatial, intensity)))
        step = (torch.arange(8) >= 4).to(dtype)
        cases.append(Case(f"a step of 8 pixels, {name}", (step, 5, 1.0, 0.4)))
        grey = torch.full((5,), 0.5, dtype=dtype)
        cases.append(Case(f"5 equal pixels, {name}", (grey, 3, 0.8, 0.2)))
        cases.append(Case(f"window of one pixel, {name}", (step, 1, 0.8, 0.2)))
    return cases


def _windows(signal: Tensor, kernel_size: int, mode: str = "reflect") -> Tensor:
    """Return the window of every pixel, (n, kernel_size), with the ends continued by `mode`."""
    reach = kernel_size // 2
    padded = torch.nn.functional.pad(signal[None, None], (reach, reach), mode=mode)
    return padded[0, 0].unfold(0, kernel_size, 1)


def _near(kernel_size: int, sigma: float, dtype: torch.dtype, two: float = 2.0) -> Tensor:
    return torch.exp(-_offsets(kernel_size).square() / (two * sigma**2)).to(dtype)


def _bilateral(
    signal: Tensor,
    kernel_size: int,
    sigma_spatial: float,
    sigma_intensity: float,
    *,
    mode: str = "reflect",
    two: float = 2.0,
    power: int = 2,
    gaussian: bool = False,
    total: str = "both",
) -> Tensor:
    """Filter a row of pixels; the defaults are Eq. 9 to 11, and each option is a slip."""
    windows = _windows(signal, kernel_size, mode)
    near = _near(kernel_size, sigma_spatial, signal.dtype, two)
    apart = (windows - signal[:, None]).abs() ** power
    alike = torch.ones_like(apart) if gaussian else torch.exp(-apart / (two * sigma_intensity**2))
    sums = (near * alike * windows).sum(1)
    if total == "none":
        return sums
    return sums / (near.sum() if total == "spatial" else (near * alike).sum(1))


def _swapped(
    signal: Tensor, kernel_size: int, sigma_spatial: float, sigma_intensity: float
) -> Tensor:
    return _bilateral(signal, kernel_size, sigma_intensity, sigma_spatial)


def _reuses_results(
    signal: Tensor, kernel_size: int, sigma_spatial: float, sigma_intensity: float
) -> Tensor:
    """Write each result where the next pixel looks."""
    out, near = signal.clone(), _near(kernel_size, sigma_spatial, signal.dtype)
    for i in range(len(out)):
        window = _windows(out, kernel_size)[i]
        weights = near * torch.exp(-(window - out[i]).square() / (2 * sigma_intensity**2))
        out[i] = (weights * window).sum() / weights.sum()
    return out


def _neighbours_total(
    signal: Tensor, kernel_size: int, sigma_spatial: float, sigma_intensity: float
) -> Tensor:
    """Divide the weight of each neighbour by the neighbour's own total."""
    near = _near(kernel_size, sigma_spatial, signal.dtype)

    def weights() -> Tensor:
        apart = (_windows(signal, kernel_size) - signal[:, None]).square()
        return near * torch.exp(-apart / (2 * sigma_intensity**2))

    totals = _windows(weights().sum(1), kernel_size)
    return (weights() / totals * _windows(signal, kernel_size)).sum(1)


def _draw_signal(arguments: tuple, expected: Tensor, actual: Tensor) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 3.2), dpi=100)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.12, right=0.97, bottom=0.16, top=0.95)
    rows = (
        ("signal", arguments[0], {"color": "#777777", "marker": "s", "linestyle": ":"}),
        ("expected", expected, {"color": "#009E73", "marker": "o", "linestyle": "-"}),
        ("yours", actual, {"color": "#D55E00", "marker": "X", "linestyle": "--"}),
    )
    for label, values, looks in rows:
        axes.plot(values.detach().tolist(), label=label, **looks)
    axes.set(xlabel="pixel", ylabel="value (no unit)")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    worst = int((expected - actual.detach()).abs().argmax())
    figure.set_label(
        f"Line chart of a row of {len(expected)} pixels: the signal, the filtered signal and your "
        f"answer, which is furthest from it at pixel {worst}."
    )
    return figure


BILATERAL_FILTER_1D = Exercise(
    name="bilateral_filter_1d",
    lesson=LESSON,
    title="The filter of one row",
    reference=_bilateral,
    cases=_signal_cases,
    misconceptions=(
        Misconception(
            "forgot_to_divide",
            "The weighted sum is right, but it is not divided. Eq. 9 divides by the sum of the "
            "weights: five equal pixels must come out unchanged.",
            partial(_bilateral, total="none"),
        ),
        Misconception(
            "divided_by_the_spatial_weights",
            "You divide by the sum of the spatial weights alone. The weights that multiply the "
            "pixels are products, and the sum of these products stands below the line in Eq. 9.",
            partial(_bilateral, total="spatial"),
        ),
        Misconception(
            "no_intensity_weights",
            "This is a Gaussian blur. The weights of Eq. 11, of the difference in value, are "
            "missing.",
            partial(_bilateral, gaussian=True),
        ),
        Misconception(
            "forgot_the_two",
            "Your exponents are divided by the square of sigma. Eq. 10 and 11 have twice the "
            "square.",
            partial(_bilateral, two=1.0),
        ),
        Misconception(
            "absolute_difference",
            "The absolute difference of the values is in your exponent. Eq. 11 has its square.",
            partial(_bilateral, power=1),
        ),
        Misconception(
            "zeros_beyond_the_ends",
            "Beyond the ends you put zeros, and they are averaged in as black pixels. Reflect the "
            "signal there.",
            partial(_bilateral, mode="constant"),
        ),
        Misconception(
            "repeated_the_end",
            "Beyond an end you repeat the last pixel. A reflection goes back: the pixel before "
            "the first is the second.",
            partial(_bilateral, mode="replicate"),
        ),
        Misconception(
            "swapped_the_sigmas",
            "The two sigmas have changed places. sigma_spatial belongs to the distance in pixels, "
            "sigma_intensity to the difference in value.",
            _swapped,
        ),
        Misconception(
            "used_filtered_neighbours",
            "Later pixels see results in place of pixels. Read from the signal, write to another "
            "tensor.",
            _reuses_results,
        ),
        Misconception(
            "divided_by_the_neighbours_sum",
            "You divide each weight by the sum of the neighbour that it comes from. In Eq. 9 the "
            "sum belongs to the pixel x that is computed.",
            _neighbours_total,
        ),
    ),
    draw=_draw_signal,
)


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
    ),
    returns="number",
)


# Two images that the filter drives apart


def _sigma_cases(generator: torch.Generator) -> list[Case]:
    return [Case(f"sigma_intensity {sigma}", (sigma,)) for sigma in (1.0, 0.1, 0.003, 40.0)]


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
    if ratio > _MOST_STRETCH:
        return None
    return f"the distance is multiplied by {ratio:.4f}, and more than {_MOST_STRETCH} is wanted"


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


def _gap_ignores_sigma(arguments: tuple, pair: tuple) -> bool:
    if _equal_images(arguments, pair) or _differ_by_a_shift(arguments, pair):
        return False
    return all(1.2 < gap < 3.2 for gap in _gaps(pair))


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
            "Your gap is about 2 whatever sigma_intensity is. The filter compares the gap with "
            "sigma, so the gap must grow and shrink with it.",
            lambda sigma: _pair(1.95, 2.05),
            matches=_gap_ignores_sigma,
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


# A kernel whose rows and columns both sum to one


def _kernel_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in _DTYPES.items():
        for n in (1, 2, 3, 5, 9):
            values = torch.randn(n, generator=generator, dtype=torch.float64)
            cases.append(Case(f"kernel of {n} pixels, {name}", (_kernel(values).to(dtype),)))
        even = torch.tensor([[3.0, 1.0], [1.0, 3.0]], dtype=dtype)
        cases.append(Case(f"2 x 2, rows sum to 4 already, {name}", (even,)))
        hub = torch.ones(4, 4, dtype=dtype) / 10
        hub[0], hub[:, 0] = 1, 1
        cases.append(Case(f"a pixel that all others listen to, {name}", (hub,)))
    return cases


def _kernel(values: Tensor) -> Tensor:
    """Return the products of Eq. 10 and 11 for a row of pixels, both sigmas 1: symmetric."""
    place = torch.arange(len(values), dtype=values.dtype)
    squares = (values[:, None] - values).square() + (place[:, None] - place).square()
    return torch.exp(-squares / 2)


def _balanced(kernel: Tensor) -> Tensor:
    factor = torch.ones_like(kernel[0])
    for _ in range(100):
        factor = (factor / (kernel @ factor)).sqrt()
    return factor[:, None] * kernel * factor


def _rows(kernel: Tensor) -> Tensor:
    return kernel / kernel.sum(1, keepdim=True)


def _columns(kernel: Tensor) -> Tensor:
    return kernel / kernel.sum(0)


def _square_roots(kernel: Tensor) -> Tensor:
    factor = kernel.sum(1).rsqrt()
    return factor[:, None] * kernel * factor


def _sums_to_one(axis: int, name: str) -> Property:
    def holds(arguments: tuple, matrix: Tensor) -> str | None:
        sums = matrix.sum(axis)
        worst = int((sums - 1).abs().argmax())
        if abs(float(sums[worst]) - 1) < 1e-3:
            return None
        return f"{name} {worst} sums to {float(sums[worst]):.4f}, not to 1."

    return Property(f"each {name} sums to one", holds)


DOUBLY_STOCHASTIC = Exercise(
    name="doubly_stochastic",
    lesson=LESSON,
    title="Rows and columns",
    reference=_balanced,
    cases=_kernel_cases,
    tolerance=_SIX_DIGITS,
    misconceptions=(
        Misconception(
            "rows_only",
            "Rows sum to one, columns do not: this is Eq. 9. Go on with the columns, and then "
            "with the rows again.",
            _rows,
        ),
        Misconception(
            "columns_only",
            "Columns sum to one, rows do not. Take turns.",
            _columns,
        ),
        Misconception(
            "one_round",
            "One round is not enough: dividing the columns spoils the rows again. Repeat until "
            "nothing changes.",
            lambda kernel: _columns(_rows(kernel)),
        ),
        Misconception(
            "square_roots_of_the_sums",
            "You divide by the roots of the row sums on both sides. That keeps the matrix "
            "symmetric, but its sums are not one yet. It is the first step of a repetition.",
            _square_roots,
        ),
        Misconception(
            "mean_of_both",
            "The mean of the two normalised matrices is symmetric, but neither its rows nor its "
            "columns sum to one.",
            lambda kernel: (_rows(kernel) + _columns(kernel)) / 2,
        ),
        Misconception(
            "one_total",
            "You divide everything by one number. Each row and each column needs a factor of its "
            "own.",
            lambda kernel: kernel * len(kernel) / kernel.sum(),
        ),
    ),
    properties=(_sums_to_one(1, "row"), _sums_to_one(0, "column")),
)


# How strong the filter may be


def _limit_cases(generator: torch.Generator) -> list[Case]:
    settings = ((1.0, 3, 1.0), (0.5, 3, 0.5), (0.1, 5, 1.5), (2.0, 9, 2.0), (1 / 255, 7, 100.0))
    return [
        Case(f"limit {limit:.3g}, window {size}, sigma_spatial {spatial}", (limit, size, spatial))
        for limit, size, spatial in settings
    ]


def _largest_sigma(limit: float, kernel_size: int, sigma_spatial: float) -> float:
    return limit / displacement_bound(kernel_size, sigma_spatial, 1.0)


SIGMA_FOR_DISPLACEMENT = Exercise(
    name="sigma_for_displacement",
    lesson=LESSON,
    title="How strong may it be?",
    reference=_largest_sigma,
    cases=_limit_cases,
    tolerance=_SIX_DIGITS,
    misconceptions=(
        Misconception(
            "the_limit_itself",
            "You take sigma_intensity for the displacement. A pixel moves by up to sigma c(G), "
            "and c(G) may be below or above 1.",
            lambda limit, kernel_size, sigma_spatial: limit,
        ),
        Misconception(
            "displacement_of_the_limit",
            "This is how far pixels move if sigma_intensity is the limit: you have multiplied "
            "by c(G). The question goes the other way.",
            lambda limit, kernel_size, sigma_spatial: displacement_bound(
                kernel_size, sigma_spatial, limit
            ),
        ),
        Misconception(
            "upside_down",
            "Your quotient is upside down. A larger limit allows a larger sigma.",
            lambda limit, kernel_size, sigma_spatial: (
                displacement_bound(kernel_size, sigma_spatial, 1.0) / limit
            ),
        ),
        Misconception(
            "bound_alone",
            "You return c(G), for which the limit plays no part. Solve sigma c(G) = limit for "
            "sigma.",
            lambda limit, kernel_size, sigma_spatial: displacement_bound(
                kernel_size, sigma_spatial, 1.0
            ),
        ),
    ),
    returns="number",
)

EXERCISES = (
    SPATIAL_WEIGHTS,
    BILATERAL_FILTER_1D,
    DARK_PIXEL,
    EXPANDING_PAIR,
    DOUBLY_STOCHASTIC,
    SIGMA_FOR_DISPLACEMENT,
)

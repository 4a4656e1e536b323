"""The filter of one row of pixels (Eq. 9 to 11)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.inputs import DTYPES
from classroom.exercises.variations import Variation
from lessons.bilateral_filter.exercises.shared import LESSON
from lessons.bilateral_filter.exercises.weights import offsets

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The filter of one row of pixels


def _signal_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in DTYPES.items():
        for n, window, spatial, intensity in (
            (2, 3, 0.7, 1.0),
            (3, 3, 2.0, 0.3),
            (6, 5, 1.5, 0.5),
            (17, 7, 2.0, 0.8),
            (24, 15, 6.0, 3.0),
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
    if mode == "symmetric":  # a a b c, which torch does not have
        ends = (signal[:reach].flip(0), signal, signal[len(signal) - reach :].flip(0))
        return torch.cat(ends).unfold(0, kernel_size, 1)
    padded = torch.nn.functional.pad(signal[None, None], (reach, reach), mode=mode)
    return padded[0, 0].unfold(0, kernel_size, 1)


def _near(kernel_size: int, sigma: float, dtype: torch.dtype, two: float = 2.0) -> Tensor:
    return torch.exp(-offsets(kernel_size).square() / (two * sigma**2)).to(dtype)


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
    flat: bool = False,
    own: bool = True,
    total: str = "both",
) -> Tensor:
    """Filter a row of pixels; the defaults are Eq. 9 to 11, and each option is a slip."""
    windows = _windows(signal, kernel_size, mode)
    near = _near(kernel_size, sigma_spatial, signal.dtype, two)
    near = torch.ones_like(near) if flat else near
    near = near if own else near * (offsets(kernel_size) != 0)
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
        Misconception(
            "repeated_the_end_in_the_mirror",
            "Beyond an end you mirror the signal with its last pixel counted twice (a a b c). A "
            "reflection goes back at once: the pixel before the first is the second.",
            partial(_bilateral, mode="symmetric"),
        ),
        Misconception(
            "no_spatial_weights",
            "All pixels of the window count alike, however far they are. The weights of Eq. 10, of "
            "the distance, are missing.",
            partial(_bilateral, flat=True),
        ),
        Misconception(
            "left_the_pixel_out",
            "The pixel itself does not count in your mean. It stands in its own window, with "
            "the weight 1.",
            partial(_bilateral, own=False),
        ),
    ),
    variations=(
        Variation(
            "from right to left",
            lambda arguments: (arguments[0].flip(0), *arguments[1:]),
            lambda value, arguments: value.flip(0),
        ),
        Variation(
            "brighter by 10",
            lambda arguments: (arguments[0] + 10, *arguments[1:]),
            lambda value, arguments: value + 10,
        ),
    ),
    draw=_draw_signal,
)

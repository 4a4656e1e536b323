"""Figures of lesson 06: the factor C_t, three bounds on the error, and a filter inside the chain.

Theorem 4.6 and Lemmas 4.8 and 4.9, with Stable Diffusion's schedule. Errors are drawn for each
number of a latent, that is divided by sqrt(d), so that 1 is as large as the noise itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course.bilateral import bilateral_filter
from course.diffusion import NoiseSchedule, invert, sample
from course.display.explorer import Choice, Explorer, Slider
from course.display.figures import PALETTE
from course.recursion import expected_noise_norm, noise_variances, simulate, step_constants

_BLUE, _ORANGE, _GREEN, _PINK = PALETTE[:4]
_GREY = "#777777"
_STYLES = (
    {"color": _ORANGE, "linestyle": "--", "marker": "s"},
    {"color": _BLUE, "linestyle": "-.", "marker": "^"},
    {"color": _GREEN, "linestyle": "-", "marker": "o"},
    {"color": _PINK, "linestyle": ":", "marker": "D"},
)
_SIGMAS = np.geomspace(0.02, 2.0, 13)
_SIDE, _N_STEPS = 16, 10
_TARGETS = ("latents", "original")


@cache
def _schedule() -> NoiseSchedule:
    return NoiseSchedule.stable_diffusion()


def bound_curves(
    schedule: NoiseSchedule,
    n_steps: int,
    noise_lipschitz: float,
    *,
    n_elements: int = 1024,
    initial_error: float = 0.0,
) -> dict[str, Tensor]:
    """Return the printed, the product and the root-mean-square bound after every step.

    Each is (n_steps + 1,) in float64, divided by sqrt(n_elements), and so is `initial_error`; the
    last entries are those of `course.recursion`. Source: Eq. 41 and Lemma 4.9, repaired.
    """
    constants = step_constants(schedule, n_steps, noise_lipschitz).tolist()
    share = expected_noise_norm(n_elements) / n_elements**0.5
    curves = {name: [initial_error] for name in ("printed", "product", "mean square")}
    printed, product, square = curves.values()
    for constant, variance in zip(constants, noise_variances(schedule, n_steps).tolist()):
        printed.append(max(constants) * printed[-1] + variance**0.5)
        product.append(constant * product[-1] + variance**0.5 * share)
        square.append(((constant * square[-1]) ** 2 + variance) ** 0.5)
    return {name: torch.tensor(curve, dtype=torch.float64) for name, curve in curves.items()}


def step_constant_figure(lipschitz: float = 1.0, n_steps: int = 50) -> Figure:
    """Draw C_t along Stable Diffusion's schedule, and the floor that no L can lower.

    `lipschitz` >= 0 is L, `n_steps` the length of the chain. Source: Lemma 4.8, Eq. 39.
    """
    schedule = _schedule()
    timesteps = schedule.timesteps(n_steps).numpy()
    constants = step_constants(schedule, n_steps, lipschitz).numpy()
    floor = step_constants(schedule, n_steps, 0.0).numpy()
    figure, axes = _chart()
    axes.axhspan(0.85, 1.0, color="#E0E0E0")
    axes.text(490, 0.91, "C < 1, contraction: nothing here", ha="center", color="#444444")
    axes.axhline(1.0, color=_GREY, linewidth=1)
    label = f"C_t with L = {lipschitz:.1f}"
    every = max(1, n_steps // 8)
    axes.plot(timesteps, constants, color=_ORANGE, marker="s", markevery=every, label=label)
    axes.plot(timesteps, floor, "--", color=_BLUE, label="floor, 1 / √α_t  (L = 0)")
    axes.set(xlim=(1000, 0), ylim=(0.85, 2.5), xlabel="timestep t, from noise (left) to data")
    axes.set(ylabel="factor of one step (no unit)", xticks=range(0, 1001, 250))
    product = float(constants.prod())
    axes.set_title(f"{n_steps} steps: all factors together multiply by {product:.4g}", fontsize=10)
    axes.legend(fontsize=9, frameon=False, loc="upper right")
    figure.set_label(
        f"Line chart of the factor C_t against the timestep, {n_steps} steps, L = {lipschitz:.1f}: "
        f"from {constants.min():.3f} to {constants.max():.3f}. The floor, one over the root of "
        f"alpha, lies between {floor.min():.3f} and {floor.max():.3f}. The grey region below 1, "
        f"where errors would contract, is empty. The product of all factors is {product:.4g}."
    )
    return figure


def three_bounds_figure(lipschitz: float = 0.5, n_steps: int = 20) -> Figure:
    """Draw the three bounds, step by step, and four chains that `course.recursion.simulate` ran.

    The simulated predictor is -L x, the one that makes errors grow fastest; both paths start
    alike, latents have 256 numbers. Source: Lemma 4.9, Eq. 41, repaired.
    """
    curves = bound_curves(_schedule(), n_steps, lipschitz, n_elements=256)
    draw = torch.Generator().manual_seed(0)
    start = torch.zeros(4, 256, dtype=torch.float64)
    errors = simulate(_schedule(), n_steps, lipschitz, start, generator=draw) / 16
    figure, axes = _chart()
    steps = range(n_steps + 1)
    for index, (name, curve) in enumerate(curves.items()):
        marks = {"markevery": (0, n_steps // 5), "markersize": 6}
        label = f"{name}: {curve[-1]:.3g}"
        axes.plot(steps, _positive(curve), **_STYLES[index], **marks, label=label)
    axes.plot(steps, _positive(errors), ".", color="black", markersize=4)
    axes.set(yscale="log", ylim=(0.1, 10.0 ** _top(curves)), xticks=steps[:: n_steps // 5])
    axes.set(xlabel="steps done", ylabel="error / √d (log scale)")
    axes.set_title(f"L = {lipschitz:.1f}; black dots: four chains that were run", fontsize=10)
    _finish_log(axes)
    ends = ", ".join(f"{name} {curve[-1]:.3g}" for name, curve in curves.items())
    figure.set_label(
        f"Chart with a logarithmic axis: bounds on the error over {n_steps} steps with "
        f"L = {lipschitz:.1f}. At the end: {ends}. Four simulated chains end between "
        f"{errors[-1].min():.3g} and {errors[-1].max():.3g}, along the mean-square bound."
    )
    return figure


def real_chain_figure(bounds: Mapping[str, Tensor], measured: Mapping[str, Tensor]) -> Figure:
    """Draw bounds as lines and measured errors as marks against the steps done, log scale.

    All curves are (n_steps + 1,), per number of a latent; zeros are left out. Raises ValueError
    for no curve or more than four bounds. Source: Lemma 4.9 on a real model.
    """
    if not bounds or len(bounds) > len(_STYLES) or not measured:
        raise ValueError("wanted are one to four bounds and one measured curve or more")
    figure = Figure(figsize=(7.5, 4.2), dpi=100)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.11, right=0.97, bottom=0.13, top=0.92)
    parts = []
    for index, (style, (name, curve)) in enumerate(zip(_STYLES, bounds.items())):
        # Curves that lie on each other have their marks at different steps.
        looks = {**style, "markersize": 5, "markevery": (index % 2, 2), "label": name}
        axes.semilogy(range(len(curve)), _positive(curve), **looks)
        parts.append(f"{name} ends at {float(curve[-1]):.3g}")
    for mark, (name, curve) in zip(("x", "+", "*"), measured.items()):
        looks = {"color": "black", "linewidth": 1, "markersize": 9}
        axes.semilogy(range(len(curve)), _positive(curve), marker=mark, **looks, label=name)
        parts.append(f"{name} goes from {_first(curve):.3g} to {float(curve[-1]):.3g}")
    axes.set(xlabel="steps done", ylabel="error / √d (log scale)")
    axes.set_title("What was promised, and what happened", fontsize=11)
    _finish_log(axes)
    figure.set_label(f"Chart with a logarithmic axis against the steps done: {'; '.join(parts)}.")
    return figure


def filter_growth_figure(sigmas: list[float], errors: Mapping[str, list[float]]) -> Figure:
    """Draw what a filter of growing `sigmas` adds to an error, on log-log axes with guide lines.

    `errors[name]` has one value for each sigma. The grey guides have slopes 1 and 2. Raises
    ValueError for curves of another length. Source: Theorem 4.6, on a real model.
    """
    if any(len(values) != len(sigmas) for values in errors.values()):
        raise ValueError(f"each curve wants {len(sigmas)} values, one for each sigma")
    figure, axes = _chart()
    parts = []
    for style, (name, values) in zip(_STYLES, errors.items()):
        axes.loglog(sigmas, values, **style, markersize=7, label=name)
        slopes = np.diff(np.log(values)) / np.diff(np.log(sigmas))
        parts.append(
            f"{name}: {values[0]:.3g} to {values[-1]:.3g}, with slope {slopes[0]:.2f} at first and "
            f"{slopes[-1]:.2f} at last"
        )
    first = max(values[0] for values in errors.values())
    ends = np.array([sigmas[0], sigmas[-1]])
    for slope, line in ((1, (0, (1, 2))), (2, (0, (4, 4)))):
        guide = 1.6 * first * (ends / ends[0]) ** slope
        axes.loglog(ends, guide, color=_GREY, linestyle=line, label=f"slope {slope}, to compare")
    top = 3 * max(max(values) for values in errors.values())
    axes.set(ylim=(min(min(values) for values in errors.values()) / 2, top))
    axes.set(xlabel="sigma of the intensities, in units of the latent (log)")
    axes.set(ylabel="change / norm of the clip (log)")
    axes.set_xticks(sigmas, labels=[f"{sigma:g}" for sigma in sigmas])
    axes.set_title("A filter in every step: how far it moves the result", fontsize=10)
    _finish_log(axes)
    figure.set_label(
        f"Log-log chart of the change of the result against sigma, from {sigmas[0]:g} to "
        f"{sigmas[-1]:g}. {'; '.join(parts)}. Grey lines of slope 1 and 2 stand beside them."
    )
    return figure


def small_image() -> Tensor:
    """Return the image (1, 1, 16, 16) of the small chain: a bright square, a ramp, fine stripes."""
    ramp = torch.linspace(-0.5, 0.1, _SIDE, dtype=torch.float64)
    image = ramp.expand(_SIDE, _SIDE).clone()
    image[3:9, 3:9] = 1.0
    image[11:14, 2:14] += 0.25 * (-1.0) ** torch.arange(12)
    return image[None, None]


@cache
def filtered_chain(noise: float, target: str | None) -> tuple[Tensor, Tensor]:
    """Run the small chain with a filter of every sigma at once; return images and errors.

    `target` is "latents", "original", or None for no filter: then all the results are equal.

    The predictor knows only that data are standard normal, eps = sqrt(1 - abar_t) x: such a chain
    of DDIM steps passes errors on as they are, so that what changes is the filter's doing. It
    starts from the inverted image plus `noise` times a standard normal draw. Returns (n, 1, 16, 16)
    and (n,), root mean square errors against the image.
    """
    schedule, image = _schedule(), small_image()

    def predictor(latents: Tensor, timestep: int) -> Tensor:
        return (1 - schedule.level(timestep, latents)) ** 0.5 * latents

    *_, last = invert(predictor, image, schedule, _N_STEPS, refine=3)
    draw = torch.Generator().manual_seed(0)
    start = last.latents + noise * torch.randn(image.shape, generator=draw, dtype=image.dtype)
    sigmas = torch.from_numpy(_SIGMAS).reshape(-1, 1, 1, 1)
    start = start.expand(len(sigmas), -1, -1, -1)
    # Scaling image and sigma together scales the result, so one call serves every sigma.
    options = (
        {}
        if target is None
        else {
            "latent_filter": lambda x: sigmas * bilateral_filter(x / sigmas, 3, 1.0, 1.0),
            "filter_target": target,
        }
    )
    *_, last = sample(predictor, start, schedule, _N_STEPS, **options)
    return last.latents, (last.latents - image).square().flatten(1).mean(1).sqrt()


def filtered_chain_figure(level: int = 6, noise: float = 0.0) -> Figure:
    """Draw the small image, what a filtered chain makes of it, and the error against sigma.

    `level` counts the drawn sigmas from 0 to 12, `noise` is the deviation added at the start.
    Source: Theorem 4.6.
    """
    sigma = _SIGMAS[level]
    results = {target: filtered_chain(noise, target) for target in _TARGETS}
    figure = Figure(figsize=(7.2, 3.1), dpi=100)
    panels = [figure.add_axes((x, 0.17, 0.19, 0.6)) for x in (0.01, 0.22)]
    axes = figure.add_axes((0.52, 0.17, 0.46, 0.72))
    images = (small_image(), results["latents"][0][level : level + 1])
    for panel, image, name in zip(panels, images, ("the image", "filtered on x_t")):
        panel.imshow(image[0, 0], cmap="gray", vmin=-1, vmax=1.3)
        panel.set(xticks=[], yticks=[])
        panel.set_title(name, fontsize=10)
    for style, (target, (_, errors)) in zip(_STYLES, results.items()):
        name = "filter on x_t" if target == "latents" else "filter on predicted x_0"
        axes.plot(_SIGMAS, errors, **style, markevery=[level], markersize=9, label=name)
    plain = float(filtered_chain(noise, None)[1][0])
    axes.axhline(plain, color=_GREY, linewidth=1, label="no filter")
    axes.set(xscale="log", xlim=(_SIGMAS[0] / 1.15, _SIGMAS[-1] * 1.15), ylim=(-0.02, 0.72))
    axes.set_xticks([0.02, 0.1, 0.5, 2], labels=["0.02", "0.1", "0.5", "2"])
    axes.minorticks_off()
    axes.set(xlabel="sigma of the intensities (log scale)", ylabel="root mean square error")
    axes.set_title(f"sigma = {sigma:.2f}, noise at the start {noise:.1f}", fontsize=10)
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    ends = {target: float(errors[level]) for target, (_, errors) in results.items()}
    best = float(results["latents"][1].min())
    figure.set_label(
        f"Left: a small grey image with a square, a ramp and stripes, and what a chain with the "
        f"filter on x_t returns at sigma {sigma:.2f}. Right: the error against sigma, with noise "
        f"{noise:.1f} at the start. At this sigma: {ends['latents']:.3f} on x_t, "
        f"{ends['original']:.3f} on the predicted x_0, {plain:.3f} without a filter. "
        f"The least on x_t is {best:.3f}."
    )
    return figure


def _chart() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.6, 3.6), dpi=100)  # fixed margins: a redraw must be quick
    axes = figure.subplots()
    figure.subplots_adjust(left=0.11, right=0.97, bottom=0.15, top=0.91)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    return figure, axes


def _finish_log(axes: Axes) -> None:
    axes.minorticks_off()  # dozens of little ticks would make the redraw slow,
    axes.yaxis.set_major_formatter(lambda value, _: f"1e{math.log10(value):.0f}")  # as do formulas
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, loc="upper left")


def _top(curves: Mapping[str, Tensor]) -> float:
    """Return the power of ten that leaves room for the legend above the largest bound."""
    low, high = np.log10(0.1), np.log10(max(float(curve[-1]) for curve in curves.values()))
    return low + 1.5 * max(high - low, 2.0)


def _positive(curve: Tensor) -> np.ndarray:
    values = curve.numpy(force=True).astype(float)
    return np.where(values > 0, values, np.nan)


def _first(curve: Tensor) -> float:
    return next((value for value in curve.tolist() if value > 0), 0.0)


_LIPSCHITZ = Slider("Lipschitz constant L", 0.0, 2.0, 0.1, 0.5)

EXPLORERS = {
    "step_constants": Explorer(
        step_constant_figure,
        {
            "lipschitz": Slider("Lipschitz constant L", 0.0, 2.0, 0.1, 1.0),
            "n_steps": Choice("steps", (20, 50, 200), 50),
        },
    ),
    "three_bounds": Explorer(
        three_bounds_figure,
        {"lipschitz": _LIPSCHITZ, "n_steps": Choice("steps", (10, 20, 50), 20)},
    ),
    "filtered_chain": Explorer(
        filtered_chain_figure,
        {
            "level": Slider("sigma, from 0.02 to 2", 0, len(_SIGMAS) - 1, 1, 6),
            "noise": Slider("noise at the start", 0.0, 0.4, 0.1, 0.0),
        },
    ),
}

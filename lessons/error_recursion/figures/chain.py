"""Figures of the factor C_t and three bounds on the error of a chain (Lemmas 4.8 and 4.9)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from classroom.display.explorer import Choice, Explorer, Slider
from course.diffusion import NoiseSchedule
from course.recursion import expected_noise_norm, noise_variances, simulate, step_constants
from lessons.error_recursion.figures.shared import (
    BLUE,
    GREY,
    ORANGE,
    STYLES,
    chart,
    finish_log,
    stable_diffusion,
)


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
    schedule = stable_diffusion()
    timesteps = schedule.timesteps(n_steps).numpy()
    constants = step_constants(schedule, n_steps, lipschitz).numpy()
    floor = step_constants(schedule, n_steps, 0.0).numpy()
    figure, axes = chart()
    axes.axhspan(0.85, 1.0, color="#E0E0E0")
    axes.text(490, 0.91, "C < 1, contraction: nothing here", ha="center", color="#444444")
    axes.axhline(1.0, color=GREY, linewidth=1)
    label = f"C_t with L = {lipschitz:.1f}"
    every = max(1, n_steps // 8)
    axes.plot(timesteps, constants, color=ORANGE, marker="s", markevery=every, label=label)
    axes.plot(timesteps, floor, "--", color=BLUE, label="floor, 1 / √α_t  (L = 0)")
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
    curves = bound_curves(stable_diffusion(), n_steps, lipschitz, n_elements=256)
    draw = torch.Generator().manual_seed(0)
    start = torch.zeros(4, 256, dtype=torch.float64)
    errors = simulate(stable_diffusion(), n_steps, lipschitz, start, generator=draw) / 16
    figure, axes = chart()
    steps = range(n_steps + 1)
    for index, (name, curve) in enumerate(curves.items()):
        marks = {"markevery": (0, n_steps // 5), "markersize": 6}
        label = f"{name}: {curve[-1]:.3g}"
        axes.plot(steps, _positive(curve), **STYLES[index], **marks, label=label)
    for chain in errors.T:  # so near to each other that no marks tell them apart: the title does
        axes.plot(steps, _positive(chain), "x", color="black", markersize=5)
    between = f"{errors[-1].min():.3g} and {errors[-1].max():.3g}"
    # The axis of every L and number of steps, so that it is the lines that move under a slider.
    axes.set(yscale="log", ylim=(0.1, 1e11), xticks=steps[:: n_steps // 5])
    axes.set_yticks([10.0**power for power in range(-1, 12, 2)])
    axes.set(xlabel="steps done", ylabel="error / √d (log scale)")
    title = f"L = {lipschitz:.1f}; crosses: four chains that were run, at the end between {between}"
    axes.set_title(title, fontsize=10)
    finish_log(axes)
    ends = ", ".join(f"{name} {curve[-1]:.3g}" for name, curve in curves.items())
    figure.set_label(
        f"Chart with a logarithmic axis: bounds on the error over {n_steps} steps with "
        f"L = {lipschitz:.1f}. At the end: {ends}. Four simulated chains end between "
        f"{between}, around the mean-square bound, which "
        "holds for the root mean square of all chains. The axis runs from 0.1 to 1e11 for every L."
    )
    return figure


def real_chain_figure(bounds: Mapping[str, Tensor], measured: Mapping[str, Tensor]) -> Figure:
    """Draw bounds as lines and measured errors as marks against the steps done, log scale.

    All curves are (n_steps + 1,), per number of a latent; zeros are left out. Raises ValueError
    for no curve or more than four bounds. Source: Lemma 4.9 on a real model.
    """
    if not bounds or len(bounds) > len(STYLES) or not measured:
        raise ValueError("wanted are one to four bounds and one measured curve or more")
    figure = Figure(figsize=(7.5, 4.2), dpi=100)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.11, right=0.97, bottom=0.13, top=0.92)
    parts = []
    for index, (style, (name, curve)) in enumerate(zip(STYLES, bounds.items())):
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
    finish_log(axes)
    figure.set_label(f"Chart with a logarithmic axis against the steps done: {'; '.join(parts)}.")
    return figure


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
}

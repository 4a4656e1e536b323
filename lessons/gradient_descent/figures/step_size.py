"""Figures of the step size, for all frames or for each norm (Theorem 4.4, Eq. 22 and 32)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from classroom.display.explorer import Explorer, Slider
from course.temporal import descend, smoothness_bound
from lessons.gradient_descent.figures.shared import (
    LOOKS,
    N_STEPS,
    losses_of,
    planar,
    tidy,
    two_panels,
)


def step_sizes_figure(multiples: Sequence[float] = (0.5, 1.0, 1.5)) -> Figure:
    """Draw loss and mean norm over 40 steps, for step sizes that are multiples of 2 / L_0.

    The clip has 20 frames of norm 1, each a quarter turn from the last and shaken by about three
    degrees: there the loss is curved almost as much as `smoothness_bound` allows.
    Source: Theorem 4.4, Eq. 22 and 32.
    """
    figure, chart, norms = two_panels()
    start, parts = quarter_turn_clip(), []
    limit = 2 / smoothness_bound(len(start), 1.0)
    for index, multiple in enumerate(multiples):
        path = list(descend(start, multiple * limit, N_STEPS))
        losses = losses_of(path)
        means = [float(step.features.norm(dim=1).mean()) for step in path]
        looks = {**LOOKS[index], "markevery": (3 * index, 8), "label": f"{multiple:g} · 2/L₀"}
        chart.plot(losses, **looks)
        norms.plot(means, **looks)
        rises = sum(after > before for before, after in zip(losses, losses[1:]))
        parts.append(
            f"at {multiple:g} times 2/L0 the loss goes from {losses[0]:.1e} to {losses[-1]:.1e}, "
            f"at most {max(losses):.1e}, and rises in {rises} steps, while the mean norm goes "
            f"from 1 to {means[-1]:.3f}"
        )
    chart.set(xlabel="descent step", ylabel="temporal loss (log scale)")
    _logarithmic(chart, 3e-6, 5)
    norms.set(xlabel="descent step", ylabel="mean norm of the frames")
    norms.set_ylim(0.95, 2.25)  # the same under every setting of the slider
    norms.legend(fontsize=9, frameon=False, title="step size")
    figure.set_label(f"Two line charts over the descent steps. {_sentence('; '.join(parts))}.")
    return figure


def step_size_figure(multiple: float = 1.5) -> Figure:
    """Draw the step size of `multiple` times 2 / L_0 (0.1 to 4) beside the safe one of 0.5 times.

    Source: Theorem 4.4, Eq. 22 and 32.
    """
    return step_sizes_figure((0.5, multiple))


def unequal_norms_figure(spread: float = 10.0) -> Figure:
    """Draw the loss under one step size for all frames, and under steps that fit each norm.

    Five frames of 8 numbers; their norms run from 1 to `spread` (1 to 30) in equal ratios.
    Source: Theorem 4.4, repaired.
    """
    generator = torch.Generator().manual_seed(3)
    directions = torch.randn(5, 8, generator=generator, dtype=torch.float64)
    directions /= directions.norm(dim=1, keepdim=True)
    norms = torch.logspace(0, math.log10(spread), 5, dtype=torch.float64)[[2, 0, 4, 1, 3]]
    rate = 1 / smoothness_bound(5, 1.0)
    plain = losses_of(descend(directions * norms[:, None], rate, N_STEPS))
    fitted = losses_of(descend(directions, rate, N_STEPS))
    figure = Figure(figsize=(6.4, 3.4), dpi=100)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.13, right=0.97, bottom=0.16, top=0.91)
    labels = ("one step size for all", "step size times ||F||²")
    for values, label, looks in zip((plain, fitted), labels, (LOOKS[2], LOOKS[0])):
        axes.plot(values, label=label, markevery=5, **looks)
    axes.set(xlabel="descent step", ylabel="temporal loss (log scale)")
    late, soon = _first_below(plain, 0.01), _first_below(fitted, 0.01)
    title = f"norms from 1 to {spread:.0f}; loss below 0.01: {late}, fitted {soon}"
    axes.set_title(title, fontsize=10)
    tidy(axes)
    _logarithmic(axes, 1e-7, 2)
    axes.legend(frameon=False)
    figure.set_label(
        f"Line chart with log scale, norms from 1 to {spread:.0f}: after {N_STEPS} steps the loss "
        f"has gone from {plain[0]:.2g} to {plain[-1]:.1e} with one step size for all frames, and "
        f"to {fitted[-1]:.1e} with steps that grow with the squared norm. It is below 0.01 "
        f"{late} with the one and {soon} with the others."
    )
    return figure


def quarter_turn_clip(n_frames: int = 20) -> Tensor:
    """Return (n_frames, 2): frames of norm 1, a quarter turn apart, shaken by 0.05 radians."""
    generator = torch.Generator().manual_seed(0)
    shake = torch.randn(n_frames, generator=generator, dtype=torch.float64)
    return planar(torch.arange(n_frames) * (math.pi / 2) + 0.05 * shake)


def _first_below(losses: Sequence[float], limit: float) -> str:
    steps = [step for step, loss in enumerate(losses) if loss < limit]
    return f"after {steps[0]} steps" if steps else f"not within {len(losses) - 1} steps"


def _logarithmic(axes: Axes, lowest: float, highest: float) -> None:
    axes.set_yscale("log")
    exponents = range(math.ceil(math.log10(lowest)), math.floor(math.log10(highest)) + 1, 2)
    axes.set_yticks([10.0**k for k in exponents], labels=[f"1e{k}" for k in exponents])
    axes.minorticks_off()
    axes.set_ylim(lowest, highest)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


EXPLORERS = {
    "step_size": Explorer(
        step_size_figure, {"multiple": Slider("step size / (2/L₀)", 0.1, 4.0, 0.1, 1.5)}
    ),
    "unequal_norms": Explorer(
        unequal_norms_figure, {"spread": Slider("longest / shortest frame", 1, 30, 1, 10)}
    ),
}

"""Figures of lesson 05: noise on a known density, its score, chains of variances, inversion.

The data is a mixture of Gaussians on a line. With noise on it (Eq. 5) it is a mixture again, so
density, score and best noise prediction are known in closed form at every level alpha-bar.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from classroom.display.explorer import Choice, Explorer, Slider
from classroom.display.figures import PALETTE
from course.diffusion import NoiseSchedule
from lessons.ddim_inversion.mixture import GaussianMixture, exact_end, round_trip

_BLUE, _ORANGE, _GREEN = PALETTE[:3]
_GREY = "#777777"
_LINES, _MARKS = ("-", "--", "-.", ":"), ("o", "s", "^", "D")
_STEPS = (2, 4, 8, 16, 32, 50)
_POINTS = (-1.8, -1.45, -1.15, 0.45, 0.75, 1.05, 1.5)


def shares_figure(schedule: NoiseSchedule) -> Figure:
    """Draw alpha, alpha-bar and the two factors of `add_noise` against the timestep (Eq. 5, 8)."""
    level = schedule.alphas_cumprod.numpy()
    curves = {
        "per-step alpha": schedule.alphas.numpy(),
        "running product alpha-bar": level,
        "factor of the signal": np.sqrt(level),
        "factor of the noise": np.sqrt(1 - level),
    }
    figure, axes = _panels(1)
    for index, (name, curve) in enumerate(curves.items()):
        axes.plot(curve, label=name, color=PALETTE[index], linestyle=_LINES[index], linewidth=2)
    axes.set(xlabel="timestep (0: almost clean)", ylabel="factor (no unit)")
    axes.legend(fontsize=9, loc="center right", bbox_to_anchor=(1.0, 0.62))
    figure.set_label(
        f"Four curves over {len(level)} timesteps: the per-step alpha stays near 1, from "
        f"{float(schedule.alphas[0]):.4f} to {float(schedule.alphas[-1]):.4f}; alpha-bar falls to "
        f"{level[-1]:.4f}; the factor of the signal falls, that of the noise rises, and they cross "
        f"near timestep {int((level < 0.5).argmax())}."
    )
    return figure


def noise_level_figure(timestep: int = 198) -> Figure:
    """Draw the noisy density at a timestep, and arrows that take the predicted noise away.

    Returns a figure of two panels. An arrow starts at x and goes against the noise, along the
    score: (1 - level) score long. `timestep` is in [0, 999]. Source: Eq. 5.
    """
    level = float(_schedule().alphas_cumprod[timestep])
    data, x = GaussianMixture(), torch.linspace(-3.2, 3.2, 321, dtype=torch.float64)
    figure, top, bottom = _panels(2, sharex=True, height_ratios=(3, 2))
    top.plot(x, data.density(x), "--", color=_GREY, label="data")
    top.plot(x, data.density(x, level), color=_BLUE, linewidth=2, label="with noise")
    top.set(ylabel="density", ylim=(0, 0.75), yticks=(0, 0.5))
    top.set_title(f"timestep {timestep}: alpha-bar = {level:.3f}", fontsize=10)
    top.legend(fontsize=8, loc="upper right")
    start = torch.linspace(-2.8, 2.8, 15, dtype=torch.float64)
    move, rungs = (1 - level) * data.score(start, level), np.arange(15)
    bottom.plot(start, rungs, "o", color="black", markersize=3)
    looks = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.006, "color": _ORANGE}
    bottom.quiver(start, rungs, move, np.zeros(15), **looks)
    bottom.set(xlabel="x (no unit)", ylabel="arrows,\na row each", yticks=(), ylim=(-1.5, 15.5))
    bottom.set(xlim=(-3.2, 3.2), xticks=(-3, -2, -1, 0, 1, 2, 3))
    peaks = _peaks(data.density(x, level))
    figure.set_label(
        f"Top: a density with {peaks} {'peak' if peaks == 1 else 'peaks'} at timestep {timestep}, "
        "beside the two peaks of the data. Bottom: from 15 positions, each on a row of its own so "
        "that no arrow hides another, an arrow takes the predicted "
        f"noise away; the longest is {float(move.abs().max()):.2f} long, and all of them point "
        "to where the density is higher."
    )
    return figure


def inversion_figure(n_steps: int = 10, refine: int = 0) -> Figure:
    """Draw seven data points inverted and brought back, and the error against the steps.

    Returns a figure of two panels. `n_steps` is in [2, 50], `refine` is 0, 1 or 2. Crosses mark
    where the exact flow of the mixture ends, which keeps the rank of each point.
    Source: arXiv 2010.02502, Section 4.3.
    """
    schedule, start = _schedule(), torch.tensor(_POINTS, dtype=torch.float64)
    up, down, timesteps = round_trip(start, n_steps, refine, schedule)
    figure, left, right = _panels(2, horizontal=True)
    left.plot(*_joined(timesteps, up), color=_BLUE, linewidth=1.5)
    left.plot(*_joined(timesteps, down), "--", color=_ORANGE, linewidth=1.5)
    ends = _exact_ends(int(timesteps[-1]))
    left.plot([int(timesteps[-1])] * len(ends), ends, "x", color="black", markersize=7)
    left.set(xlabel="timestep", ylabel="x (no unit)", ylim=(-3.2, 3.2), yticks=(-2, 0, 2))
    left.set(xlim=(-30, 1030), xticks=(0, 500, 1000))
    left.set_title("solid: up, dashed: back, x: exact", fontsize=10)
    for each in range(3):
        style = {"color": PALETTE[each], "linestyle": _LINES[each], "marker": _MARKS[each]}
        curve = np.log10([_STEPS, _errors(each)])
        right.plot(*curve, markersize=4, label=f"refine {each}", **style)
    error = float((down[0] - up[0]).abs().max())
    right.plot(*np.log10([[n_steps], [error]]), "o", color="black", markersize=9)
    # Logarithms on plain axes: logarithmic axes would take twice the time to draw.
    right.set(xlabel="steps each way", ylabel="largest error of the round trip")
    right.set(xlim=(0.2, 1.8), xticks=np.log10([2, 5, 10, 20, 50]), xticklabels=[2, 5, 10, 20, 50])
    right.set(ylim=(-5.5, 0.3), yticks=(-5, -3, -1), yticklabels=("1e-5", "1e-3", "1e-1"))
    right.legend(fontsize=8, loc="lower left")
    right.set_title(f"{n_steps} steps, refine {refine}: {error:.1e}", fontsize=10)
    figure.set_label(
        f"Left: paths of seven points from data to noise in {n_steps} steps and back again; "
        f"crosses mark the exact ends. Right: the largest error of the round trip falls with the "
        f"number of steps and with each refinement; here it is {error:.1e}."
    )
    return figure


def reconstruction_figure(curves: Mapping[str, Mapping[int, float]], ceiling: float) -> Figure:
    """Draw the PSNR in dB of reconstructions against the steps, under the VAE's own.

    `curves[label]` maps a number of steps to a PSNR. Raises ValueError for no curves.
    """
    if not curves:
        raise ValueError("curves wants one label or more, each with {steps: PSNR}")
    figure, axes = _panels(1)
    axes.axhline(ceiling, color="black", linewidth=1.2, label="autoencoder alone")
    for index, (name, points) in enumerate(curves.items()):
        style = {"linestyle": _LINES[index % 4], "marker": _MARKS[index % 4]}
        axes.plot(list(points), list(points.values()), label=name, color=PALETTE[index], **style)
    axes.set(xlabel="steps each way", ylabel="PSNR against the clip (dB)")
    axes.set(xticks=sorted({steps for points in curves.values() for steps in points}))
    axes.legend(fontsize=9)
    parts = []
    for name, points in curves.items():
        values = (f"{value:.1f} dB at {steps} steps" for steps, value in points.items())
        parts.append(f"{name}: {', '.join(values)}")
    figure.set_label(f"PSNR against steps, ceiling {ceiling:.1f} dB. {'; '.join(parts)}.")
    return figure


def variance_figure(curves: Mapping[str, Sequence[float]]) -> Figure:
    """Draw variances of x along chains from noise to data, against the timestep.

    `curves[label]` are the values after 0, 1, ... single steps. Raises ValueError for no curves.
    """
    if not curves:
        raise ValueError("curves wants one label or more, each with the variances of a chain")
    figure, axes = _panels(1)
    for index, (name, values) in enumerate(curves.items()):
        timesteps = np.arange(len(values))[::-1]
        style = {"linestyle": _LINES[index % 4], "marker": _MARKS[index % 4], "linewidth": 2}
        every = (40 * index, max(1, len(values) // 6))
        axes.plot(timesteps, values, label=name, color=PALETTE[index], markevery=every, **style)
    axes.invert_xaxis()
    axes.set(xlabel="timestep (the chain runs to the right)", ylabel="variance of x (no unit)")
    axes.legend(fontsize=9, loc="lower left")
    parts = [f"{name} ends at {float(values[-1]):.5f}" for name, values in curves.items()]
    figure.set_label(f"Variances along chains that start at 1: {'; '.join(parts)}.")
    return figure


def _panels(n: int, *, horizontal: bool = False, **layout: object) -> tuple:
    """Return a figure with n panels, below each other or side by side, and the panels."""
    figure = Figure(figsize=(6.6, 3.5), dpi=100)  # fixed margins: a redraw must be quick
    rows, columns = (1, n) if horizontal else (n, 1)
    ratios = {"height_ratios": layout.pop("height_ratios")} if "height_ratios" in layout else {}
    panels = figure.subplots(rows, columns, squeeze=False, gridspec_kw=ratios, **layout).ravel()
    figure.subplots_adjust(left=0.11, right=0.97, bottom=0.15, top=0.9, wspace=0.3, hspace=0.1)
    for axes in panels:
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, *panels


def _joined(x: Tensor, curves: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return curves (n, N) over x (n,) as one line with gaps: one artist draws faster than N."""
    gap = np.full((1, curves.shape[1]), np.nan)
    y = np.concatenate([curves.numpy(), gap]).T.ravel()
    return np.tile(np.append(x.numpy(), np.nan), curves.shape[1]), y


def _peaks(curve: Sequence[float]) -> int:
    """Return how many values of a curve are higher than both neighbours."""
    curve = np.asarray(curve)
    return int(((curve[1:-1] > curve[:-2]) & (curve[1:-1] > curve[2:])).sum())


@lru_cache(maxsize=1)
def _schedule() -> NoiseSchedule:
    return NoiseSchedule.stable_diffusion()


@cache
def _exact_ends(timestep: int) -> list[float]:
    start = torch.tensor(_POINTS, dtype=torch.float64)
    return exact_end(start, _schedule(), timestep).tolist()


@lru_cache(maxsize=3)
def _errors(refine: int) -> list[float]:
    """Return the largest round-trip error for each of `_STEPS`: kept, as every redraw shows it."""
    start = torch.tensor(_POINTS, dtype=torch.float64)
    trips = [round_trip(start, n_steps, refine, _schedule()) for n_steps in _STEPS]
    return [float((down[0] - up[0]).abs().max()) for up, down, _ in trips]


EXPLORERS = {
    "noise_level": Explorer(noise_level_figure, {"timestep": Slider("timestep", 0, 999, 9, 198)}),
    "inversion_steps": Explorer(
        inversion_figure,
        {
            "n_steps": Slider("steps each way", 2, 50, 1, 10),
            "refine": Choice("refinements", (0, 1, 2), 0),
        },
    ),
}

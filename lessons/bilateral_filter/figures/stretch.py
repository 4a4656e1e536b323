"""Figures of two pixels that break Lemma 4.7 (Eq. 9), and of a ramp that becomes a staircase."""

from __future__ import annotations

import math

import torch
from matplotlib.figure import Figure
from torch import Tensor

from classroom.display.explorer import Choice, Explorer, Slider
from lessons.bilateral_filter.figures.filter import filter_row
from lessons.bilateral_filter.figures.shared import BLUE, GREEN, GREY, SPATIAL, one_panel, quiet

_GAPS = torch.linspace(0, 6, 121, dtype=torch.float64)


def ramp(n_pixels: int = 40) -> Tensor:
    """Return a ramp from 0 to 1 with a ripple so weak that it still climbs: (n_pixels,)."""
    x = torch.linspace(0, 1, n_pixels, dtype=torch.float64)
    return x + 0.02 * torch.sin(6 * math.pi * x)


def two_pixel_stretch(gap: Tensor, weight: float = 1.0) -> Tensor:
    """Return by how much the filter multiplies a small change of the gap between two pixels.

    `gap` is in units of sigma_intensity; `weight`, in (0, 1], is the spatial weight between the
    two. The result is like `gap`; above 1 the filter drives two images apart. Source: the
    derivative of Eq. 9 for two pixels.
    """
    share = weight * torch.exp(-gap.square() / 2)
    share = share / (1 + share)
    return 1 - 2 * share + 2 * gap.square() * share * (1 - share)


def two_pixel_figure(gap: float = 2.0, weight: float = 1.0) -> Figure:
    """Draw the filtered gap between two pixels against the gap, and the stretch, its slope.

    `gap`, in [0, 6], is in units of sigma_intensity, `weight` as in `two_pixel_stretch`.
    """
    stretch = two_pixel_stretch(_GAPS, weight)
    share = weight * torch.exp(-_GAPS.square() / 2)
    after = _GAPS * (1 - share) / (1 + share)
    here = two_pixel_stretch(torch.tensor(gap, dtype=torch.float64), weight).item()
    w = weight * math.exp(-(gap**2) / 2)
    figure = Figure(figsize=(6.8, 3.4), dpi=100)
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.09, right=0.98, bottom=0.16, top=0.88, wspace=0.28)
    left.plot([0, 6], [0, 6], ":", color=GREY, linewidth=1.5, label="no filter")
    left.plot(_GAPS.tolist(), after.tolist(), color=BLUE, linewidth=2, label="filtered")
    left.plot([gap], [gap * (1 - w) / (1 + w)], "o", color="black", markersize=8, clip_on=False)
    left.set(xlabel="gap before (in sigma_intensity)", ylabel="gap after (in sigma_intensity)")
    left.set(xlim=(0, 6), ylim=(-0.2, 6), xticks=(0, 2, 4, 6), yticks=(0, 2, 4, 6))
    left.legend(frameon=False, fontsize=9)
    left.set_title("two pixels come nearer", fontsize=10)
    right.axhline(1, color=GREY, linestyle=":", linewidth=1.5)
    right.plot(_GAPS.tolist(), stretch.tolist(), color=GREEN, linewidth=2)
    right.plot([gap], [here], "o", color="black", markersize=8, clip_on=False)
    right.set(xlabel="gap before (in sigma_intensity)", ylabel="stretch (slope of the left curve)")
    right.set(xlim=(0, 6), ylim=(-0.05, 1.75), xticks=(0, 2, 4, 6), yticks=(0, 0.5, 1, 1.5))
    right.set_title(f"two images: distance times {here:.4f}", fontsize=10)
    for axes in (left, right):
        quiet(axes)
    top = int(stretch.argmax())
    figure.set_label(
        f"Spatial weight {weight:.2f}. Left: the gap of two pixels after the filter is below the "
        "gap before, and steepest in between. Right: the slope is below 1 for small gaps, highest "
        f"near a gap of {_GAPS[top].item():.2f} sigma with {stretch[top].item():.3f}, and near 1 "
        f"for large ones. The dot: gap {gap:.2f}, stretch {here:.4f}."
    )
    return figure


def staircase_figure(n_times: int = 30, sigma_intensity: float = 0.04) -> Figure:
    """Draw a ramp from 0 to 1 after filtering it `n_times` over, window 5, sigma_spatial 2."""
    before = ramp()
    after = filter_row(before, 5, SPATIAL, sigma_intensity, n_times=n_times)
    figure, axes = one_panel()
    axes.plot(before.tolist(), ":", color=GREY, linewidth=2, label="ramp")
    axes.plot(after.tolist(), "o-", color=BLUE, markersize=4, label=f"filtered {n_times} times")
    axes.set(xlabel="pixel", ylabel="value (no unit)", ylim=(-0.05, 1.05))
    axes.set_title(
        f"sigma_intensity {sigma_intensity:.2f}, steepest step {after.diff().max():.3f}",
        fontsize=10,
    )
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    flat = int((after.diff().abs() < 0.25 * before.diff().mean()).sum())
    figure.set_label(
        f"A ramp of 40 pixels, before and after {n_times} passes of the filter with "
        f"sigma_intensity {sigma_intensity:.2f}: {flat} of 39 steps between neighbours are less "
        f"than a quarter of the ramp's mean step, and the steepest is {after.diff().max():.3f}, "
        f"before it was {before.diff().max():.3f}."
    )
    return figure


EXPLORERS = {
    "two_pixels": Explorer(
        two_pixel_figure,
        {
            "gap": Slider("gap (in sigma_intensity)", 0.0, 6.0, 0.05, 2.0),
            "weight": Slider("spatial weight", 0.05, 1.0, 0.05, 1.0),
        },
    ),
    "staircase": Explorer(
        staircase_figure,
        {
            "n_times": Choice("passes", (1, 3, 10, 30), 30),
            "sigma_intensity": Slider("sigma_intensity", 0.01, 0.12, 0.01, 0.04),
        },
    ),
}

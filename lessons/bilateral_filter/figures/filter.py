"""Figures of the filter on pictures, a noisy step and latents, and its weights (Eq. 9 to 11)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from matplotlib.figure import Figure
from torch import Tensor

from classroom.display.explorer import Explorer, Slider
from course.bilateral import bilateral_filter
from lessons.bilateral_filter.figures.shared import BLUE, GREY, ORANGE, SPATIAL, one_panel

_NOISE = 0.12  # standard deviation on the step of height 1


def filter_row(
    signal: Tensor,
    kernel_size: int = 5,
    sigma_spatial: float = SPATIAL,
    sigma_intensity: float = 0.1,
    *,
    n_times: int = 1,
) -> Tensor:
    """Filter a row of pixels (n,) `n_times`, each time the result of the last; returns (n,).

    Raises as `course.bilateral.bilateral_filter`. Source: Eq. 9 in one dimension.
    """
    image = signal.expand(1, 1, max(2, kernel_size // 2 + 1), len(signal))
    for _ in range(n_times):
        image = bilateral_filter(image, kernel_size, sigma_spatial, sigma_intensity)
    return image[0, 0, 0]


def noisy_step(n_pixels: int = 40) -> tuple[Tensor, Tensor]:
    """Return a step from 0 to 1 and the step with noise, both (n_pixels,) in float64."""
    step = (torch.arange(n_pixels) >= n_pixels // 2).double()
    noise = torch.randn(n_pixels, generator=torch.Generator().manual_seed(4), dtype=step.dtype)
    return step, step + _NOISE * noise


def pictures_figure(pictures: Mapping[str, Tensor]) -> Figure:
    """Draw grey pictures (H, W) in [0, 1] beside each other, each under its name."""
    figure = Figure(figsize=(2.9 * len(pictures), 3.2), layout="constrained")
    panels = figure.subplots(1, len(pictures), squeeze=False)[0]
    parts = []
    for axes, (name, picture) in zip(panels, pictures.items()):
        axes.imshow(picture.clamp(0, 1).numpy(force=True), cmap="gray", vmin=0, vmax=1)
        axes.set(xticks=[], yticks=[])
        axes.set_title(name, fontsize=10)
        steps = float(picture.diff(dim=1).abs().mean())
        parts.append(f"{name} (neighbours differ by {steps:.3f} on average)")
    figure.set_label(f"The same grey picture {len(parts)} times, side by side: {'; '.join(parts)}.")
    return figure


def pixel_weights_figure(
    window: Tensor, sigma_spatial: float = 2.0, sigma_intensity: float = 0.1
) -> Figure:
    """Draw a window of pixels (K, K), K odd, and the weights of its centre (Eq. 10, 11 and both).

    The right panel is normalised as in Eq. 9: its numbers sum to one.
    """
    window = window.double()
    middle = len(window) // 2
    steps = (torch.arange(len(window), dtype=window.dtype) - middle).square()
    near = torch.exp(-(steps[:, None] + steps) / (2 * sigma_spatial**2))
    apart = (window - window[middle, middle]).square()
    alike = torch.exp(-apart / (2 * sigma_intensity**2))
    both = near * alike / (near * alike).sum()
    panels = {
        "pixels": (window, "gray", 1.0, "brightness"),
        "distance (Eq. 10)": (near, "viridis", 1.0, "weight"),
        "difference (Eq. 11)": (alike, "viridis", 1.0, "weight"),
        "product, sum 1 (Eq. 9)": (both, "viridis", None, "weight"),
    }
    figure = Figure(figsize=(11, 2.9), layout="constrained")
    figure.get_layout_engine().set(wspace=0.08)  # a label must not seem to be the next panel's
    for axes, (name, (values, colours, top, unit)) in zip(figure.subplots(1, 4), panels.items()):
        drawn = axes.imshow(values.numpy(force=True), cmap=colours, vmin=0, vmax=top)
        axes.plot([middle], [middle], "x", color=ORANGE, markersize=9, markeredgewidth=2)
        axes.set(xticks=[], yticks=[])
        axes.set_title(name, fontsize=10)
        figure.colorbar(drawn, ax=axes, label=unit, shrink=0.62)
    same = int((alike > 0.5).sum())
    figure.set_label(
        f"A window of {len(window)} by {len(window)} pixels near an edge and three pictures of "
        "weights, each with a cross on the centre: a round hill; a mask that is bright where "
        f"pixels are like the centre ({same} of {window.numel()} above one half); and their "
        f"product, in which the centre has the weight {float(both[middle, middle]):.3f}."
    )
    return figure


def noisy_step_figure(sigma_intensity: float = 0.4, window: int = 7) -> Figure:
    """Draw a noisy step of height 1, a Gaussian blur of it, and the bilateral filter's result.

    `sigma_intensity` is in units of the step, `window` odd; sigma_spatial is 2 pixels.
    Source: Eq. 9 to 11.
    """
    step, noisy = noisy_step()
    rows = {
        "Gaussian": filter_row(noisy, window, SPATIAL, math.inf),
        "bilateral": filter_row(noisy, window, SPATIAL, sigma_intensity),
    }
    error = {name: float((row - step).square().mean().sqrt()) for name, row in rows.items()}
    figure, axes = one_panel()
    axes.plot(noisy.tolist(), "s", color=GREY, markersize=4, label="noisy step")
    looks = {"Gaussian": (ORANGE, "--"), "bilateral": (BLUE, "-")}
    for name, row in rows.items():
        colour, line = looks[name]
        axes.plot(
            row.tolist(), line, color=colour, linewidth=2, label=f"{name}, off by {error[name]:.3f}"
        )
    axes.set(xlabel="pixel", ylabel="value (height of the step: 1)", ylim=(-0.4, 1.4))
    axes.set_title(f"sigma_intensity {sigma_intensity:.2f}, window {window}", fontsize=10)
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    figure.set_label(
        f"A noisy step of 40 pixels, window {window}, sigma_intensity {sigma_intensity:.2f}. The "
        f"Gaussian turns the step into a slope, off by {error['Gaussian']:.3f} (root mean square); "
        f"the bilateral filter is off by {error['bilateral']:.3f}."
    )
    return figure


def latents_figure(latents: Mapping[str, Tensor]) -> Figure:
    """Draw latents (C, H, W), one in a row, one channel in a column, all in the same colours."""
    first = next(iter(latents.values()))
    size = (1.7 * len(first) + 1.2, 1.75 * len(latents) + 0.2)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(latents), len(first), squeeze=False)
    limit = max(float(latent.abs().max()) for latent in latents.values())
    parts = []
    for row, (name, latent) in zip(panels, latents.items()):
        for index, (axes, channel) in enumerate(zip(row, latent)):
            image = channel.numpy(force=True)
            drawn = axes.imshow(image, cmap="PuOr_r", vmin=-limit, vmax=limit)
            axes.set(xticks=[], yticks=[])
            if not parts:  # the first row
                axes.set_title(f"channel {index}", fontsize=10)
        row[0].set_ylabel(name, fontsize=10)
        parts.append(f"{name}, standard deviation {float(latent.std()):.3f}")
    figure.colorbar(drawn, ax=panels, label="value of the latent", shrink=0.7)
    figure.set_label(
        f"{len(first)} channels of a latent, {first.shape[-1]} by {first.shape[-2]}, in "
        f"{len(parts)} rows: {'; '.join(parts)}."
    )
    return figure


EXPLORERS = {
    "noisy_step": Explorer(
        noisy_step_figure,
        {
            "sigma_intensity": Slider("sigma_intensity", 0.05, 2.0, 0.05, 0.4),
            "window": Slider("window (pixels)", 1, 13, 2, 7),
        },
    ),
}

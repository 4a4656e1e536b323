"""Figures of a bilateral filter inside the chain, a real one and a small one (Theorem 4.6)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from classroom.display.explorer import Explorer, Slider
from course.bilateral import bilateral_filter
from course.diffusion import invert, sample
from lessons.error_recursion.figures.shared import GREY, STYLES, chart, finish_log, stable_diffusion

_SIGMAS = np.geomspace(0.02, 2.0, 13)
_SIDE, _N_STEPS = 16, 10
_TARGETS = ("latents", "original")


def filter_growth_figure(sigmas: list[float], errors: Mapping[str, list[float]]) -> Figure:
    """Draw what a filter of growing `sigmas` adds to an error, on log-log axes with guide lines.

    `errors[name]` has one value for each sigma. The grey guides have slopes 1 and 2. Raises
    ValueError for curves of another length. Source: Theorem 4.6, on a real model.
    """
    if any(len(values) != len(sigmas) for values in errors.values()):
        raise ValueError(f"each curve wants {len(sigmas)} values, one for each sigma")
    figure, axes = chart()
    parts = []
    for style, (name, values) in zip(STYLES, errors.items()):
        axes.loglog(sigmas, values, **style, markersize=7, label=name)
        slopes = np.diff(np.log(values)) / np.diff(np.log(sigmas))
        parts.append(
            f"{name}: {values[0]:.3g} to {values[-1]:.3g}, with slope {slopes[0]:.2f} at first and "
            f"{slopes[-1]:.2f} at last"
        )
    first = max(values[0] for values in errors.values())
    ends = (sigmas[0], sigmas[-1])
    top = 3 * max(max(values) for values in errors.values())
    for slope, line in ((1, (0, (1, 2))), (2, (0, (4, 4)))):
        # A guide ends where it leaves the frame.
        stop = min(ends[1], ends[0] * (top / (1.6 * first)) ** (1 / slope))
        guide = 1.6 * first * np.array([1.0, (stop / ends[0]) ** slope])
        name = f"slope {slope}, to compare"
        axes.loglog([ends[0], stop], guide, color=GREY, linestyle=line, label=name)
    axes.set(ylim=(min(min(values) for values in errors.values()) / 2, top))
    axes.set(xlabel="sigma of the intensities, in units of the latent (log)")
    axes.set(ylabel="change / norm of the clip's latents (log)")
    axes.set_xticks(sigmas, labels=[f"{sigma:g}" for sigma in sigmas])
    axes.set_title("A filter in every step: how far it moves the result", fontsize=10)
    finish_log(axes)
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
    schedule, image = stable_diffusion(), small_image()

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
    """Draw the small image, what chains with and without filter return, and the error over sigma.

    `level` counts the drawn sigmas from 0 to 12, `noise` is the deviation added at the start.
    Source: Theorem 4.6.
    """
    sigma = _SIGMAS[level]
    results = {target: filtered_chain(noise, target) for target in _TARGETS}
    figure = Figure(figsize=(8.4, 3.1), dpi=100)
    panels = [figure.add_axes((x, 0.17, 0.16, 0.6)) for x in (0.01, 0.18, 0.35)]
    axes = figure.add_axes((0.6, 0.17, 0.38, 0.72))
    unfiltered, errors = filtered_chain(noise, None)
    plain = float(errors[0])
    images = (small_image(), unfiltered[:1], results["latents"][0][level : level + 1])
    for panel, image, name in zip(panels, images, ("the image", "no filter", "filter on x_t")):
        panel.imshow(image[0, 0], cmap="gray", vmin=-1, vmax=1.3)
        panel.set(xticks=[], yticks=[])
        panel.set_title(name, fontsize=10)
    for style, (target, (_, errors)) in zip(STYLES, results.items()):
        name = "filter on x_t" if target == "latents" else "filter on predicted x_0"
        axes.plot(_SIGMAS, errors, **style, markevery=[level], markersize=9, label=name)
    axes.axhline(plain, color=GREY, linewidth=1, label="no filter")
    axes.set(xscale="log", xlim=(_SIGMAS[0] / 1.15, _SIGMAS[-1] * 1.15), ylim=(-0.02, 0.72))
    axes.set_xticks([0.02, 0.1, 0.5, 2], labels=["0.02", "0.1", "0.5", "2"])
    axes.minorticks_off()
    axes.set(xlabel="sigma of the intensities (log scale)", ylabel="root mean square error")
    axes.set_title(f"sigma = {sigma:.2f}, noise at the start {noise:.1f}", fontsize=10)
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    ends = {target: float(errors[level]) for target, (_, errors) in results.items()}
    best = float(results["latents"][1].min())
    figure.set_label(
        f"Three small grey images: one with a square, a ramp and stripes, what the chain returns "
        f"of it without a filter, and with the filter on x_t at sigma {sigma:.2f}. Right: the "
        f"error against sigma, with noise "
        f"{noise:.1f} at the start. At this sigma: {ends['latents']:.3f} on x_t, "
        f"{ends['original']:.3f} on the predicted x_0, {plain:.3f} without a filter. "
        f"The least on x_t is {best:.3f}."
    )
    return figure


EXPLORERS = {
    "filtered_chain": Explorer(
        filtered_chain_figure,
        {
            "level": Slider("sigma, from 0.02 to 2", 0, len(_SIGMAS) - 1, 1, 6),
            "noise": Slider("noise at the start", 0.0, 0.4, 0.1, 0.0),
        },
    ),
}

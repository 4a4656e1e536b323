"""Figures of lesson "The whole edit": where the object is, and the paper's Fig. 4 on many clips."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from classroom.display.figures import PALETTE
from course.clips import Clip

_STROKES = ("-", "--", ":", "-.")
_MARKS = ("o", "s", "^", "D")
_SHOWN = 0.3  # summed difference of the three colours at which a pixel is not background


def object_pixels(clip: Clip) -> Tensor:
    """Return where a clip shows its object on a plain background: (T, 1, H, W), 0 or 1.

    The background's colour is the clip's own median; a pixel belongs to the object where its three
    colours differ from it by 0.3 together. Stands for no equation: it says what is seen.
    """
    median = clip.frames.permute(1, 0, 2, 3).flatten(1).median(1).values
    difference = (clip.frames - median[None, :, None, None]).abs().sum(1, keepdim=True)
    return (difference > _SHOWN).to(clip.frames.dtype)


def centres(clip: Clip) -> Tensor:
    """Return the mean place (T, 2), x then y in pixels, of each frame's object pixels."""
    pixels = object_pixels(clip)[:, 0]
    area = pixels.sum((1, 2)).clamp(min=1)
    across, down = (
        torch.arange(size, dtype=pixels.dtype, device=pixels.device)
        for size in (pixels.shape[2], pixels.shape[1])
    )
    return torch.stack(
        [(pixels.sum(1) * across).sum(1) / area, (pixels.sum(2) * down).sum(1) / area], dim=1
    )


def centres_figure(clips: Mapping[str, Clip]) -> Figure:
    """Draw how far right the object of each clip is, frame by frame."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes, told = figure.subplots(), []
    for index, (label, clip) in enumerate(clips.items()):
        across = centres(clip)[:, 0].tolist()
        axes.plot(range(len(across)), across, label=label, color=PALETTE[index],
                  linestyle=_STROKES[index % 4], marker=_MARKS[index % 4])  # fmt: skip
        steps = [b - a for a, b in zip(across, across[1:])]
        told.append(
            f"{label}: from {across[0]:.1f} to {across[-1]:.1f} pixels, "
            f"steps between {min(steps):+.1f} and {max(steps):+.1f}"
        )
    axes.set(xlabel="frame", ylabel="centre of the object [pixels from the left]")
    axes.legend(frameon=False)
    figure.set_label(f"Line chart, centre of the object against the frame. {'; '.join(told)}.")
    return figure


def figure_4() -> dict:
    """Return the experiment that ``python -m benchmarks.figure_4`` measured and that ships."""
    text = files("lessons.video_edit").joinpath("figure_4.json").read_text(encoding="utf-8")
    return json.loads(text)


def measured_ranks() -> dict:
    """Return the rank correlations that ``python -m benchmarks.edit`` measured, and of how many.

    {"scenes": their number, "ranks": {measure: Spearman's coefficient in [-1, 1]}}; 1: clips stand
    in the same order as by the PSNR to the true target.
    """
    text = files("lessons.video_edit").joinpath("ranks.json").read_text(encoding="utf-8")
    return json.loads(text)


def figure_4_figure(mine: Mapping[str, Tensor] | None = None) -> Figure:
    """Draw both panels of the paper's Fig. 4 over many clips: means, with bars of one deviation.

    `mine[line]` (n_steps + 1,) lays one's own curves over the left panel.
    """
    found = figure_4()
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _with_spread(left, found["left"], None)
    for label, curve in (mine or {}).items():
        left.plot(
            range(1 - len(curve), 1), curve.tolist(), color="#000000", linewidth=1, label=label
        )
    left.set(
        xlabel="DDIM steps before the end (0: the result)",
        ylabel="mean cosine of neighbours (no unit)",
    )
    _with_spread(right, found["right"]["similarity_std"], found["training_steps"])
    right.set(
        xlabel="training steps done",
        ylabel="deviation of the similarity over pairs (no unit)",
    )
    for axes in (left, right):  # above the axes: bars reach everywhere within
        axes.legend(
            frameon=False, fontsize="small", loc="lower left", bbox_to_anchor=(0, 1), ncols=2
        )
    ends = [f"{line} ends at {each['mean'][-1]:.3f}" for line, each in found["left"].items()]
    for label, curve in (mine or {}).items():
        ends.append(f"{label}, a thin line, ends at {curve[-1]:.3f}")
    trained = found["right"]["similarity_std"]["with adapter"]["mean"]
    figure.set_label(
        f"Two line charts, means over {len(found['clips'])} clips with bars of one deviation. "
        f"Left, similarity along the chain: {'; '.join(ends)}. Right, deviation of the features' "
        f"similarity at fixed timesteps: with adapter from {trained[0]:.4f} to {trained[-1]:.4f}."
    )
    return figure


def _with_spread(
    axes: Axes, lines: Mapping[str, Mapping[str, list[float]]], places: Sequence[int] | None
) -> None:
    """Draw means, and one deviation as bars at a few places; whole bands would hide each other."""
    for index, (label, each) in enumerate(lines.items()):
        mean, spread = each["mean"], each["spread"]
        steps = range(1 - len(mean), 1) if places is None else places
        style = {"color": PALETTE[index], "linestyle": _STROKES[index % 4]}
        axes.plot(steps, mean, label=label, **style)
        shown = range(len(mean) - 1, -1, -max(1, len(mean) // 4))
        # Side by side, so that bars of one step can be told apart.
        aside = 0.012 * (steps[-1] - steps[0]) * (index - (len(lines) - 1) / 2)
        axes.errorbar(
            [steps[k] + aside for k in shown], [mean[k] for k in shown],
            [spread[k] for k in shown], fmt="none", ecolor=PALETTE[index], capsize=2, linewidth=1.2,
        )  # fmt: skip

"""Figures of clips that the loss (Eq. 19) cannot see, and of the way between two (Lemma 4.5)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from classroom.display.explorer import Explorer, Slider
from course.temporal import adjacent_similarities, temporal_loss
from lessons.temporal_loss.figures.shared import BLUE, GREEN, GREY, ORANGE, bare, numbers


def clips_figure(clips: Mapping[str, Tensor]) -> Figure:
    """Draw grey clips (T, H, W) in rows, each with its mean similarity and its loss (Eq. 19)."""
    n_frames = max(len(clip) for clip in clips.values())
    figure = Figure(figsize=(8.4, 0.3 + 0.95 * len(clips)))
    rows = figure.subplots(len(clips), 1, squeeze=False).flat
    figure.subplots_adjust(left=0.3, right=0.99, top=0.98, bottom=0.02, hspace=0.12)
    parts = []
    for axes, (name, clip) in zip(rows, clips.items()):
        similarity, loss = adjacent_similarities(clip).mean().item(), temporal_loss(clip).item()
        lines = (name, f"mean similarity {similarity:.2f}", f"loss {loss:.3f}")
        _draw_strip(axes, clip)
        axes.text(
            -0.02, 0.5, "\n".join(lines),
            transform=axes.transAxes, ha="right", va="center", fontsize=9,
        )  # fmt: skip
        parts.append(", ".join(lines))
    figure.set_label(f"Clips of {n_frames} frames, one a row. {'; '.join(parts)}.")
    return figure


def held_clip(hold: int, difference: float, n_frames: int = 12) -> Tensor:
    """Return a clip (n_frames, 16, 16) that changes between two pictures after `hold` frames.

    `difference` runs from 0, where the second picture is the first, to 1, where it is its negative.
    """
    rows, columns = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    first = torch.where((rows - 8) ** 2 + (columns - 6) ** 2 < 20, 1.0, -0.4).double()
    second = (1 - 2 * difference) * first + 0.1 * difference
    turn = torch.arange(n_frames) // hold % 2 == 0
    return torch.where(turn[:, None, None], first, second)


def flicker_figure(hold: int, difference: float) -> Figure:
    """Draw 12 frames that change after every `hold` frames, their similarities, and the loss."""
    clip = held_clip(hold, difference)
    similarities, loss = adjacent_similarities(clip), temporal_loss(clip).item()
    losses = [temporal_loss(held_clip(each, difference)).item() for each in range(1, 13)]
    figure = Figure(figsize=(6.8, 3.7))
    strip = figure.add_axes((0.12, 0.78, 0.86, 0.14))
    _draw_strip(strip, clip)
    strip.set_title(f"loss = {loss:.4f}", fontsize=12)
    left = figure.add_axes((0.12, 0.15, 0.38, 0.52))
    left.plot(range(1, 12), similarities, "o-", color=BLUE)
    left.set(xlabel="pair of frames t", ylabel="similarity (no unit)", ylim=(-1.1, 1.1))
    left.set(xticks=(1, 4, 8, 11), yticks=(-1, 0, 1))
    right = figure.add_axes((0.62, 0.15, 0.36, 0.52))
    right.vlines(range(1, 13), 0, losses, color="#BBBBBB", linewidth=9)  # quicker than bars
    right.plot(hold, loss, "D", color=ORANGE, markersize=8, clip_on=False)
    right.set(xlabel="frames between two changes", ylabel="loss (no unit)", ylim=(0, 4))
    right.set(xticks=(1, 4, 8, 12), yticks=(0, 2, 4))
    figure.set_label(
        f"Twelve frames that change after every {hold}, between a picture and one that differs by "
        f"{difference:.2f}. Similarities {numbers(similarities)}; loss {loss:.4f}. Bars: the loss "
        f"when it changes after 1 to 12 frames: {numbers(torch.tensor(losses))}."
    )
    return figure


def segment_clips(angle: float) -> tuple[Tensor, Tensor]:
    """Return two clips (3, 2) of loss 0: a still one, and one turned by +-`angle` degrees."""
    first = torch.tensor([[1.0, 0.0]] * 3, dtype=torch.float64)
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    last = torch.tensor([[cos / 2, sin / 2], [1, 0], [3 * cos, -3 * sin]], dtype=torch.float64)
    return first, last


def segment_figure(angle: float, position: float) -> Figure:
    """Draw the loss along the straight line between two clips of loss 0 (Lemma 4.5)."""
    first, last = segment_clips(angle)
    weights = torch.linspace(0, 1, 101, dtype=torch.float64)
    losses = [temporal_loss(torch.lerp(first, last, weight)).item() for weight in weights]
    here = torch.lerp(first, last, position)
    loss = temporal_loss(here).item()
    figure = Figure(figsize=(6.8, 3.5))
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.04, right=0.98, top=0.88, bottom=0.16, wspace=0.2)
    left.set(xlim=(-4.2, 1.4), ylim=(-2.8, 2.8), aspect="equal")
    left.set_title("the three frames there", fontsize=11)
    rows = torch.tensor([1.9, 0.0, -1.9])
    left.quiver(
        0 * rows, rows, *here.T, color=(BLUE, ORANGE, GREEN),
        angles="xy", scale_units="xy", scale=1, width=0.016,
    )  # fmt: skip
    left.plot(0 * rows, rows, ".", color=GREY)
    for number, height in enumerate(rows.tolist(), 1):
        left.text(1.3, height + 0.5, f"frame {number}", ha="right", va="center", fontsize=9)
    bare(left)
    right.plot(weights, losses, "-", color=BLUE, label="loss on the way")
    right.plot([0, 1], [0, 0], "s--", color=GREY, label="a convex loss stays below")
    right.plot(position, loss, "D", color=ORANGE, markersize=9, label="here")
    right.set(xlabel="way from A to B", ylabel="loss (no unit)", ylim=(-0.1, 3.1))
    right.set_title(f"loss = {loss:.4f}", fontsize=11)
    right.legend(fontsize=8, loc="upper left")
    figure.set_label(
        f"Loss along the line from clip A to clip B (angle {angle:g} degrees). It is 0 at both "
        f"ends, {max(losses):.3f} at most, and {loss:.4f} at {position:.2f} of the way. Beside it "
        "the three arrows of the clip there."
    )
    return figure


def _draw_strip(axes: Axes, clip: Tensor) -> None:
    """Draw grey frames (T, H, W), from -1 to 1, side by side as one picture."""
    padded = torch.nn.functional.pad(clip, (1, 1), value=1.0)
    row = padded.transpose(0, 1).flatten(1)
    axes.imshow(row, cmap="gray", vmin=-1, vmax=1, interpolation="nearest", aspect="auto")
    bare(axes)


EXPLORERS = {
    "flicker": Explorer(
        flicker_figure,
        {
            "hold": Slider("frames between changes", 1, 12, 1, 2),
            "difference": Slider("difference", 0.0, 1.0, 0.05, 0.6),
        },
    ),
    "segment": Explorer(
        segment_figure,
        {
            "position": Slider("way from A to B", 0.0, 1.0, 0.05, 0.5),
            "angle": Slider("angle of clip B (degrees)", 0, 175, 5, 170),
        },
    ),
}

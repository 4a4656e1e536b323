"""Figures of lesson 00: frames that are steady or not, and the number that the paper looks at.

Stands for Eq. 3, the cosine similarity of neighbouring frames, seen once from outside.
"""

from __future__ import annotations

import torch
from matplotlib.figure import Figure
from torch import Tensor

from classroom.display.explorer import Explorer, Slider
from classroom.display.figures import PALETTE
from course.temporal import adjacent_similarities

N_FRAMES, SIZE, RADIUS = 8, 32, 6.0
_GAP = 2  # white pixels between two frames
# Fixed, so that a slider changes how much and never what; their signs alternate with no rule.
_SIDEWAYS = torch.tensor([0.2, -0.9, 0.7, 0.1, -0.6, 1.0, -0.4, 0.5])
_UPWARDS = torch.tensor([-0.5, 0.4, 0.8, -1.0, 0.3, 0.6, -0.7, 0.1])
_LAMP = torch.tensor([0.0, 0.9, -0.8, 0.5, -1.0, 0.7, -0.3, 1.0])


def disc_frames(jump: float = 0.0, lamp: float = 0.0) -> Tensor:
    """Return a grey disc that moves to the right: (8, 32, 32) in [0, 1].

    Each frame's disc is off its path by up to `jump` pixels each way, and each frame is brighter or
    darker by up to `lamp` percent.
    """
    column = 10 + 1.5 * torch.arange(N_FRAMES) + jump * _SIDEWAYS
    row = SIZE / 2 - jump * _UPWARDS
    grid = torch.arange(SIZE) + 0.5
    distance = torch.hypot(
        grid[None, None, :] - column[:, None, None], grid[None, :, None] - row[:, None, None]
    )
    frames = 0.2 + 0.5 * (RADIUS + 0.5 - distance).clamp(0, 1)
    return frames * (1 + lamp / 100 * _LAMP)[:, None, None]


def steadiness_figure(jump: float = 0.0, lamp: float = 0.0) -> Figure:
    """Draw the frames of `disc_frames` in a row and below them the similarity of neighbours."""
    frames = disc_frames(jump, lamp)
    similarities = adjacent_similarities(frames).tolist()
    figure = Figure(figsize=(6.4, 3.6))
    strip, chart = figure.subplots(2, 1, height_ratios=(1, 1.7))
    figure.subplots_adjust(left=0.12, right=0.98, top=0.9, bottom=0.14, hspace=0.42)
    strip.imshow(_in_a_row(frames), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    strip.set_axis_off()
    strip.set_title(f"Edges jump by up to {jump:g} pixels, the lamp by up to {lamp:g} %", y=1.0)
    places = [t + 0.5 for t in range(1, N_FRAMES)]
    chart.plot(places, similarities, "o-", color=PALETTE[0])
    chart.set(xlim=(0.5, N_FRAMES + 0.5), ylim=(0.7, 1.01), xticks=range(1, N_FRAMES + 1))
    chart.set(xlabel="frame; a dot stands between two neighbours", ylabel="similarity (no unit)")
    chart.grid(alpha=0.3)
    figure.set_label(
        f"Eight frames of a grey disc moving right, edges jumping by up to {jump:g} pixels, "
        f"brightness by up to {lamp:g} percent. Below, the similarity of neighbouring frames: "
        f"between {min(similarities):.3f} and {max(similarities):.3f}."
    )
    return figure


def _in_a_row(frames: Tensor) -> Tensor:
    """Return frames side by side with white between them: (H, T * (W + gap) - gap)."""
    padded = torch.nn.functional.pad(frames, (0, _GAP), value=1.0)
    return torch.cat(list(padded), dim=1)[:, :-_GAP]


EXPLORERS: dict[str, Explorer] = {
    "steadiness": Explorer(
        steadiness_figure,
        {
            "jump": Slider("edges jump by (pixels)", 0.0, 4.0, 0.5, 0.0),
            "lamp": Slider("lamp flickers by (percent)", 0, 40, 5, 0),
        },
    ),
}

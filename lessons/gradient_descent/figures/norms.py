"""Figures of norms: on features none falls (Eq. 17, Theorem 4.4), under LoRA some do (Eq. 2)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from classroom.display.explorer import Explorer, Slider
from course.temporal import descend
from lessons.gradient_descent.figures.shared import (
    BLUE,
    GREEN,
    GREY,
    LOOKS,
    LOW,
    ORANGE,
    PINK,
    draw_arrow,
    planar,
    two_panels,
)


def longer_frame_figure(angle: float = 50.0, learning_rate: float = 1.0) -> Figure:
    """Draw a descent step of the middle one of three frames, and all norms over ten steps.

    The frames have length 1 and stand at 0, `angle` (degrees, in [20, 130]) and 150 degrees.
    Source: Theorem 4.4, repaired; the step is that of Eq. 17.
    """
    start = planar([0.0, math.radians(angle), math.radians(150)])
    path = list(descend(start, learning_rate, 10))
    frame, moved = start[1].tolist(), path[1].features[1].tolist()
    length = math.hypot(*moved)
    figure, plane, chart = two_panels()
    turn = np.linspace(0, 2 * np.pi, 73)
    plane.plot(np.cos(turn), np.sin(turn), "--", color=GREY, linewidth=1)
    for end, name in ((start[0], "F₁"), (start[2], "F₃")):
        draw_arrow(plane, (0, 0), end.tolist(), GREY, name)
    draw_arrow(plane, (0, 0), frame, BLUE, "F₂")
    draw_arrow(plane, (0, 0), moved, ORANGE, "new F₂")
    if math.dist(frame, moved) > 0.03:
        draw_arrow(plane, frame, moved, GREEN)
    plane.set(xlim=(-2.7, 2.1), ylim=(-1.2, 3.4), aspect="equal")
    plane.set(xticks=(-2, 0, 2), yticks=(-1, 0, 1, 2))
    plane.set(xlabel="first coordinate", ylabel="second coordinate")
    plane.set_title(f"one step: ||F₂|| from 1 to {length:.3f}", fontsize=10)
    norms = torch.stack([step.features.norm(dim=1) for step in path]).T.tolist()
    for index, values in enumerate(norms):
        chart.plot(values, label=f"||F{LOW[index + 1]}||", markevery=2 + index, **LOOKS[index])
    chart.set(xlabel="descent step", ylabel="norm of a frame", ylim=(0.95, None))
    chart.set_title("ten steps: no norm ever falls", fontsize=10)
    chart.legend(fontsize=9, frameon=False)
    ends = ", ".join(f"{values[-1]:.3f}" for values in norms)
    figure.set_label(
        f"Left: three arrows of length 1; the middle one, at {angle:g} degrees, takes a step along "
        "the tangent of the circle with radius 1, so that its tip ends outside: its norm is then "
        f"{length:.3f}. Right: the norms of the three frames over ten steps never fall; they end "
        f"at {ends}."
    )
    return figure


def shrinking_norms_figure(lowest: Tensor, rose: Mapping[str, float]) -> Figure:
    """Draw how far norms fall under LoRA, and in what share of the runs a loss rose.

    `lowest` (runs,) is the least norm over its start, of any frame at any step; `rose[label]` is a
    share in [0, 1]. Source: Theorem 4.4, applied to the parameters of Eq. 2 as in Eq. 17.
    """
    figure, chart, bars = two_panels()
    chart.hist(lowest.tolist(), bins=np.linspace(0, 1, 21), color=ORANGE, edgecolor="white")
    chart.axvline(1, color=BLUE, linewidth=2.5)
    chart.set(xlabel="least norm / norm at the start", ylabel="runs", xlim=(0, 1.04))
    chart.set_title("with 1/(L₀β²); blue: features", fontsize=10)
    places = range(len(rose))
    bars.barh(places, [100 * share for share in rose.values()], color=(BLUE, ORANGE, PINK))
    bars.set_yticks(places, rose.keys())
    bars.invert_yaxis()
    for place, share in zip(places, rose.values()):
        bars.text(100 * share + 1, place, f"{share:.1%}", va="center")
    bars.set(xlabel="runs in which the loss rose (%)", xlim=(0, 100))
    figure.subplots_adjust(wspace=0.62)
    shares = "; ".join(f"{label}: {share:.1%}" for label, share in rose.items())
    figure.set_label(
        f"Left: histogram over {len(lowest)} runs of the least norm of a frame against its start, "
        f"from {lowest.min():.2f} to {lowest.max():.2f}, median {lowest.median():.2f}; a line at 1 "
        f"marks descent on features. Right: share of runs in which the loss rose. "
        f"{shares.replace(chr(10), ' ')}."
    )
    return figure


EXPLORERS = {
    "longer_frame": Explorer(
        longer_frame_figure,
        {
            "angle": Slider("angle of frame 2 (degrees)", 20, 130, 5, 50),
            "learning_rate": Slider("step size", 0.1, 2.0, 0.1, 1.0),
        },
    ),
}

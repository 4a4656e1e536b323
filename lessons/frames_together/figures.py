"""Figures of lesson "Frames that look at each other": the blend of key frames, the big table."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from matplotlib.figure import Figure

from classroom.display import Explorer, Slider
from classroom.display.figures import PALETTE
from course.methods.token_flow import neighbours

_N_FRAMES = 9


def blend_figure(first: int = 1, second: int = 6) -> Figure:
    """Draw the weight of the first of two key frames at every frame, under both blends."""
    keys = sorted({first, second}) if first != second else [first, first + 1]
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes, told = figure.subplots(), []
    for index, (blend, label) in enumerate((("paper", "the paper's"), ("code", "the code's"))):
        weights = [_weight_of_first(keys, frame, blend) for frame in range(_N_FRAMES)]
        axes.plot(range(_N_FRAMES), weights, marker="os"[index], linestyle=("-", "--")[index],
                  color=PALETTE[index], label=label)  # fmt: skip
        told.append(f"{label} blend gives key frame {keys[0]} itself {weights[keys[0]]:.2f}")
    for key in keys:
        axes.axvline(key, color="#888888", linewidth=1, linestyle=":")
    axes.set(xlabel="frame", ylabel=f"weight of key frame {keys[0]}", ylim=(-0.05, 1.05))
    axes.legend(frameon=False)
    figure.set_label(
        f"Line chart, weight of key frame {keys[0]} beside key frame {keys[1]} at frames 0 to "
        f"{_N_FRAMES - 1}: {'; '.join(told)}."
    )
    return figure


def methods_figure(table: Mapping[str, Mapping[str, float | None]]) -> Figure:
    """Draw every row of the big table: distance to the truth against jitter, with its name."""
    known = [
        {"method": name, "target_psnr": row["target_psnr"], "warping": row["warping_ratio"]}
        for name, row in table.items()
        if row["target_psnr"] and row["warping_ratio"]
    ]
    known.sort(key=lambda row: row["target_psnr"])
    figure = Figure(figsize=(9.5, 0.26 * len(known) + 1), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    rows = range(len(known))
    left.plot([row["target_psnr"] for row in known], rows, "o", color=PALETTE[0])
    right.plot([row["warping"] for row in known], rows, "s", color=PALETTE[1])
    left.set(xlabel="PSNR to the true target [dB]")
    left.set_yticks(rows, [row["method"] for row in known])
    right.set(xscale="log", xlabel="warping error / the truth's (log scale)")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    left.margins(y=0.02)  # of many rows; the usual margin is that of two
    edits = [row for row in known if not row["method"].startswith(("true target", "source"))]
    best = max(edits, key=lambda row: row["target_psnr"])
    calm = min(edits, key=lambda row: row["warping"])
    figure.set_label(
        f"Two dot charts of {len(known)} rows, best PSNR to the true target on top. Left that "
        f"PSNR, right the jitter of the same rows. Of the edits the highest "
        f"PSNR: {best['method']}, {best['target_psnr']:.1f} dB; least jitter: {calm['method']}, "
        f"{calm['warping']:.1f} times the truth's."
    )
    return figure


def _weight_of_first(keys: list[int], frame: int, blend: str) -> float:
    weights = torch.zeros(len(keys))
    for number, weight in neighbours(keys, frame, blend):
        weights[number] = weight
    return float(weights[0])


EXPLORERS = {
    "key_frames": Explorer(
        blend_figure,
        {
            "first": Slider("first key frame", 0, _N_FRAMES - 2, 1, 1),
            "second": Slider("second key frame", 0, _N_FRAMES - 2, 1, 6),
        },
    )
}

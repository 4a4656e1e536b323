"""Figures of lesson 11: the verdicts counted, how tight the bounds are, and a search at work."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from matplotlib.figure import Figure
from torch import Tensor

from classroom.display.explorer import Explorer, Slider
from classroom.display.figures import PALETTE
from course.temporal import gradient_bound, temporal_loss_gradient

_MARKS = {"holds": "o", "repaired": "s", "false": "X", "ill_typed": "D"}
_COLOURS = dict(zip(_MARKS, (PALETTE[2], PALETTE[0], PALETTE[1], PALETTE[3])))
_MOST_STARTS = 200


def verdicts_figure(verdicts: Sequence[str]) -> Figure:
    """Draw how many claims have each verdict, as bars with the number at their end."""
    counts = {name: list(verdicts).count(name) for name in _MARKS}
    figure = Figure(figsize=(6.4, 2.6))
    axes = figure.subplots()
    figure.subplots_adjust(left=0.17, right=0.95, top=0.88, bottom=0.2)
    bars = axes.barh(list(counts), list(counts.values()), color=list(_COLOURS.values()))
    axes.bar_label(bars, padding=4)
    axes.invert_yaxis()
    axes.locator_params(axis="x", integer=True)
    axes.set(xlabel="number of claims", title=f"The verdicts on {len(verdicts)} claims")
    axes.spines[["top", "right"]].set_visible(False)
    figure.set_label(
        f"Bar chart of the verdicts on {len(verdicts)} claims. "
        + ", ".join(f"{name}: {count}" for name, count in counts.items())
        + "."
    )
    return figure


def tightness_figure(names: Sequence[str], ratios: Sequence[float], verdicts: Sequence[str]):
    """Draw for each claim how much of its bound a search reached, a mark from 0 to 1."""
    figure = Figure(figsize=(8.6, 0.9 + 0.24 * len(names)))
    axes = figure.subplots()
    inches = figure.get_size_inches()[1]
    figure.subplots_adjust(left=0.46, right=0.97, top=1 - 0.6 / inches, bottom=0.5 / inches)
    for row, (ratio, verdict) in enumerate(zip(ratios, verdicts)):
        first = {"label": verdict} if verdict not in verdicts[:row] else {}
        axes.plot([0, ratio], [row, row], color="#bbbbbb", linewidth=1)
        axes.plot([ratio], [row], _MARKS[verdict], color=_COLOURS[verdict], **first)
    axes.axvline(1, color="black", linestyle="--", linewidth=1)
    axes.set_yticks(range(len(names)), labels=list(names), fontsize=8)
    axes.set(xlim=(0, 1.05), xlabel="largest left / right that the search found (no unit)")
    title = "How much of each bound is reached; dashed: all of it"
    figure.suptitle(title, fontsize=10, y=1 - 0.15 / inches)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, fontsize=8, frameon=False)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    loose = [f"{n} {r:.2f}" for n, r in zip(names, ratios) if r < 0.99]
    figure.set_label(
        f"Chart of a mark for each of {len(names)} claims with a bound, in the shape and colour of "
        f"its verdict. {len(names) - len(loose)} are reached to "
        f"0.99 or better; the others: {', '.join(loose) or 'none'}."
    )
    return figure


def random_search_figure(n_starts: int = 20, n_frames: int = 6) -> Figure:
    """Draw the best ratio that random clips reach against the bound of Lemma 4.3, and each try."""
    ratios = gradient_ratios(n_frames)[:n_starts]
    best = ratios.cummax(0).values
    figure = Figure(figsize=(6.4, 3.4))
    axes = figure.subplots()
    figure.subplots_adjust(left=0.11, right=0.97, top=0.89, bottom=0.15)
    tries = range(1, n_starts + 1)
    axes.plot(tries, ratios.tolist(), ".", color="#888888", label="one random clip")
    axes.step(tries, best.tolist(), where="post", color=PALETTE[0], label="best so far")
    axes.axhline(1, color="black", linestyle="--", linewidth=1, label="the bound")
    axes.set(xlim=(0, _MOST_STARTS + 2), ylim=(-0.12, 1.08), xlabel="random clips tried")
    axes.set_ylabel("gradient norm / bound (no unit)")
    axes.set_title(
        f"{n_starts} random clips of {n_frames} frames reach {best[-1]:.3f} of the bound"
    )
    axes.legend(loc="lower right", fontsize=8, ncols=3)
    figure.set_label(
        f"Dots for {n_starts} random clips of {n_frames} frames: the largest gradient norm of a "
        f"frame over the bound of Lemma 4.3. The best reaches {best[-1]:.3f}; the bound is at 1."
    )
    return figure


@cache
def gradient_ratios(n_frames: int, seed: int = 0) -> Tensor:
    """Return (200,), the largest gradient norm of a frame over its bound, for random clips."""
    generator = torch.Generator().manual_seed(1000 * seed + n_frames + 1)
    clips = torch.randn(_MOST_STARTS, n_frames, 2, generator=generator, dtype=torch.float64)
    clips = clips / clips.norm(dim=2, keepdim=True)
    largest = [temporal_loss_gradient(clip).norm(dim=1).max() for clip in clips]
    return torch.stack(largest) / gradient_bound(n_frames, 1.0)


EXPLORERS: dict[str, Explorer] = {
    "random_search": Explorer(
        random_search_figure,
        {
            "n_starts": Slider("random clips", 1, _MOST_STARTS, 1, 20),
            "n_frames": Slider("frames of a clip", 3, 12, 1, 6),
        },
    ),
}

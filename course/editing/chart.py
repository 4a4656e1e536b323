"""The curve of adjacent similarity beside an edit, after the left panel of the paper's Fig. 4.

A figure says in its label what is seen. Matplotlib is imported by the first figure, not before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colours, told apart by colour-blind readers; yellow is too pale for lines."""

_LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (8, 3)))
_HANDLE, _ROW = 8, 95  # letters that a line's sample takes in a legend, and that a row has room for
_MARKS = ("o", "s", "^", "D", "v", "P", "X")


def similarity_figure(
    curves: Mapping[str, Tensor],
    *,
    title: str = "Similarity of neighbouring frames along the chain",
    x_label: str = "DDIM steps done (0: all noise)",
    y_label: str = "mean cosine similarity (no unit)",
) -> Figure:
    """Draw the adjacent similarity of one or more chains against the DDIM step.

    `curves[label]` is (n_points,), or (n_points, T-1) with one value a pair of frames: then the
    mean over the pairs is drawn. The first point stands at 0. Lines differ in stroke and marker as
    well as in colour. Raises ValueError for no curves or other shapes. Source: Fig. 4, left panel.
    """
    if not curves or any(curve.ndim not in (1, 2) or not len(curve) for curve in curves.values()):
        raise ValueError("curves wants one or more tensors (n_points,) or (n_points, T-1) by label")
    figure, (axes,) = panels(title)
    parts = []
    for index, (label, curve) in enumerate(curves.items()):
        values = (curve if curve.ndim == 1 else curve.mean(1)).tolist()
        axes.plot(range(len(values)), values, label=label, **_style(index, len(values)))
        parts.append(course_of(label, values))
    axes.set(xlabel=x_label, ylabel=y_label)
    # Below the panel, where it hides no curve.
    figure.legend(loc="outside lower center", ncols=_columns(list(curves)), frameon=False)
    figure.set_label(f"Line chart, {y_label} against {x_label}: {'; '.join(parts)}.")
    return figure


def _columns(labels: Sequence[str]) -> int:
    """Return in how many columns a legend fits under one panel; methods have long names."""
    lengths = [len(label) + _HANDLE for label in labels]
    if len(labels) <= 4 and sum(lengths) <= _ROW:
        return len(labels)
    return max(1, min(4, _ROW // max(lengths)))


def panels(*titles: str) -> tuple[Figure, list[Axes]]:
    """Return an empty figure with one panel a title, made without pyplot: nothing to close."""
    from matplotlib.figure import Figure  # no cost for those who draw nothing

    size = (7.5, 4.0) if len(titles) == 1 else (3.4 * len(titles), 3.4)
    figure = Figure(figsize=size, layout="constrained")
    row = list(figure.subplots(1, len(titles), squeeze=False)[0])
    for axes, title in zip(row, titles):
        axes.set_title(title, fontsize=11)
        axes.grid(alpha=0.3)
        axes.locator_params(axis="x", integer=True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, row


def course_of(name: str, values: Sequence[float]) -> str:
    """Say where a line begins and ends, and how low and high it goes."""
    first, last = f"{values[0]:.3g}", f"{values[-1]:.3g}"
    least, largest = f"{min(values):.3g}", f"{max(values):.3g}"
    return f"{name} begins at {first}, ends at {last}, least {least}, largest {largest}"


def _style(index: int, n_points: int) -> dict:
    step = max(1, n_points // 6)
    return {
        "color": PALETTE[index % len(PALETTE)],
        "linestyle": _LINES[index % len(_LINES)],
        "marker": _MARKS[index % len(_MARKS)],
        # Markers of curves that lie on each other stand at different steps.
        "markevery": (index % step, step),
        "linewidth": 1.8,
        "markersize": 6,
    }

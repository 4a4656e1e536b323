"""Figures of lesson 01 that show frames: similarities along a clip, and the gradient as a picture.

Eq. 18 and Lemma 4.2, on frames of pixels where `figures` draws arrows in a plane. Nothing moves:
each is drawn once, from what the lesson has at hand.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from course.editing.chart import similarity_figure
from course.temporal import cosine_similarity, cosine_similarity_gradient


def pairs_figure(curves: Mapping[str, Tensor], title: str) -> Figure:
    """Draw the similarities (T-1,) of labelled clips over their pairs, which count from 1.

    Source: Eq. 18.
    """
    figure = similarity_figure(
        curves, title=title, x_label="pair of neighbours t", y_label="cosine similarity (no unit)"
    )
    n_pairs = max(len(curve) for curve in curves.values())
    figure.axes[0].set_xticks(range(n_pairs), labels=range(1, n_pairs + 1))
    return figure


def frame_gradient_figure(frame: Tensor, neighbour: Tensor) -> Figure:
    """Draw two frames (3, H, W) in [0, 1] and the gradient of their cosine for the first one.

    The gradient is summed over the colours. Raises as `course.temporal.cosine_similarity`.
    Source: Lemma 4.2.
    """
    picture = cosine_similarity_gradient(frame, neighbour).sum(0).numpy(force=True)
    figure = Figure(figsize=(8.0, 3.0), layout="constrained")
    panels = figure.subplots(1, 3)
    titles = ("frame F", "neighbour G", "gradient of Sim(F, G)")
    for axes, title in zip(panels, titles):
        axes.set_title(title, fontsize=10)
        axes.set(xticks=[], yticks=[])
    for axes, image in zip(panels, (frame, neighbour)):
        axes.imshow(image.permute(1, 2, 0).clamp(0, 1).numpy(force=True))
    limit = max(float(np.abs(picture).max()), 1e-12)
    drawn = panels[2].imshow(picture, cmap="PuOr_r", vmin=-limit, vmax=limit)
    figure.colorbar(drawn, ax=panels[2], label="cosine per unit of brightness", format="%.1e")
    height, width = picture.shape
    row, column = divmod(int(np.abs(picture).argmax()), width)
    brighter = (neighbour - frame).sum(0).numpy(force=True)
    agrees = np.abs(picture)[picture * brighter > 0].sum() / max(np.abs(picture).sum(), 1e-12)
    figure.set_label(
        f"Two frames of {width} by {height} pixels with cosine "
        f"{float(cosine_similarity(frame, neighbour)):.3f}, and the gradient as a picture, "
        f"strongest near row {row}, column {column}. Where the neighbour is brighter than F it is "
        f"positive and where darker negative, for {agrees:.0%} of its total size."
    )
    return figure

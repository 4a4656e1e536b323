"""Figures of the gradient: what a frame moves (Lemma 4.3), how fast it turns (Theorem 4.1)."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure
from torch import Tensor

from classroom.display.explorer import Explorer, Slider
from course.temporal import adjacent_similarities, temporal_loss
from lessons.temporal_loss.figures.loss import turning_arrows
from lessons.temporal_loss.figures.shared import BLUE, GREEN, ORANGE, single_panel


def touch_figure(n_frames: int, frame: int) -> Figure:
    """Draw which differences each frame moves: the norms of d Delta_i / d F_t (Eq. 60).

    Frame `frame`, counted from 1, is marked; beyond the last frame the last is.
    """
    frame = min(frame, n_frames)
    generator = torch.Generator().manual_seed(2)
    features = torch.randn(n_frames, 3, generator=generator, dtype=torch.float64)
    features = (features / features.norm(dim=1, keepdim=True)).requires_grad_()
    differences = adjacent_similarities(features).diff()
    rows = [torch.autograd.grad(each, features, retain_graph=True)[0] for each in differences]
    norms = torch.stack(rows).norm(dim=2)
    seen = norms.where(norms > 0, torch.nan)  # white where a frame has no say at all
    figure = Figure(figsize=(6.0, 3.6))
    axes = figure.subplots()
    figure.subplots_adjust(left=0.1, right=0.98, top=0.9, bottom=0.15)
    extent = (0.5, n_frames + 0.5, n_frames - 0.5, 1.5)
    axes.imshow(seen, cmap="Blues", vmin=-0.8, vmax=2, extent=extent, aspect="auto")
    axes.axvspan(frame - 0.5, frame + 0.5, fill=False, edgecolor=ORANGE, linewidth=2.5)
    touched = (norms[:, frame - 1].nonzero().flatten() + 2).tolist()
    axes.set(xlabel="frame t (darker: larger derivative)", ylabel="difference at t'")
    axes.set(xticks=range(1, n_frames + 1), yticks=range(2, n_frames))
    places = f"difference{'s' * (len(touched) > 1)} at {', '.join(map(str, touched))}"
    axes.set_title(f"frame {frame} moves the {places}")
    figure.set_label(
        f"Which of {n_frames - 2} differences each of {n_frames} frames moves: a band of width "
        f"three along the diagonal. Frame {frame} moves the {places}."
    )
    return figure


def hessian_norm(features: Tensor) -> float:
    """Return the spectral norm of the loss's matrix of second derivatives, by autograd."""
    hessian = torch.autograd.functional.hessian(temporal_loss, features)
    return torch.linalg.matrix_norm(hessian.reshape(2 * [features.numel()]), 2).item()


def scale_figure(n_frames: int, turn: float) -> Figure:
    """Draw the Hessian's norm of turning arrows of length m with both bounds (Theorem 4.1)."""
    arrows = turning_arrows(turn, frame=1, n_frames=n_frames)
    lengths = torch.logspace(-2, 1, 4, dtype=torch.float64)
    measured = [hessian_norm(length * arrows) for length in lengths]
    figure, axes = single_panel(
        f"Norm of the Hessian: {n_frames} arrows of length m, {turn:g} degrees apart"
    )
    repaired = 32 / (lengths.square() * (n_frames - 1))
    axes.loglog(lengths, repaired, "-", color=BLUE, label="repaired: 32 / (m² (T-1))")
    axes.loglog(lengths, 16 / lengths, "--", color=ORANGE, label="printed: 16 / M with M = m")
    axes.loglog(lengths, measured, "D", color=GREEN, label="measured")
    axes.set(xlabel="length m of every frame (feature units)", ylabel="norm (1 / feature units²)")
    axes.minorticks_off()  # plain ticks: typeset powers of ten take longer than all the rest
    axes.set_xticks(lengths, labels=["0.01", "0.1", "1", "10"])
    axes.set_yticks([0.01, 1, 100, 10_000], labels=["0.01", "1", "100", "10,000"])
    axes.set_ylim(1e-4, 1e6)
    axes.legend(fontsize=9)
    figure.set_label(
        f"Norm of the Hessian of the loss against the length m of {n_frames} arrows that turn by "
        f"{turn:g} degrees, both axes logarithmic. Measured: {measured[0]:.3g} at m = 0.01, "
        f"{measured[-1]:.3g} at m = 10, slope -2. The bound 32 / (m² (T-1)) has the same slope and "
        "lies above; the printed 16 / M has slope -1 and crosses it."
    )
    return figure


EXPLORERS = {
    "touched_differences": Explorer(
        touch_figure,
        {
            "n_frames": Slider("frames T", 3, 12, 1, 9),
            "frame": Slider("frame t", 1, 12, 1, 5),
        },
    ),
    "scale": Explorer(
        scale_figure,
        {
            "n_frames": Slider("frames T", 3, 8, 1, 6),
            "turn": Slider("turn a frame (degrees)", 10, 170, 10, 90),
        },
    ),
}

"""Figures of lesson 02: the temporal loss, its matrix, its blind spots and its gradient.

They stand for Eq. 4, 19 and 23 to 25, Lemmas 4.3 and 4.5 and Theorem 4.1. The clips are mostly
arrows in a plane, one a frame: the smallest features that have an angle between them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from course.display.explorer import Explorer, Slider
from course.display.figures import PALETTE
from course.temporal import adjacent_similarities, second_difference_matrix, temporal_loss

BLUE, ORANGE, GREEN, PINK = PALETTE[:4]
_GREY = "#767676"


def turning_arrows(turn: float, bump: float = 0.0, frame: int = 4, n_frames: int = 8) -> Tensor:
    """Return arrows (n_frames, 2), each turned by `turn` degrees from the one before.

    The arrow of `frame`, counted from 1, is turned by `bump` degrees more.
    """
    angles = torch.arange(n_frames, dtype=torch.float64) * math.radians(turn)
    angles[frame - 1] += math.radians(bump)
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def turning_arrows_figure(turn: float, bump: float, frame: int) -> Figure:
    """Draw 8 arrows, their similarities, the differences and the loss (Eq. 19)."""
    features = turning_arrows(turn, bump, frame)
    similarities = adjacent_similarities(features)
    differences, loss = similarities.diff(), temporal_loss(features).item()
    figure = Figure(figsize=(6.4, 3.9))
    top, bottom = figure.subplots(2, 1, height_ratios=(1, 2.2))
    figure.subplots_adjust(left=0.13, right=0.97, top=0.9, bottom=0.13, hspace=0.3)
    colours = [ORANGE if t == frame and bump else BLUE for t in range(1, 9)]
    _draw_arrows(top, features, colours)
    top.set_title(f"loss = {loss:.4f}", fontsize=12)
    pairs = torch.arange(1, 8) + 0.5
    bottom.axhline(0, color=_GREY, linewidth=0.8)
    bottom.bar(
        range(2, 8),
        differences,
        width=0.35,
        color=ORANGE,
        hatch="//",
        label="difference at frame t",
    )
    bottom.plot(pairs, similarities, "o-", color=BLUE, label="similarity of t and t + 1")
    bottom.set(xlim=(0.5, 8.5), ylim=(-2.1, 2.1), xlabel="frame t", ylabel="cosine (no unit)")
    bottom.legend(loc="lower left", fontsize=8, ncols=2)
    figure.set_label(
        f"Eight arrows, each turned by {turn:g} degrees from the one before; frame {frame} by "
        f"{bump:g} more. Similarities {_numbers(similarities)}; differences "
        f"{_numbers(differences)}; loss {loss:.4f}."
    )
    return figure


def index_clash_figure(n_frames: int = 6) -> Figure:
    """Draw Eq. 4, padded with F_0 = F_1, and Eq. 19 over the similarity of a uniform clip."""
    figure, axes = _single(f"{n_frames} frames, every similarity equal to s")
    constant = torch.linspace(-1, 1, 41)
    padded = (constant - 1).square() / (n_frames - 1)
    axes.plot(constant, padded, "--", color=ORANGE, label="Eq. 4 with F_0 = F_1")
    axes.plot(constant, 0 * constant, "-", color=BLUE, label="Eq. 19")
    axes.plot([0], [1 / (n_frames - 1)], "s", color=ORANGE, label="quarter turns, Eq. 4")
    axes.plot([0], [0], "o", color=BLUE, label="quarter turns, Eq. 19")
    axes.set(xlabel="similarity s of all neighbours (no unit)", ylabel="loss (no unit)")
    axes.legend(fontsize=9)
    figure.set_label(
        f"Loss of a clip of {n_frames} frames with all similarities equal to s, for s from -1 to "
        f"1. Eq. 4, padded with F_0 = F_1, falls from {4 / (n_frames - 1):.2f} to 0 and is 0 only "
        f"at s = 1. Eq. 19 is 0 everywhere. At s = 0 they give {1 / (n_frames - 1):.2f} and 0."
    )
    return figure


def mode_vector(n_frames: int, mode: int) -> Tensor:
    """Return the unit eigenvector number `mode` of D'D: cos(mode pi (j - 1/2) / (T-1))."""
    steps = torch.arange(n_frames - 1, dtype=torch.float64) + 0.5
    vector = (mode * math.pi * steps / (n_frames - 1)).cos()
    return vector / vector.norm()


def mode_figure(n_frames: int, mode: int) -> Figure:
    """Draw one eigenvector of D'D and its place among the eigenvalues (Eq. 23).

    A mode beyond the last one, T-2, is drawn as the last one.
    """
    mode = min(mode, n_frames - 2)
    angles = torch.linspace(0, math.pi, 200)
    values = 2 - 2 * (torch.arange(n_frames - 1) * math.pi / (n_frames - 1)).cos()
    figure = Figure(figsize=(6.8, 3.3))
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.1, right=0.98, top=0.88, bottom=0.17, wspace=0.28)
    _draw_mode(left, n_frames, mode)
    left.set(xlabel="pair of frames t", ylabel="similarity pattern (no unit)")
    right.plot(angles / math.pi, 2 - 2 * angles.cos(), "-", color=_GREY, linewidth=1)
    right.plot(torch.arange(n_frames - 1) / (n_frames - 1), values, "o", color=BLUE, markersize=4)
    right.plot(mode / (n_frames - 1), values[mode], "D", color=ORANGE, markersize=9)
    right.set(xlabel="k / (T-1)", ylabel="eigenvalue of D'D", xlim=(-0.04, 1.04), ylim=(-0.2, 4.2))
    right.set_title(f"eigenvalue {values[mode].item():.4f}", fontsize=11)
    figure.set_label(
        f"Left: eigenvector k = {mode} of D'D for {n_frames} frames, a cosine with k half waves. "
        f"Right: the {n_frames - 1} eigenvalues on the curve 2 - 2 cos; number {mode} is "
        f"{values[mode].item():.4f}."
    )
    return figure


def modes_figure(n_frames: int = 9, modes: Sequence[int] = (0, 1, 2, 7)) -> Figure:
    """Draw a few eigenvectors of D'D side by side, with eigenvalues that D'D itself gives."""
    matrix = second_difference_matrix(n_frames, dtype=torch.float64)
    figure = Figure(figsize=(8.4, 2.7))
    parts = []
    for axes, mode in zip(figure.subplots(1, len(modes), sharey=True), modes):
        vector = mode_vector(n_frames, mode)
        value = (vector @ matrix @ vector).item()
        _draw_mode(axes, n_frames, mode)
        axes.set_title(f"k = {mode}: eigenvalue {value:.3f}", fontsize=9)
        axes.set_xlabel("pair of frames t")
        parts.append(f"k = {mode}, eigenvalue {value:.3f}")
    figure.axes[0].set_ylabel("pattern (no unit)")
    figure.subplots_adjust(left=0.08, right=0.99, top=0.88, bottom=0.2, wspace=0.1)
    figure.set_label(
        f"Eigenvectors of D'D for {n_frames} frames, cosines with k half waves: {'; '.join(parts)}."
    )
    return figure


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
        f"{difference:.2f}. Similarities {_numbers(similarities)}; loss {loss:.4f}. Bars: the loss "
        f"when it changes after 1 to 12 frames: {_numbers(torch.tensor(losses))}."
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
    left.plot(0 * rows, rows, ".", color=_GREY)
    for number, height in enumerate(rows.tolist(), 1):
        left.text(-4, height, f"frame {number}", va="center", fontsize=9)
    _bare(left)
    right.plot(weights, losses, "-", color=BLUE, label="loss on the way")
    right.plot([0, 1], [0, 0], "s--", color=_GREY, label="a convex loss stays below")
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
    figure, axes = _single(
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
    "turning_arrows": Explorer(
        turning_arrows_figure,
        {
            "turn": Slider("turn a frame (degrees)", 0, 180, 5, 30),
            "bump": Slider("bump (degrees)", -90, 90, 5, 40),
            "frame": Slider("frame of the bump", 1, 8, 1, 4),
        },
    ),
    "difference_modes": Explorer(
        mode_figure,
        {
            "n_frames": Slider("frames T", 3, 40, 1, 9),
            "mode": Slider("eigenvector k", 0, 38, 1, 2),
        },
    ),
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


def _draw_arrows(axes: Axes, features: Tensor, colours: Sequence[str]) -> None:
    """Draw one arrow a frame, side by side, each from the centre of its own circle."""
    places = torch.arange(1, len(features) + 1)
    x, y = (0.46 * features).T
    axes.quiver(
        places, 0 * x, x, y, color=colours, angles="xy", scale_units="xy", scale=1, width=0.008
    )
    axes.plot(places, 0 * x, ".", color=_GREY, markersize=4)
    axes.set(xlim=(0.5, len(features) + 0.5), ylim=(-0.5, 0.5), aspect="equal")
    _bare(axes)


def _draw_strip(axes: Axes, clip: Tensor) -> None:
    """Draw grey frames (T, H, W), from -1 to 1, side by side as one picture."""
    padded = torch.nn.functional.pad(clip, (1, 1), value=1.0)
    row = padded.transpose(0, 1).flatten(1)
    axes.imshow(row, cmap="gray", vmin=-1, vmax=1, interpolation="nearest", aspect="auto")
    _bare(axes)


def _draw_mode(axes: Axes, n_frames: int, mode: int) -> None:
    vector = mode_vector(n_frames, mode)
    smooth = torch.linspace(0, n_frames - 1, 300, dtype=torch.float64)
    height = vector[0] / math.cos(mode * math.pi / (2 * (n_frames - 1)))
    wave = height * (mode * math.pi * smooth / (n_frames - 1)).cos()
    axes.axhline(0, color=_GREY, linewidth=0.8)
    axes.plot(smooth + 0.5, wave, "-", color=BLUE, linewidth=1)
    axes.plot(range(1, n_frames), vector, "o", color=ORANGE, markersize=5)
    axes.set_title(f"k = {mode}, T = {n_frames}", fontsize=11)
    axes.set_xticks(sorted({1, n_frames // 2, n_frames - 1}))


def _single(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 3.5))
    axes = figure.subplots()
    figure.subplots_adjust(left=0.13, right=0.97, top=0.9, bottom=0.16)
    axes.set_title(title, fontsize=11)
    axes.grid(alpha=0.3)
    return figure, axes


def _bare(*panels: Axes) -> None:
    for axes in panels:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)


def _numbers(values: Tensor) -> str:
    return ", ".join(f"{value:.3f}" for value in values.tolist())

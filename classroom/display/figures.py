"""Figures and players for the lessons: pictures that say in words what they show.

A figure is a plain function of numbers that returns a matplotlib `Figure` with its description as
label; `show` turns it into a picture with that description as alt text. Nothing here moves, loops
or starts by itself. The counterpart of the paper's Fig. 1 (frames) and Fig. 4 (similarity).
"""

from __future__ import annotations

import base64
import html
import io
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from classroom.display.seen import seen
from course.clips import Clip, alt_text, contact_sheet, write_clip
from course.editing.chart import PALETTE, course_of, panels

if TYPE_CHECKING:
    from course.finetune import FinetuneStep

_COLUMNS = 8  # frames of a row at most; longer clips are shown at an even stride
_WIDTH = 256  # pixels of a player; small frames are enlarged with hard edges
_DPI = 100
_MINUS_ZERO = re.compile(r"-(0(?:\.0+)?%?)(?![\d%e]|\.\d)")  # what rounding makes of a small minus


class Described(HTML):
    """HTML for a notebook, and in plain text the words that describe it."""

    def __init__(self, markup: str, text: str) -> None:
        super().__init__(markup)
        self.alt = text

    def __repr__(self) -> str:
        return self.alt


def training_figure(steps: Sequence[FinetuneStep], *, window: int = 10) -> Figure:
    """Draw temporal loss, feature similarity and its variation over the steps of fine-tuning.

    Dots are single steps, lines the mean of the last `window` (of half the steps at the most); the
    variation is the standard deviation over as many. Each step has a timestep and noise of its own,
    which moves the dots too. Raises ValueError for fewer than 2 steps. Source: Fig. 4, right panel.
    """
    if len(steps) < 2:
        raise ValueError(f"a course of training has 2 steps or more, got {len(steps)}")
    window = min(window, max(1, len(steps) // 2))
    loss = torch.tensor([step.temporal_loss for step in steps])
    similarity = torch.tensor([step.similarity for step in steps])
    figure, (left, middle, right) = panels(
        "Temporal loss (Eq. 4)", "Feature similarity", "Variation of the similarity"
    )
    for axes, values, y_label in (
        (left, loss, "loss (no unit)"),
        (middle, similarity, "mean cosine (no unit)"),
    ):
        axes.plot(range(len(values)), values.tolist(), ".", color="#888888", label="one step")
        means = values.unfold(0, window, 1).mean(1)
        _draw_line(axes, means, window, f"mean of {window}", y_label)
    left.set_yscale("log")
    left.legend()
    variation = similarity.unfold(0, window, 1).std(1, correction=0)
    _draw_line(right, variation, window, "", f"deviation over {window} steps (no unit)")
    parts = [course_of(axes.get_title(), axes.lines[-1].get_ydata()) for axes in figure.axes]
    text = f"Three line charts over {len(steps)} training steps, in windows of {window}"
    figure.set_label(f"{text}: {'; '.join(parts)}.")
    return figure


def show(figure: Figure | Image.Image, alt: str = "") -> Described:
    """Return a figure or a picture for the notebook, with its alt text.

    `alt` defaults to the figure's label, in which the functions above describe what they drew.
    Raises ValueError where there is neither.
    """
    text = alt or (figure.get_label() if isinstance(figure, Figure) else "")
    text = _MINUS_ZERO.sub(r"\1", str(text))
    if not text.strip():
        raise ValueError("a picture needs alt text: say in alt what it shows")
    buffer = io.BytesIO()
    if isinstance(figure, Figure):
        # Packed lightly: a picture that follows a slider is made often and kept nowhere.
        figure.savefig(buffer, format="png", dpi=_DPI, pil_kwargs={"compress_level": 1})
    else:
        figure.save(buffer, format="PNG")
    return Described(_image(buffer.getvalue(), text), text)


def show_clips(clips: Mapping[str, Clip]) -> Described:
    """Return a contact sheet, a row for each labelled clip, with alt text that says what is seen.

    The frames of a row are evenly spaced in time, so that steady motion looks steady.
    """
    shown = [_strided(clip) for clip in clips.values()]
    sheet = contact_sheet(shown, labels=list(clips), n_columns=_COLUMNS)
    return show(sheet, _sheet_text(dict(zip(clips, shown))))


def play(clip: Clip, label: str = "") -> Described:
    """Return a player for a clip, and under it a contact sheet for where no video plays.

    The video is embedded as mp4, has controls, and neither starts nor repeats by itself. `label`
    says what the clip is (default: its caption).
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_clip(clip, path)
        data = base64.b64encode(path.read_bytes()).decode()
    text = f"{alt_text(clip)} It shows: {seen(clip)}."
    text = f"{label}. {text}" if label else text
    sheet = show_clips({label or clip.caption or "clip": clip})
    video = (
        f'<video controls preload="metadata" width="{_WIDTH}" style="image-rendering: pixelated" '
        f'aria-label="{html.escape(text)}" src="data:video/mp4;base64,{data}">'
        f"{html.escape(text)}</video>"
    )
    return Described(f"<div>{video}<br>{sheet.data}</div>", text)


def _draw_line(axes: Axes, values: Tensor, window: int, label: str, y_label: str) -> None:
    """Draw a statistic over windows of steps, each at its last step."""
    steps = range(window - 1, window - 1 + len(values))
    axes.plot(steps, values.tolist(), color=PALETTE[0], label=label)
    axes.set(xlabel="training step", ylabel=y_label)


def _strided(clip: Clip) -> Clip:
    """Return at most as many frames as a sheet has columns, evenly spaced in time."""
    stride = -(-clip.n_frames // _COLUMNS)
    return Clip(clip.frames[::stride], clip.fps / stride, clip.caption)


def _titled(label: str, clip: Clip) -> str:
    return f"{label}, captioned {clip.caption!r}" if clip.caption not in ("", label) else label


def _sheet_text(clips: Mapping[str, Clip]) -> str:
    rows = "; ".join(f"{_titled(label, clip)}: {seen(clip)}" for label, clip in clips.items())
    n_frames = max(clip.n_frames for clip in clips.values())
    return f"Contact sheet, {n_frames} frames a row in the order of time. {rows}."


def _image(png: bytes, text: str) -> str:
    data = base64.b64encode(png).decode()
    # With its size known, a picture that replaces another does not make the page jump.
    width, height = Image.open(io.BytesIO(png)).size
    return (
        f'<img alt="{html.escape(text)}" style="width: {width}px; max-width: 100%; '
        f'aspect-ratio: {width} / {height}" src="data:image/png;base64,{data}">'
    )

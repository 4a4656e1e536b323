"""Clips as still pictures and GIFs: what a notebook, a page or a report can show.

The contact sheet is the counterpart of the paper's Fig. 1: frames side by side, one clip a row.
"""

from __future__ import annotations

import io
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from course.checks import check_number, check_whole, complaint

from .clip import Clip
from .video import safe_output

_GAP = 4  # pixels of white between frames
_TEXT = 14  # height of the letters in pixels
_LABEL_LETTERS, _LABEL_LINES = 18, 8  # letters in a line of a label, lines in a label
_ALT_LETTERS = 200  # of a caption, in a sentence for those who do not see the clip
_FRAME_WIDTH = 512  # pixels: a frame wider than this in a row is shrunk to it
_LONGEST_FRAME = 655.35  # seconds that a GIF can count
_LONGEST_SIDE = 2**14  # pixels of a frame in a sheet
_MOST_PLAYS = 2**16  # what a GIF can count
_ROW_HEIGHT = 128  # pixels: small frames are enlarged to about this, large ones shrunk


def contact_sheet(
    clips: Clip | Sequence[Clip],
    *,
    labels: Sequence[str] | None = None,
    n_columns: int = 8,
    scale: float | None = None,
) -> Image.Image:
    """Lay out clips as one picture: a row for each clip, a column for each moment.

    clips: one or more of any size and length. labels: one text a row, drawn at its left (None:
    the captions; no column if all are empty). n_columns: that many frames of each clip, evenly
    chosen with its first and last; a shorter clip shows all it has. scale: pixels of the sheet
    for one of the clip (None: what makes rows about 128 pixels high). Where the columns mean the
    same time in every row, it is written above them in seconds. Moves the frames to the host.
    A long label is cut, a frame more than 512 pixels wide in its row shrunk.
    Returns an RGB PIL image. Raises ValueError for no clips, or labels, n_columns or scale that
    do not fit, TypeError for what is no clip, label or number.
    """
    clips = [clips] if isinstance(clips, Clip) else list(clips)
    labels = None if labels is None else list(labels)
    _check_layout(clips, labels, n_columns, scale)
    labels = [clip.caption for clip in clips] if labels is None else labels
    rows = [_row(clip, n_columns, scale) for clip in clips]
    texts = ["\n".join(_wrapped(label)) for label in labels]
    heights = [max(row[0].height, _text_size(text)[1]) for row, text in zip(rows, texts)]
    times = _shared_times(clips, n_columns)
    left, top = _label_width(texts), _TEXT + 2 * _GAP if times else 0
    step = _GAP + max(frame.width for row in rows for frame in row)
    size = (left + step * max(map(len, rows)) + _GAP, top + sum(heights) + _GAP * (len(rows) + 1))
    sheet = Image.new("RGB", size, "white")
    draw, y = ImageDraw.Draw(sheet), top + _GAP
    for column, time in enumerate(times):
        draw.text((left + _GAP + column * step, _GAP), time, fill="black", font=_font())
    for row, text, height in zip(rows, texts, heights):
        draw.multiline_text((_GAP, y), text, fill="black", font=_font())
        for column, frame in enumerate(row):
            sheet.paste(frame, (left + _GAP + column * step, y))
        y += height + _GAP
    return sheet


def write_image(sheet: Image.Image | torch.Tensor, path: str | os.PathLike[str]) -> None:
    """Write a picture as a PNG file, whole or not at all.

    sheet: a PIL image, or a tensor (3, H, W) in [0, 1] (moved to the host). Raises TypeError or
    ValueError for another picture or suffix, and the errors of a path that cannot be written.
    """
    _check_suffix(path, ".png", "write_image")
    if isinstance(sheet, torch.Tensor):
        if sheet.ndim != 3:
            raise ValueError(f"the picture has shape {tuple(sheet.shape)}; wanted (3, H, W).")
        sheet = Image.fromarray(Clip(sheet[None], fps=1.0).to_uint8()[0])
    if not isinstance(sheet, Image.Image):
        raise TypeError(f"got a {type(sheet).__name__}; wanted a PIL image or a tensor (3, H, W).")
    with safe_output(path) as file:
        sheet.save(file, format="PNG")


def gif_bytes(clip: Clip, *, loop: int = 1) -> bytes:
    """Encode a clip as a GIF for a notebook.

    loop: how often it plays (1: once and then it rests; 0: without end, which disturbs whoever
    reads beside it). All frames share one palette of 256 colours and no dithering, for a palette
    chosen anew for every frame would flicker where the clip does not. A GIF counts in hundredths
    of a second and browsers keep to 0.02 s and more: above 50 frames per second it plays slower.
    Moves the frames to the host. Raises ValueError for a loop out of range, or
    less than a frame in 655 s.
    """
    if 1 / clip.fps > _LONGEST_FRAME:
        raise ValueError(
            f"fps is {clip.fps:g}; a GIF shows a frame for {_LONGEST_FRAME} s at most. Write mp4."
        )
    check_whole("loop", loop, 0, _MOST_PLAYS, "0 has no end")
    pictures = [Image.fromarray(frame) for frame in clip.to_uint8()]
    palette = _joined(pictures).quantize(256, method=Image.Quantize.MEDIANCUT)
    indexed = [p.quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures]
    # Rounded ends, not rounded lengths: 24 frames at 24 per second last one second in all.
    ends = [round(100 * index / clip.fps) for index in range(clip.n_frames + 1)]
    durations = [10 * max(2, end - start) for start, end in zip(ends, ends[1:])]
    # A GIF stores how often it is played again.
    again = {} if loop == 1 else {"loop": max(0, loop - 1)}
    buffer = io.BytesIO()
    indexed[0].save(
        buffer, format="GIF", save_all=True, append_images=indexed[1:], duration=durations, **again
    )
    return buffer.getvalue()


def write_gif(clip: Clip, path: str | os.PathLike[str], *, loop: int = 1) -> None:
    """Write `gif_bytes` to a .gif file, whole or not at all.

    Raises ValueError for another suffix and the errors of a path that cannot be written.
    """
    _check_suffix(path, ".gif", "write_gif")
    with safe_output(path) as file:
        file.write(gif_bytes(clip, loop=loop))


def alt_text(clip: Clip) -> str:
    """Describe a clip in one sentence for those who do not see it."""
    height, width = clip.size
    frames = "1 frame" if clip.n_frames == 1 else f"{clip.n_frames} frames"
    subject = textwrap.shorten(clip.caption, _ALT_LETTERS, placeholder=" ...").rstrip(".")
    seconds = f"{clip.seconds:.3g}"
    length = f"{seconds} second{'' if seconds == '1' else 's'} long"
    shape = f"{frames} of {width} by {height} pixels, {length}"
    return f"Video clip of {subject}: {shape}." if subject else f"Video clip: {shape}."


def _check_layout(
    clips: list[Clip], labels: list[str] | None, n_columns: int, scale: float | None
) -> None:
    if not clips:
        raise ValueError("no clips came; wanted at least one for a contact sheet.")
    if labels is not None and len(labels) != len(clips):
        raise ValueError(f"{len(labels)} labels came for {len(clips)} clips; wanted one each.")
    for name, kind, values in (("clips", Clip, clips), ("labels", str, labels or [])):
        if other := [type(value).__name__ for value in values if not isinstance(value, kind)]:
            raise TypeError(complaint(name, f"a {other[0]}", f"a {kind.__name__} for each row"))
    check_whole("n_columns", n_columns, 1)
    if scale is not None:
        most = _LONGEST_SIDE / max(max(clip.size) for clip in clips)
        check_number("scale", scale, most=most, above=0, hint="None takes what fits")


def _check_suffix(path: str | os.PathLike[str], suffix: str, function: str) -> None:
    found = Path(path).suffix
    if found.lower() != suffix:
        raise ValueError(f"{path} ends in {found!r}; {function} writes {suffix} files. Rename it.")


def _even_indices(n_frames: int, n_columns: int) -> list[int]:
    n = min(n_frames, n_columns)
    return [round(column * (n_frames - 1) / max(1, n - 1)) for column in range(n)]


def _row(clip: Clip, n_columns: int, scale: float | None) -> list[Image.Image]:
    height, width = clip.size
    if scale is None:  # whole numbers where frames grow, so that each pixel stays a square
        ratio = _ROW_HEIGHT / height
        scale = max(1, round(ratio)) if ratio >= 1 else ratio
        scale = min(scale, _FRAME_WIDTH / width) if width * scale > _FRAME_WIDTH else scale
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Enlarged pixels stay what they are; a smooth enlargement would hide flicker.
    method = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS
    chosen = clip.frames[_even_indices(clip.n_frames, n_columns)]
    pictures = Clip(chosen, clip.fps).to_uint8()
    return [Image.fromarray(picture).resize(size, method) for picture in pictures]


def _wrapped(label: str) -> list[str]:
    lines = textwrap.wrap(label, _LABEL_LETTERS)
    return lines if len(lines) <= _LABEL_LINES else [*lines[: _LABEL_LINES - 1], "..."]


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_TEXT)


def _text_size(text: str) -> tuple[int, int]:
    draw = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    _, _, right, bottom = draw.multiline_textbbox((0, 0), text, font=_font())
    return round(right), round(bottom)


def _label_width(texts: list[str]) -> int:
    widest = max(_text_size(text)[0] for text in texts)
    return widest + 2 * _GAP if widest else 0


def _shared_times(clips: list[Clip], n_columns: int) -> list[str]:
    if len({(clip.n_frames, clip.fps) for clip in clips}) > 1:
        return []
    indices = _even_indices(clips[0].n_frames, n_columns)
    return [f"{index / clips[0].fps:.2f} s" for index in indices]


def _joined(pictures: list[Image.Image]) -> Image.Image:
    width, height = pictures[0].size
    joined = Image.new("RGB", (width, height * len(pictures)))
    for index, picture in enumerate(pictures):
        joined.paste(picture, (0, index * height))
    return joined

"""Video files as phones, recorders and screens write them, made by the tests that read them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy
import torch

from course.clips.clip import Clip

BITS = 6  # of a frame's number, along the bottom of its picture


def smooth_clip(
    n_frames: int = 8, height: int = 64, width: int = 48, fps: float = 8.0, caption: str = ""
) -> Clip:
    """Return waves that compress well."""
    t = torch.arange(n_frames).view(-1, 1, 1) / n_frames
    y = torch.linspace(0, 1, height).view(1, -1, 1)
    x = torch.linspace(0, 1, width).view(1, 1, -1)
    waves = [torch.sin(3 * x + 2 * y + 2 * t), torch.cos(3 * y - t), torch.cos(2 * x - 3 * t)]
    frames = torch.stack([w.expand(n_frames, height, width) for w in waves], dim=1)
    return Clip(0.5 + 0.4 * frames, fps, caption)


def numbered(n_frames: int, side: int = 48) -> numpy.ndarray:
    """Return pictures (T, side, side, 3) of bytes that carry their number in bits of 8 pixels."""
    pictures = numpy.full((n_frames, side, side, 3), 60, numpy.uint8)
    for index, bit in ((i, b) for i in range(n_frames) for b in range(BITS) if i >> b & 1):
        pictures[index, :, 8 * bit : 8 * bit + 8] = 220
    return pictures


def numbers(frames: torch.Tensor) -> list[int]:
    """Return the numbers that frames (T, 3, H, W) made of `numbered` carry."""
    bits = frames.mean((1, 2)).unflatten(-1, (BITS, -1))[..., 2:-2].mean(-1) > 0.5
    return (bits * 2 ** torch.arange(BITS)).sum(-1).tolist()


def quarters(height: int = 48, width: int = 64) -> torch.Tensor:
    """Return a picture (3, H, W): red, green above, blue, yellow below."""
    picture = torch.zeros(3, height, width)
    top, left = height // 2, width // 2
    picture[0, :top, :left] = picture[1, :top, left:] = picture[2, top:, :left] = 1
    picture[:2, top:, left:] = 1
    return picture


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return the peak signal-to-noise ratio of pictures in [0, 1] in dB."""
    return float(-10 * (a - b).square().mean().log10())


@contextmanager
def usual_priority() -> Iterator[None]:
    """Give this process its scheduling back in the end.

    Under root the encoder SVT-AV1 makes the thread that calls it a real-time one of the highest
    priority, and every process that it starts later inherits that: a browser then stops all else.
    """
    if not hasattr(os, "sched_getscheduler"):  # Linux only
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def encode(
    path: Path,
    pictures: numpy.ndarray,
    *,
    rate: int | Fraction = 8,
    stamps: Sequence[int] | None = None,
    rotation: int = 0,
    matrix: Sequence[int] | None = None,
    pixel_shape: Fraction | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv444p",
    pixels: str = "rgb24",
    sound: bool = False,
    colour_range: int = 1,
    tags: tuple[int, int, int] = (1, 2, 2),
    container_options: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Write a video; stamps are in thousandths of a second, tags are matrix, transfer, primaries.

    matrix: the nine numbers of a display matrix. pixels: the format of the pictures.
    """
    with usual_priority(), av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {"crf": "8"})
        stream.height, stream.width, stream.pix_fmt = *pictures.shape[1:3], pix_fmt
        context = stream.codec_context
        # AVI counts frames: finer stamps would be so many empty ones. MPEG-2 knows no others.
        counts = path.suffix == ".avi" or codec == "mpeg2video"
        unit = 1 / Fraction(rate) if counts else Fraction(1, 1000)
        context.time_base = unit
        context.colorspace, context.color_trc, context.color_primaries = tags
        context.color_range = colour_range
        if pixel_shape is not None:
            context.sample_aspect_ratio = pixel_shape
        if rotation:
            stream.set_display_rotation(rotation)
        if matrix is not None:
            stream.set_display_matrix(matrix)
        audio = container.add_stream("aac", rate=44100, layout="mono") if sound else None
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format=pixels)
            if pixels != pix_fmt:
                matrix_name = {"dst_colorspace": "ITU709"} if tags[0] == 1 else {}
                frame = frame.reformat(format=pix_fmt, dst_color_range=colour_range, **matrix_name)
            seconds = Fraction(stamps[index], 1000) if stamps else index / Fraction(rate)
            frame.pts, frame.time_base = round(seconds / unit), unit
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if audio is not None:
            add_sound(container, audio)
    return path


def add_sound(container: av.container.OutputContainer, stream: av.AudioStream) -> None:
    """Put a second of silence into a file."""
    samples = numpy.zeros((1, 44100), dtype=numpy.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
    frame.sample_rate, frame.pts = 44100, 0
    container.mux(stream.encode(frame))
    container.mux(stream.encode())

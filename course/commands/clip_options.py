"""Which part of a clip a command works on, at which size, and how that is told in one line."""

from __future__ import annotations

import math
import warnings
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from .values import number, size, whole

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

    from course.clips import Clip
    from course.clips.video import ClipFacts

FITS = ("crop", "pad", "stretch", "keep")
LONG = 64  # frames: from here on the command says what more of them cost


def add_clip_options(parser: ArgumentParser, verb: str) -> None:
    """Add the options that choose frames, rate and size."""
    parser.add_argument("--start", type=number(0), default=0.0, help="seconds to leave out")
    parser.add_argument("--frames", type=whole(2), help=f"how many frames to {verb} (default: all)")
    parser.add_argument(
        "--fps", type=number(0, above=True), help="thin out to this rate (default: the clip's own)"
    )
    parser.add_argument(
        "--size", type=size, help="side, or HEIGHTxWIDTH (default: the model's side)"
    )
    parser.add_argument(
        "--fit", choices=FITS, default="crop",
        help="cut out the centre, pad with black, stretch, or keep the clip's shape",
    )  # fmt: skip


def check_part(options: Namespace, facts: ClipFacts) -> int:
    """Return how many frames the options choose of a clip.

    Raises ValueError where it has fewer than they ask for, or a lower rate.
    """
    from course.clips.video import is_own_rate

    own = is_own_rate(options.fps, facts.fps)
    if not own and options.fps > facts.fps:
        raise ValueError(
            f"--fps is {options.fps:g} and {options.clip} has {facts.fps:.4g} frames a second; "
            "frames can be left out, not made"
        )
    step = 1 if own else facts.fps / options.fps
    left = max(0, math.ceil((facts.n_frames - math.floor(options.start * facts.fps + 0.5)) / step))
    wanted = left if options.frames is None else options.frames
    if left < max(2, wanted):
        asked = f"--frames is {wanted}" if wanted > 2 else "at least 2 frames are needed"
        raise ValueError(
            f"{asked} and {options.clip} has {left} from {options.start:g} s on at this rate "
            f"({facts.n_frames} in all); take fewer, or another --start or --fps"
        )
    return wanted


def chosen_size(
    options: Namespace, facts: ClipFacts, pipe: StableDiffusionPipeline
) -> tuple[int, int]:
    """Return the (height, width) at which the model sees the clip.

    Raises ValueError for a --size that the model's autoencoder cannot take.
    """
    from course.clips.fitting import kept_size

    factor = 2 ** (len(pipe.vae.config.block_out_channels) - 1)
    wanted = options.size or pipe.unet.config.sample_size * factor
    if options.fit == "keep":
        return kept_size(facts.size, wanted, factor)
    sides = (wanted, wanted) if isinstance(wanted, int) else wanted
    if any(side % factor for side in sides):
        near = "x".join(str(max(factor, round(side / factor) * factor)) for side in sides)
        raise ValueError(f"--size wants multiples of {factor} for this model; {near} is near")
    return sides


def keeps_sound(options: Namespace, facts: ClipFacts, n_frames: int) -> bool:
    """Return whether the sound of the clip still belongs to the result."""
    from course.clips.sound import CODECS
    from course.clips.video import is_own_rate

    whole_clip = n_frames == facts.n_frames and not options.start
    own_rate = is_own_rate(options.fps, facts.fps) and facts.even
    return whole_clip and own_rate and facts.sound in CODECS


def sentence(
    options: Namespace, facts: ClipFacts, size: tuple[int, int], n_frames: int, *, sound: str
) -> str:
    """Say what comes in, what is taken of it and what becomes of the sound."""
    before = f"{_pixels(facts.size)}, {facts.n_frames} frames at {facts.fps:.4g} fps"
    before += ", sound" if facts.sound else ""
    rate = facts.fps if options.fps is None else options.fps
    taken = f"{n_frames} frames from {options.start:.1f} s at {rate:.4g} fps"
    after = f"{_pixels(size)}{_fitting(options.fit, facts.size, size)}, {taken}"
    return f"{before} -> {after}" + (f"; sound is {sound}" if facts.sound else "")


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[1]} x {size[0]}"


def _fitting(fit: str, shown: tuple[int, int], size: tuple[int, int]) -> str:
    ratio = (size[1] * shown[0]) / (size[0] * shown[1])
    if abs(ratio - 1) < 1e-6:
        return ""
    if fit == "crop":
        part = "square" if size[0] == size[1] else "part"
        return f" (the centred {part}; {100 * (1 - min(ratio, 1 / ratio)):.0f} % is cut off)"
    told = {"pad": "black beside the whole picture", "stretch": "stretched"}
    return f" ({told.get(fit, 'its own shape')})"


def cost(n_frames: int) -> str:
    """Say what a long clip costs, or ""."""
    if n_frames <= LONG:
        return ""
    times = n_frames / 8
    return (
        f"note: {n_frames} frames take {times:.0f} times as long as 8; "
        "--frames, --start and --fps take fewer"
    )


def read_told(path: Path, options: Namespace, n_frames: int, size: tuple[int, int]) -> Clip:
    """Read the chosen part of a clip, and print what is not shown as it is stored."""
    from course.clips import read_clip

    fit = "crop" if options.fit == "keep" else options.fit  # the size has its shape already
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clip = read_clip(
            path, n_frames=n_frames, size=size, start=options.start, fps=options.fps, fit=fit
        )
    for warning in caught:
        print(f"note: {warning.message}")
    return clip

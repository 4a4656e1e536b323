"""What the pixels of a clip show, in words: alt texts say what came, not what was asked for."""

from __future__ import annotations

import torch
from torch import Tensor

from course.clips import BACKGROUNDS, COLOURS, Clip

_RIM = 4  # pixels of the frame's edge that count as background
_STANDS_OUT = 0.3  # distance in red, green and blue from which a pixel is no background
_NAMED = 0.2  # a drawn object lies as far from its colour: its rim is mixed with what is behind it


def object_columns(frames: Tensor) -> Tensor:
    """Return the column, in pixels from the left, of the centre of what stands out: (T,).

    `frames` are (T, 3, H, W) in [0, 1]. A pixel stands out that is far from the mean colour of the
    frame's rim; a frame in which none does gets NaN.
    """
    mask = _object_mask(frames).to(torch.float64)
    columns = torch.arange(frames.shape[3], device=frames.device, dtype=torch.float64) + 0.5
    return (mask.sum(1) @ columns) / mask.sum((1, 2))


def seen(clip: Clip) -> str:
    """Describe the pixels of a clip in a few words: its background, its object and their motion."""
    mask = _object_mask(clip.frames)
    background = f"background near {_names(_rim_colours(clip.frames), BACKGROUNDS)}"
    if not mask.flatten(1).any(1).all():
        return f"{background}, and not in every frame something that stands out"
    objects = (clip.frames * mask[:, None]).sum((2, 3)) / mask.sum((1, 2))[:, None]
    colour = _names(objects, COLOURS)
    places = object_columns(clip.frames)
    text = f"{background}, an object near {colour}, its centre at column {places[0]:.0f}"
    if len(places) == 1:
        return text
    steps = places.diff()
    return (
        f"{text} at first and at {places[-1]:.0f} of {clip.size[1]} at last, "
        f"in steps from {steps.min() + 0.0:.1f} to {steps.max() + 0.0:.1f}"
    )


def _rim_colours(frames: Tensor) -> Tensor:
    """Return the mean colour (T, 3) of a frame's rim."""
    rim = torch.ones(frames.shape[2:], dtype=torch.bool, device=frames.device)
    rim[_RIM:-_RIM, _RIM:-_RIM] = False
    return frames[:, :, rim].mean(2)


def _object_mask(frames: Tensor) -> Tensor:
    away = frames - _rim_colours(frames)[:, :, None, None]
    return torch.linalg.vector_norm(away, dim=1) > _STANDS_OUT


def _names(colours: Tensor, palette: dict[str, tuple[float, float, float]]) -> str:
    """Name the colours (T, 3) of all frames, each name once, in the order in which they come."""
    return " and ".join(dict.fromkeys(_name(colour, palette) for colour in colours))


def _name(colour: Tensor, palette: dict[str, tuple[float, float, float]]) -> str:
    """Return the name of the palette's colour that is nearest to a colour (3,), if it is near."""

    def away(name: str) -> float:
        return torch.dist(colour, colour.new_tensor(palette[name])).item()

    nearest = min(palette, key=away)
    if away(nearest) > _NAMED:
        return f"none of the palette's colours ({nearest} is nearest)"
    return nearest

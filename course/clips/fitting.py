"""How a picture of one shape becomes one of another: cut, padded, stretched, or kept."""

from __future__ import annotations

from fractions import Fraction

import torch

FITS = ("crop", "pad", "stretch", "keep")
Size = tuple[int, int]


def shown_size(size: Size, pixel_shape: Fraction) -> Size:
    """Return (height, width) in square pixels of a picture whose pixels are `pixel_shape` wide.

    The shorter side of a pixel is stretched, so that nothing of the picture is lost.
    """
    height, width = size
    if pixel_shape >= 1:
        return height, round(width * pixel_shape)
    return round(height / pixel_shape), width


def kept_size(shown: Size, wanted: int | Size | None, multiple: int = 1) -> Size:
    """Return the size of a picture that keeps its shape, each side a multiple of `multiple`.

    wanted: a number for the shorter side, or (height, width) that it must fit into, or None.
    """
    height, width = shown
    scale = Fraction(1)
    if isinstance(wanted, int):
        scale = Fraction(wanted, min(shown))
    elif wanted is not None:
        scale = min(Fraction(wanted[0], height), Fraction(wanted[1], width))
    sides = (max(multiple, round(side * scale / multiple) * multiple) for side in shown)
    height, width = sides
    if isinstance(wanted, tuple):  # rounding up must not leave the box
        height, width = (
            side - multiple if side > limit and side > multiple else side
            for side, limit in zip((height, width), wanted)
        )
    return height, width


def fitted(
    picture: torch.Tensor, size: Size | None, fit: str, pixel_shape: Fraction = Fraction(1)
) -> torch.Tensor:
    """Return a picture (3, H, W) in [0, 1] at a size, with antialiasing; None: its own.

    fit: "crop" takes the largest centred part of the wanted shape, "pad" puts black beside the
    whole picture, "stretch" bends it; a picture of "keep" comes with a size of its own shape.
    """
    stored = picture.shape[1], picture.shape[2]
    shown = shown_size(stored, pixel_shape)
    if size is None or fit in ("stretch", "keep"):
        return _resized(picture, size or shown)
    if fit == "pad":
        return _padded(picture, shown, size)
    scale = min(shown[0] / size[0], shown[1] / size[1])
    kept = [
        min(own, max(1, round(side * scale * own / whole)))
        for side, own, whole in zip(size, stored, shown)
    ]
    top, left = ((own - part) // 2 for own, part in zip(stored, kept))
    return _resized(picture[:, top : top + kept[0], left : left + kept[1]], size)


def _padded(picture: torch.Tensor, shown: Size, size: Size) -> torch.Tensor:
    scale = min(size[0] / shown[0], size[1] / shown[1])
    inner = tuple(min(side, max(1, round(own * scale))) for own, side in zip(shown, size))
    top, left = ((side - part) // 2 for side, part in zip(size, inner))
    result = picture.new_zeros(3, *size)
    result[:, top : top + inner[0], left : left + inner[1]] = _resized(picture, inner)
    return result


def _resized(picture: torch.Tensor, size: Size) -> torch.Tensor:
    if tuple(picture.shape[1:]) == tuple(size):
        return picture
    part = picture[None]
    resized = torch.nn.functional.interpolate(part, size, mode="bilinear", antialias=True)
    return resized[0].clamp(0, 1)

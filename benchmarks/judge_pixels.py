"""What the judge reads from pixels alone: background, object, their colours and its outline."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from skimage.measure import label
from torch import Tensor

from course.clips.grammar import BACKGROUNDS, COLOURS

NONE = "none"
"""The verdict on the shape and the colour of an object that is not there."""

SIDE = 64
_CROP = 32  # side of the outline that the network sees
_SMALLEST, _LARGEST = 60, 0.6 * SIDE**2  # area of an object in pixels; the grammar's: 190 to 1100


def fit_background(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Return the smooth background (T, 3, H, W) behind each frame and its centre colour (T, 3).

    A plane in each channel by reweighted least squares: the border first, then all pixels, with
    weights that fall with the distance, so that the object counts for next to nothing.
    """
    axis = torch.linspace(-0.5, 0.5, SIDE)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    design = torch.stack([torch.ones_like(x), x, y])
    # A plane has three numbers: every other pixel is plenty.
    x, y, basis, pixels = (part[..., ::2, ::2].flatten(-2) for part in (x, y, design, frames))
    border = torch.maximum(x.abs(), y.abs()) > 0.5 - 5 / SIDE
    plane = torch.zeros(len(frames), 3, 3)
    plane[..., 0] = pixels[..., border].median(-1).values
    # Wide weights first: a gradient is far from its median colour in the corners.
    for scale, where in ((0.4, border), (0.3, border), (0.2, border), *((0.1, True),) * 4):
        squared = (pixels - plane @ basis).square().sum(1, keepdim=True)
        weighted = basis * (1 + squared / scale**2).pow(-2) * where
        normal = weighted @ basis.T + 1e-4 * torch.eye(3)
        plane = torch.linalg.solve(normal, weighted @ pixels.mT).mT
    return (plane @ design.flatten(1)).unflatten(-1, (SIDE, SIDE)), plane[..., 0]


def find_object(frames: Tensor, ground: Tensor) -> Tensor:
    """Return how much of each pixel the largest object covers, (T, 1, H, W); all 0 without one.

    A pixel lies between the background and the object's median colour, each with the shading that
    the renderer may give it; the share of the two distances is its coverage.
    """
    away = colour_distance(frames, ground, (1.0, 0.9, 0.8, 0.7), stripes=0.1)
    core = _largest_component(away > 0.16)
    colour = _masked_median(frames, core)[..., None, None]
    to_object = colour_distance(frames, colour, (0.8, 0.9, 1.0, 1.1, 1.2))
    coverage = away / (away + to_object + 1e-6) * (away > 0.04)
    region = _largest_component((coverage > 0.5) & (away > 0.1))
    near = F.max_pool2d(region.float(), 5, stride=1, padding=2)  # its soft edge belongs to it
    area = region.sum((1, 2, 3))
    found = (area >= _SMALLEST) & (area <= _LARGEST)
    return torch.where(found[:, None, None, None], coverage * near, 0.0)


def colour_distance(
    frames: Tensor, colour: Tensor, shades: tuple[float, ...], stripes: float = 0.0
) -> Tensor:
    """Distance (T, 1, H, W) to the nearest shade of a colour, give or take a grey ``stripes``."""
    distances = []
    for shade in shades:
        residual = frames - shade * colour
        grey = residual.mean(1, keepdim=True).clamp(-stripes, stripes)
        distances.append((residual - grey).square().sum(1, keepdim=True))
    return torch.stack(distances).amin(0).sqrt()


def _largest_component(regions: Tensor) -> Tensor:
    """Keep the largest connected region of each mask (T, 1, H, W)."""
    kept = torch.zeros_like(regions)
    for mask, result in zip(regions[:, 0], kept[:, 0]):
        parts = torch.from_numpy(label(mask.numpy(), connectivity=1)).long()
        sizes = parts.flatten().bincount()
        if len(sizes) > 1:
            result.copy_(parts == 1 + int(sizes[1:].argmax()))
    return kept


def _masked_median(frames: Tensor, mask: Tensor) -> Tensor:
    """Median colour (T, 3) of the pixels in a mask (T, 1, H, W); NaN for an empty mask."""
    return frames.masked_fill(~mask, float("nan")).flatten(2).nanmedian(-1).values


def object_colours(frames: Tensor, coverage: Tensor) -> list[str]:
    """Name the nearest colour of the grammar for each object, allowing for the light on it."""
    median = _masked_median(frames, coverage > 0.8)
    names = _nearest(median + 0.02, COLOURS)  # the renderer takes 0.02 from every surface
    return [NONE if torch.isnan(m).any() else name for m, name in zip(median, names)]


def background_colours(
    frames: Tensor, coverage: Tensor, ground: Tensor, centre: Tensor
) -> list[str]:
    """Name the nearest background of the grammar: the median outside the object, made level."""
    level = frames - ground + centre[..., None, None]
    outside = F.max_pool2d(coverage, 7, stride=1, padding=3) < 0.05
    return _nearest(_masked_median(level, outside), BACKGROUNDS)


def _nearest(colours: Tensor, named: dict[str, tuple[float, float, float]]) -> list[str]:
    """Name what comes nearest to each of (T, 3) when it may be 15 % lighter or darker."""
    palette, shades = torch.tensor(list(named.values())), torch.linspace(0.85, 1.15, 7)
    shaded = palette[:, None] * shades[:, None]
    distance = torch.linalg.vector_norm(colours[:, None, None] - shaded, dim=-1).amin(-1)
    return [tuple(named)[index] for index in distance.argmin(-1).tolist()]


def outline(coverage: Tensor) -> Tensor:
    """Cut out each object at one size, (T, 1, 32, 32): centred, 4.6 root-mean-square radii wide."""
    axis = (torch.arange(SIDE) + 0.5) * 2 / SIDE - 1
    weight = coverage[:, 0] / coverage.sum((1, 2, 3))[:, None, None]
    x, y = (weight.sum(1) * axis).sum(-1), (weight.sum(2) * axis).sum(-1)
    spread = (weight.sum(1) * axis.square()).sum(-1) + (weight.sum(2) * axis.square()).sum(-1)
    half = 2.3 * (spread - x.square() - y.square()).clamp_min(1e-6).sqrt()
    zero = torch.zeros_like(half)
    moves = torch.stack([torch.stack([half, zero, x], -1), torch.stack([zero, half, y], -1)], 1)
    grid = F.affine_grid(moves, [len(coverage), 1, _CROP, _CROP], align_corners=False)
    return F.grid_sample(coverage, grid, align_corners=False)

"""The nearest render: how close does a picture come to any scene that the renderer can draw?

Stands for the human eye of the paper's Section 5, as the judge does, and is stricter: the judge
asks whether a word came true, this asks whether edges are straight and colours even. The words of
the scene are known from the prompt. Place, radius, depth, and the texture's angle and phase are
searched: a coarse grid, then damped least squares on all pixels.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from course.clips.grammar import BACKGROUNDS, COLOURS
from course.clips.scenes import Scene, render, signed_distance

SIDE = 64
_NUMBERS = 6  # x, y, radius, depth, angle, phase: what is searched, in this order
_LOW = torch.tensor([-0.2, -0.2, 0.1, 0.02, -10.0, -20.0])
_HIGH = torch.tensor([1.2, 1.2, 0.45, 0.9, 10.0, 20.0])
_NUDGES = torch.tensor([0.002, 0.002, 0.002, 0.03, 0.01, 0.02])
_N_STARTS = 4


def nearest_renders(frames: Tensor, words: list[Scene]) -> tuple[Tensor, list[Scene]]:
    """Find for each frame the scene whose render is nearest; return the PSNR and the scenes.

    frames: (N, 3, 64, 64) in [0, 1]. words: N scenes, of which shape, colour, background and
    texture are kept. The PSNR (N,) in dB, peak 1, is that of `course.clips.render` on the scene
    found. Raises ValueError for frames of another shape or number than the words.
    """
    if tuple(frames.shape) != (len(words), 3, SIDE, SIDE):
        raise ValueError(
            f"frames have shape {tuple(frames.shape)}; wanted ({len(words)}, 3, {SIDE}, {SIDE}) "
            f"for {len(words)} scenes"
        )
    groups = defaultdict(list)
    for index, scene in enumerate(words):
        groups[scene.shape, scene.texture].append(index)
    found = list(words)
    for indices in groups.values():
        chosen = [words[index] for index in indices]
        for index, scene in zip(indices, _search(frames[indices].float(), chosen), strict=True):
            found[index] = scene
    drawn = torch.cat([render(scene, n_frames=1, size=SIDE).frames for scene in found])
    return -10 * (drawn - frames).square().mean((1, 2, 3)).clamp_min(1e-10).log10(), found


def _search(frames: Tensor, words: list[Scene]) -> list[Scene]:
    """Search the scenes of frames that share shape and texture."""
    starts = torch.stack([
        _coarse(frame, scene) for frame, scene in zip(frames, words, strict=True)
    ])  # fmt: skip
    numbers, errors = _refined(frames, words, starts, stride=2, n_steps=12)
    best = errors.topk(2, largest=False).indices
    numbers = numbers.gather(1, best[..., None].expand(-1, -1, _NUMBERS))
    numbers, errors = _refined(frames, words, numbers, stride=1, n_steps=12)
    numbers = numbers[torch.arange(len(frames)), errors.argmin(1)]
    return [
        replace(
            scene, position=(x, y), radius=radius, depth=depth, angle=angle, phase=phase,
            motion="still",
        )
        for scene, (x, y, radius, depth, angle, phase) in zip(
            words, numbers.tolist(), strict=True
        )
    ]  # fmt: skip


def _coarse(frame: Tensor, scene: Scene) -> Tensor:
    """Return the numbers (4, 6) of the best scenes on a grid, at a quarter of the size."""
    place, radius = torch.arange(0.18, 0.83, 0.0625), torch.tensor([0.19, 0.22, 0.25, 0.28])
    angles = torch.arange(4) * math.pi / 4 if scene.texture == "gradient" else torch.zeros(1)
    depth = phase = torch.tensor([0.55])
    # Stripes are left out here: they are faint, and another search finds them.
    plain = replace(scene, texture="plain") if scene.texture == "striped" else scene
    numbers = torch.cartesian_prod(place, place, radius, depth, angles, phase)
    errors = _errors(frame[None], [plain], numbers[None], stride=4)[0]
    best = numbers[errors.topk(_N_STARTS, largest=False).indices]
    if scene.texture == "striped":
        best[:, 4:] = _stripes(frame, draw([plain], best[None, :1], stride=2)[0, 0])
    return best


def _stripes(frame: Tensor, plain: Tensor) -> Tensor:
    """Return angle and phase (2,) of the stripes that explain most of ``frame - plain``."""
    angles, phases = torch.arange(36) * math.pi / 36, torch.arange(8) * math.pi / 4
    candidates = torch.cartesian_prod(angles, phases)
    waves = 0.07 * torch.sin(_cycles(candidates[:, 0], _grid(2)) + candidates[:, 1, None, None])
    rest = (F.avg_pool2d(frame, 2) - plain).mean(0).clamp(-0.1, 0.1)
    return candidates[(rest - waves).square().mean((1, 2)).argmin()]


def _refined(
    frames: Tensor, words: list[Scene], numbers: Tensor, *, stride: int, n_steps: int
) -> tuple[Tensor, Tensor]:
    """Improve numbers (N, K, 6) by Levenberg and Marquardt's damped least squares.

    Returns the numbers and their mean squared errors (N, K).
    """
    target = F.avg_pool2d(frames, stride)[:, None]
    residual = draw(words, numbers, stride) - target
    errors = residual.square().mean((2, 3, 4))
    damping = torch.full_like(errors, 0.01)
    for _ in range(n_steps):
        nudges = _NUDGES * stride**2  # wide ones first: they reach over a pixel
        moved = (numbers[:, :, None] + torch.diag(nudges)).flatten(1, 2)
        slopes = (draw(words, moved, stride) - target).unflatten(1, (-1, _NUMBERS))
        slopes = (slopes - residual[:, :, None]).flatten(3) / nudges[:, None]
        normal = slopes @ slopes.mT
        scale = normal.diagonal(dim1=-2, dim2=-1)
        damped = normal + torch.diag_embed(damping[..., None] * scale + 1e-6)
        step = torch.linalg.solve(damped, -slopes @ residual.flatten(2)[..., None])[..., 0]
        tried = (numbers + step).clamp(_LOW, _HIGH)
        residual_tried = draw(words, tried, stride) - target
        errors_tried = residual_tried.square().mean((2, 3, 4))
        better = errors_tried < errors
        numbers = torch.where(better[..., None], tried, numbers)
        residual = torch.where(better[..., None, None, None], residual_tried, residual)
        errors = torch.where(better, errors_tried, errors)
        damping = torch.where(better, damping / 4, damping * 8).clamp(1e-6, 1e4)
    return numbers, errors


def _errors(frames: Tensor, words: list[Scene], numbers: Tensor, stride: int) -> Tensor:
    """Mean squared errors (N, K) of K scenes for each of N frames."""
    residual = draw(words, numbers, stride) - F.avg_pool2d(frames, stride)[:, None]
    return residual.square().mean((2, 3, 4))


def draw(words: list[Scene], numbers: Tensor, stride: int = 1) -> Tensor:
    """Draw many scenes at once as `course.clips.render` does: (N, K, 3, 64, 64), clipped to [0, 1].

    words: N scenes of one shape and one texture. numbers: (N, K, 6), for each of them K times x, y,
    radius, depth, angle and phase. ``stride`` is the width of a pixel: 2 draws half the size.
    """
    shape, texture = words[0].shape, words[0].texture
    grid = _grid(stride)
    x_y, radius, depth = numbers[..., None, None, :2], numbers[..., 2], numbers[..., 3]
    radius, depth = radius[..., None, None], depth[..., None, None]
    unit = (grid - x_y) / radius[..., None]
    mask = (0.5 - SIDE / stride * radius * signed_distance(shape, unit, 1.0)).clamp(0, 1)
    height, light = 0.95 - depth, torch.tensor([-0.6, -0.8])
    shifted = unit + light * (0.09 * height / radius)[..., None]
    distance = SIDE * radius * signed_distance(shape, shifted, 1.0)
    shadow = torch.sigmoid(-2 * distance / (0.5 + 0.05 * SIDE * height))
    surface = 1 + 0.16 * (unit * light).sum(-1).clamp(-1.2, 1.2)
    colour, ground = (
        torch.tensor(table)[:, None, :, None, None]
        for table in (
            [COLOURS[s.colour] for s in words],
            [BACKGROUNDS[s.background] for s in words],
        )
    )
    cycles = _cycles(numbers[..., 4], grid)
    if texture == "gradient":
        ground = (ground + (0.28 / (8 * math.pi)) * cycles[:, :, None]).clamp(0, 1)
    if texture == "striped":
        wave = torch.sin(cycles + numbers[..., 5, None, None])
        ground = (ground + 0.07 * wave[:, :, None]).clamp(0, 1)
    mask, shadow, surface = mask[:, :, None], shadow[:, :, None], surface[:, :, None]
    return (ground * (1 - 0.3 * shadow) * (1 - mask) + (colour * surface - 0.02) * mask).clamp(0, 1)


def _grid(stride: int) -> Tensor:
    """Centres (h, w, 2) of pixels ``stride`` wide, as fractions of the side."""
    axis = (torch.arange(SIDE // stride) + 0.5) * stride / SIDE
    return torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)


def _cycles(angle: Tensor, grid: Tensor) -> Tensor:
    """Phase (..., h, w) of the four stripes along ``angle`` (...), 0 in the middle of the frame."""
    across = torch.stack([angle.cos(), angle.sin()], -1)[..., None, None, :]
    return 8 * math.pi * ((grid - 0.5) * across).sum(-1)

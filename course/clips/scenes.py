"""Rendered clips whose depth, mask and optical flow are known exactly.

A ``Scene`` is a handful of numbers; ``render`` draws it by signed distance functions, which give
anti-aliased edges, a soft shadow and the exact geometry at once. One rigid object moves in front
of a background that stands still, seen by a camera that stands still.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .clip import Clip
from .grammar import (
    BACKGROUNDS,
    COLOURS,
    DIRECTIONS,
    MOTIONS,
    SHAPES,
    SIZES,
    TEXTURES,
    describe,
)

_LIGHT = (-0.6, -0.8)  # the light comes from above, a little from the left
_BACKGROUND_DEPTH = 0.95


@dataclass(frozen=True)
class Scene:
    """One object, its motion and its background; lengths are fractions of the frame's side.

    ``position`` is the object's centre in the middle of the clip, ``travel`` the way it covers in
    the whole clip, ``depth`` its distance from the camera in (0, 0.9]: a near object throws a
    longer and softer shadow. ``phase`` and ``angle`` place the stripes or the gradient.
    """

    shape: str = "circle"
    colour: str = "red"
    background: str = "blue"
    texture: str = "plain"
    radius: float = 0.24
    position: tuple[float, float] = (0.5, 0.5)
    motion: str = "straight"
    direction: str = "right"
    travel: float = 0.25
    depth: float = 0.5
    angle: float = 0.6
    phase: float = 0.0

    def __post_init__(self) -> None:
        allowed = {
            "shape": SHAPES, "colour": tuple(COLOURS), "background": tuple(BACKGROUNDS),
            "texture": TEXTURES, "motion": MOTIONS, "direction": tuple(DIRECTIONS),
        }  # fmt: skip
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise ValueError(
                    f"{name} is '{getattr(self, name)}'; choose one of {', '.join(values)}"
                )
        if not 0.02 <= self.radius <= 0.5:
            raise ValueError(f"radius is {self.radius}; it is a fraction of the side in 0.02..0.5")
        if not 0.0 < self.depth <= 0.9:
            raise ValueError(f"depth is {self.depth}; the object stands at 0 < depth <= 0.9")

    @property
    def size(self) -> str:
        """The word for the radius: small or large."""
        return "small" if self.radius < SIZES["large"][0] - 0.01 else "large"

    @property
    def caption(self) -> str:
        """What the clip shows, in the words of the grammar."""
        return describe(
            self.shape, self.colour, self.background,
            texture=self.texture, motion=self.motion, direction=self.direction,
        )  # fmt: skip

    @classmethod
    def random(cls, generator: torch.Generator) -> Scene:
        """Draw a scene whose object stays inside the frame and differs from its background."""
        uniform = _Uniform(generator)
        colour = uniform.choice(tuple(COLOURS))
        motion = uniform.choice(MOTIONS)
        radius = uniform(*SIZES[uniform.choice(tuple(SIZES))])
        travel = 0.0 if motion == "still" else uniform(0.1, 0.3)
        margin = radius + 0.5 * travel + 0.03
        return cls(
            shape=uniform.choice(SHAPES),
            colour=colour,
            background=uniform.choice(tuple(b for b in BACKGROUNDS if b != colour)),
            texture=uniform.choice(TEXTURES),
            radius=radius,
            position=(uniform(margin, 1 - margin), uniform(margin, 1 - margin)),
            motion=motion,
            direction=uniform.choice(tuple(DIRECTIONS)),
            travel=travel,
            depth=uniform(0.3, 0.8),
            angle=uniform(0.0, math.pi),
            phase=uniform(0.0, 2 * math.pi),
        )


class _Uniform:
    """Uniform draws as Python numbers from one generator."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def __call__(self, low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=self.generator))

    def choice(self, values: tuple[str, ...]) -> str:
        return values[int(torch.randint(len(values), (), generator=self.generator))]


def path(scene: Scene, n_frames: int) -> Tensor:
    """Return the object's centre in each frame, (T, 2), as fractions of the side."""
    # A single frame shows the middle of the motion.
    time = torch.linspace(-0.5, 0.5, n_frames) if n_frames > 1 else torch.zeros(1)
    along = torch.tensor(DIRECTIONS[scene.direction])
    across = torch.stack([-along[1], along[0]])
    centre = torch.tensor(scene.position) + scene.travel * time[:, None] * along
    if scene.motion == "curved":
        # Half a sine: the object swings out to one side and comes back.
        bow = 0.35 * scene.travel * (torch.cos(math.pi * time) - 0.5)
        centre = centre + bow[:, None] * across
    return centre if scene.motion != "still" else torch.tensor(scene.position).expand(n_frames, 2)


def signed_distance(shape: str, points: Tensor, radius: Tensor | float) -> Tensor:
    """Return the signed distance of ``points`` (..., 2) to a shape at the origin, negative inside.

    Lengths carry the unit of ``points``; all shapes have about the area of a circle of ``radius``.
    """
    x, y = points.unbind(-1)
    if shape == "circle":
        return torch.linalg.vector_norm(points, dim=-1) - radius
    if shape == "ring":
        return (torch.linalg.vector_norm(points, dim=-1) - 0.76 * radius).abs() - 0.27 * radius
    if shape == "square":
        return _box(x, y, 0.86 * radius, 0.86 * radius)
    if shape == "cross":
        bar = 0.34 * radius
        return torch.minimum(_box(x, y, radius, bar), _box(x, y, bar, radius))
    if shape == "triangle":
        corners = [(math.pi / 2 + k * 2 * math.pi / 3, 1.2) for k in range(3)]
        return _polygon(points, corners, radius)
    corners = [(math.pi / 2 + k * math.pi / 5, (1.15, 0.5)[k % 2]) for k in range(10)]
    return _polygon(points, corners, radius)


def _box(x: Tensor, y: Tensor, half_width: float | Tensor, half_height: float | Tensor) -> Tensor:
    dx, dy = x.abs() - half_width, y.abs() - half_height
    outside = torch.hypot(dx.clamp_min(0), dy.clamp_min(0))
    return outside + torch.maximum(dx, dy).clamp_max(0)


def _polygon(points: Tensor, corners: list[tuple[float, float]], radius: Tensor | float) -> Tensor:
    """Distance to a polygon given by (angle, radius) corners: nearest edge, sign by crossings."""
    angle, reach = points.new_tensor(corners).unbind(-1)
    # The image's y axis points down, so a corner at angle pi/2 must get a negative y.
    start = torch.stack([reach * angle.cos(), -reach * angle.sin()], -1) * radius
    end = start.roll(-1, 0)
    edge, to_point = end - start, points[..., None, :] - start
    share = ((to_point * edge).sum(-1) / (edge * edge).sum(-1)).clamp(0, 1)
    distance = torch.linalg.vector_norm(to_point - share[..., None] * edge, dim=-1).amin(-1)
    y = points[..., None, 1]
    crosses = (start[:, 1] > y) != (end[:, 1] > y)
    slope = edge[:, 0] / edge[:, 1].where(edge[:, 1] != 0, torch.ones_like(edge[:, 1]))
    left = points[..., None, 0] < start[:, 0] + (y - start[:, 1]) * slope
    inside = (crosses & left).sum(-1) % 2 == 1
    return torch.where(inside, -distance, distance)


def render(scene: Scene, *, n_frames: int = 8, size: int = 64, fps: float = 8.0) -> Clip:
    """Draw a scene as a clip with exact depth, mask, optical flow and occlusion.

    Frames (T, 3, size, size) in [0, 1]; depth (T, 1, size, size), the distance from the camera;
    mask, the share of each pixel that the object covers; flow (T-1, 2, size, size) in pixels;
    occlusion, 1 where the point seen in frame t is hidden by the object in frame t + 1.
    Raises ValueError for fewer than one frame or a side below 16 pixels.
    """
    if n_frames < 1 or size < 16:
        raise ValueError(f"{n_frames} frames of side {size}: wanted at least 1 frame of side 16")
    centres = path(scene, n_frames) * size
    grid = torch.stack(torch.meshgrid(*[torch.arange(size) + 0.5] * 2, indexing="xy"), -1)
    points = grid - centres[:, None, None, :]
    radius = scene.radius * size
    mask = (0.5 - signed_distance(scene.shape, points, radius)).clamp(0, 1)[:, None]

    frames = _background(scene, grid / size).expand(n_frames, -1, -1, -1)
    frames = frames * (1 - 0.3 * _shadow(scene, points, size))
    frames = frames * (1 - mask) + _surface(scene, points / radius) * mask
    depth = _depth(scene, points / radius, mask)
    flow, occlusion = _motion(centres, mask)
    return Clip(
        frames=frames.clamp(0, 1), fps=fps, caption=scene.caption,
        depth=depth, mask=mask, flow=flow, occlusion=occlusion,
    )  # fmt: skip


def _background(scene: Scene, grid: Tensor) -> Tensor:
    """(3, H, W): the background's colour, with a gradient or stripes of low contrast."""
    base = torch.tensor(BACKGROUNDS[scene.background])[:, None, None]
    along = (grid[..., 0] - 0.5) * math.cos(scene.angle) + (grid[..., 1] - 0.5) * math.sin(
        scene.angle
    )
    if scene.texture == "gradient":
        return (base + 0.28 * along).clamp(0, 1)
    if scene.texture == "striped":
        return (base + 0.07 * torch.sin(2 * math.pi * 4 * along + scene.phase)).clamp(0, 1)
    return base.expand(3, *grid.shape[:2])


def _shadow(scene: Scene, points: Tensor, size: int) -> Tensor:
    """(T, 1, H, W): the shape once more, moved away from the light and blurred by its height."""
    height = _BACKGROUND_DEPTH - scene.depth
    offset = points.new_tensor(_LIGHT) * (0.09 * size * height)
    softness = 0.5 + 0.05 * size * height
    distance = signed_distance(scene.shape, points + offset, scene.radius * size)
    return torch.sigmoid(-2 * distance / softness)[:, None]


def _surface(scene: Scene, unit: Tensor) -> Tensor:
    """(T, 3, H, W): the object's colour under the light; a shallow dome, so shading is linear."""
    light = -(unit * unit.new_tensor(_LIGHT)).sum(-1)[:, None]
    colour = torch.tensor(COLOURS[scene.colour])[:, None, None]
    return colour * (1 - 0.16 * light.clamp(-1.2, 1.2)) - 0.02


def _depth(scene: Scene, unit: Tensor, mask: Tensor) -> Tensor:
    """(T, 1, H, W): a flat background behind a dome that bulges towards the camera."""
    bulge = 0.1 * (1 - unit.square().sum(-1)).clamp_min(0)[:, None]
    return torch.where(mask > 0.5, scene.depth - bulge, torch.tensor(_BACKGROUND_DEPTH))


def _motion(centres: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Flow (T-1, 2, H, W) of a rigid translation, and where the next frame hides the point."""
    solid = mask > 0.5
    step = (centres[1:] - centres[:-1])[:, :, None, None]
    flow = torch.where(solid[:-1], step, torch.zeros(()))
    occlusion = (~solid[:-1] & (mask[1:] > 0)).to(mask.dtype)
    return flow, occlusion

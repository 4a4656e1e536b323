"""``python -m benchmarks.judge``: an independent judge of frames, and how far to trust it.

Part of no equation: it stands for the human eye of the paper's Section 5. It knows how the
renderer draws and nothing of the generative model. The object is found from pixels alone, its
colour and its background are read off by distance, and a small network trained on renders names
its shape. The network sees only an outline scaled to one size, so softness is not held against it.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from skimage.measure import label
from torch import Tensor, nn
from tqdm import tqdm

from course.clips import grammar, scenes
from course.clips.captions import HELD_OUT_SEED
from course.clips.grammar import BACKGROUNDS, COLOURS, SHAPES
from course.clips.scenes import Scene, render

NONE = "none"
"""The verdict on the shape and the colour of an object that is not there."""

JUDGE_SEED = 5_000_000  # between the model's training scenes and the held-out ones
CACHE = Path(__file__).resolve().parent.parent / "runs" / "judge.pt"

_SIDE = 64
_CROP = 32  # side of the outline that the network sees
_SMALLEST, _LARGEST = 60, 0.6 * _SIDE**2  # area of an object in pixels; the grammar's: 190 to 1100


@dataclass(frozen=True)
class Verdicts:
    """What the judge sees in each of T frames; an object that is not found is called "none".

    shapes, colours, backgrounds: T words of the grammar each. confidence: (T,) in [0, 1], the
    network's share for the shape it names, 0 without an object. coverage: (T, 1, 64, 64) in
    [0, 1], how much of each pixel the object covers.
    """

    shapes: list[str]
    colours: list[str]
    backgrounds: list[str]
    confidence: Tensor
    coverage: Tensor


def judge(frames: Tensor, classifier: nn.Module | None = None) -> Verdicts:
    """Name shape, object colour and background of each frame (T, 3, 64, 64) in [0, 1].

    ``classifier`` defaults to the cached one, which is trained first where it is missing. Works on
    the host in float32. Raises TypeError for frames that are not floating point, ValueError for
    another shape or for values that are not finite.
    """
    frames = _checked(frames)
    ground, centre = fit_background(frames)
    coverage = find_object(frames, ground)
    found = coverage.amax((1, 2, 3)) > 0
    shares = torch.zeros(len(frames), len(SHAPES))
    if found.any():
        network = trained_classifier() if classifier is None else classifier
        with torch.inference_mode():
            shares[found] = network(outline(coverage[found])).softmax(-1)
    confidence, index = shares.max(-1)
    shapes = [SHAPES[i] if here else NONE for i, here in zip(index.tolist(), found.tolist())]
    return Verdicts(
        shapes=shapes,
        colours=object_colours(frames, coverage),
        backgrounds=background_colours(frames, coverage, ground, centre),
        confidence=confidence,
        coverage=coverage,
    )


def _checked(frames: Tensor) -> Tensor:
    if not isinstance(frames, Tensor) or not frames.is_floating_point():
        raise TypeError("frames must be a floating-point tensor in [0, 1]; divide bytes by 255")
    if frames.ndim != 4 or tuple(frames.shape[1:]) != (3, _SIDE, _SIDE) or len(frames) == 0:
        raise ValueError(
            f"frames have shape {tuple(frames.shape)}; the judge wants (T, 3, {_SIDE}, {_SIDE})"
        )
    frames = frames.detach().to("cpu", torch.float32)
    if not torch.isfinite(frames).all():
        raise ValueError("frames hold values that are not finite; the judge wants [0, 1]")
    return frames.clamp(0, 1)


def fit_background(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Return the smooth background (T, 3, H, W) behind each frame and its centre colour (T, 3).

    A plane in each channel by reweighted least squares: the border first, then all pixels, with
    weights that fall with the distance, so that the object counts for next to nothing.
    """
    axis = torch.linspace(-0.5, 0.5, _SIDE)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    design = torch.stack([torch.ones_like(x), x, y])
    # A plane has three numbers: every other pixel is plenty.
    x, y, basis, pixels = (part[..., ::2, ::2].flatten(-2) for part in (x, y, design, frames))
    border = torch.maximum(x.abs(), y.abs()) > 0.5 - 5 / _SIDE
    plane = torch.zeros(len(frames), 3, 3)
    plane[..., 0] = pixels[..., border].median(-1).values
    # Wide weights first: a gradient is far from its median colour in the corners.
    for scale, where in ((0.4, border), (0.3, border), (0.2, border), *((0.1, True),) * 4):
        squared = (pixels - plane @ basis).square().sum(1, keepdim=True)
        weighted = basis * (1 + squared / scale**2).pow(-2) * where
        normal = weighted @ basis.T + 1e-4 * torch.eye(3)
        plane = torch.linalg.solve(normal, weighted @ pixels.mT).mT
    return (plane @ design.flatten(1)).unflatten(-1, (_SIDE, _SIDE)), plane[..., 0]


def find_object(frames: Tensor, ground: Tensor) -> Tensor:
    """Return how much of each pixel the largest object covers, (T, 1, H, W); all 0 without one.

    A pixel lies between the background and the object's median colour, each with the shading that
    the renderer may give it; the share of the two distances is its coverage.
    """
    away = _distance(frames, ground, (1.0, 0.9, 0.8, 0.7), stripes=0.1)
    core = _largest_component(away > 0.16)
    colour = _masked_median(frames, core)[..., None, None]
    to_object = _distance(frames, colour, (0.8, 0.9, 1.0, 1.1, 1.2))
    coverage = away / (away + to_object + 1e-6) * (away > 0.04)
    region = _largest_component((coverage > 0.5) & (away > 0.1))
    near = F.max_pool2d(region.float(), 5, stride=1, padding=2)  # its soft edge belongs to it
    area = region.sum((1, 2, 3))
    found = (area >= _SMALLEST) & (area <= _LARGEST)
    return torch.where(found[:, None, None, None], coverage * near, 0.0)


def _distance(
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
    axis = (torch.arange(_SIDE) + 0.5) * 2 / _SIDE - 1
    weight = coverage[:, 0] / coverage.sum((1, 2, 3))[:, None, None]
    x, y = (weight.sum(1) * axis).sum(-1), (weight.sum(2) * axis).sum(-1)
    spread = (weight.sum(1) * axis.square()).sum(-1) + (weight.sum(2) * axis.square()).sum(-1)
    half = 2.3 * (spread - x.square() - y.square()).clamp_min(1e-6).sqrt()
    zero = torch.zeros_like(half)
    moves = torch.stack([torch.stack([half, zero, x], -1), torch.stack([zero, half, y], -1)], 1)
    grid = F.affine_grid(moves, [len(coverage), 1, _CROP, _CROP], align_corners=False)
    return F.grid_sample(coverage, grid, align_corners=False)


def build_classifier() -> nn.Sequential:
    """Return an untrained network: outlines (N, 1, 32, 32) to the logits of ``SHAPES``."""
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(12, 24, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(24, 32, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(32 * 16, len(SHAPES)),
    )  # fmt: skip


def renders(n_frames: int, seed: int) -> tuple[Tensor, list[Scene]]:
    """Render single frames (N, 3, 64, 64) of the random scenes that start at a seed."""
    drawn = [Scene.random(torch.Generator().manual_seed(seed + i)) for i in range(n_frames)]
    bar = tqdm(drawn, desc="render", mininterval=2, disable=n_frames < 200)
    return torch.cat([render(scene, n_frames=1).frames for scene in bar]), drawn


def blur(frames: Tensor, sigma: Tensor) -> Tensor:
    """Blur each frame by its own Gaussian; ``sigma`` (N,) in pixels."""
    offset = torch.arange(-4, 5)
    taps = (-offset.square() / (2 * sigma.clamp_min(1e-3).square())[:, None]).exp()
    taps = (taps / taps.sum(-1, keepdim=True)).repeat_interleave(3, 0)[:, None]
    planes = F.pad(frames, (4,) * 4, mode="replicate").flatten(0, 1)[None]
    planes = F.conv2d(planes, taps[..., None, :], groups=taps.shape[0])
    return F.conv2d(planes, taps[..., :, None], groups=taps.shape[0])[0].unflatten(0, (-1, 3))


def soften(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Damage frames a little, as an autoencoder does: blur, noise and a change of brightness."""
    blur_by, noise_by, gain = torch.rand(3, len(frames), 1, 1, 1, generator=generator)
    softened = blur(frames, 1.3 * blur_by.flatten()) * (0.95 + 0.1 * gain)
    noise = torch.randn(frames.shape, generator=generator)
    return (softened + 0.03 * noise_by * noise).clamp(0, 1)


def fit_classifier(n_renders: int = 1600, n_epochs: int = 15) -> nn.Sequential:
    """Train the shape network on softened renders, each seen twice; the same result every time."""
    generator = torch.Generator().manual_seed(JUDGE_SEED)
    frames, drawn = renders(n_renders, JUDGE_SEED)
    parts = [soften(part, generator) for _ in range(2) for part in frames.split(250)]
    coverage = torch.cat([find_object(part, fit_background(part)[0]) for part in parts])
    found = coverage.amax((1, 2, 3)) > 0
    outlines = outline(coverage[found])
    targets = torch.tensor([SHAPES.index(scene.shape) for scene in drawn]).repeat(2)[found]
    with torch.random.fork_rng(devices=[]):  # layers draw their weights from the global generator
        torch.manual_seed(JUDGE_SEED)
        network = build_classifier()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    n_steps = n_epochs * -(-len(targets) // 64)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    for _ in range(n_epochs):
        for chosen in torch.randperm(len(targets), generator=generator).split(64):
            loss = F.cross_entropy(network(outlines[chosen]), targets[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.requires_grad_(False).eval()


@cache
def trained_classifier() -> nn.Sequential:
    """Return the shape network from ``runs/judge.pt``; train it first where that is not current."""
    made_by = (
        scenes, grammar, fit_background, find_object, _distance, outline, build_classifier,
        renders, blur, soften, fit_classifier,
    )  # fmt: skip
    recipe = hashlib.sha256("".join(map(inspect.getsource, made_by)).encode()).hexdigest()
    if CACHE.exists():
        saved = torch.load(CACHE, weights_only=True)
        if saved["recipe"] == recipe:
            network = build_classifier()
            network.load_state_dict(saved["weights"])
            return network.requires_grad_(False).eval()
    network = fit_classifier()
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    unfinished = CACHE.with_suffix(f".{os.getpid()}")
    torch.save({"recipe": recipe, "weights": network.state_dict()}, unfinished)
    unfinished.replace(CACHE)
    return network


def accuracy(frames: Tensor, drawn: list[Scene], classifier: nn.Module | None = None) -> dict:
    """Share of frames that are judged right: shape, colour, background, and each shape alone."""
    parts = [judge(part, classifier) for part in frames.split(250)]
    shapes = [name for part in parts for name in part.shapes]
    right = [name == scene.shape for name, scene in zip(shapes, drawn)]
    colours = [name for part in parts for name in part.colours]
    backgrounds = [name for part in parts for name in part.backgrounds]
    figures = {
        "shape": _mean(right),
        "colour": _mean([name == scene.colour for name, scene in zip(colours, drawn)]),
        "background": _mean([n == scene.background for n, scene in zip(backgrounds, drawn)]),
        "none": _mean([name == NONE for name in shapes]),
    }
    for shape in SHAPES:
        figures[shape] = _mean([r for r, scene in zip(right, drawn) if scene.shape == shape])
    return figures


def _mean(values: list[bool]) -> float:
    return sum(values) / max(1, len(values))


def main() -> None:
    """Print how often the judge is right on held-out renders, clean and softened."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.judge", description=__doc__)
    parser.add_argument("--renders", type=int, default=1000)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    frames, drawn = renders(options.renders, HELD_OUT_SEED)
    figures = {
        "clean": accuracy(frames, drawn),
        "blur 0.7 px": accuracy(blur(frames, torch.full((len(frames),), 0.7)), drawn),
    }
    print(f"the judge on {len(frames)} held-out renders, % right")
    print("".join(f"{name:>12}" for name in ("", *figures["clean"])))
    for name, row in figures.items():
        print(f"{name:>12}" + "".join(f"{100 * share:12.1f}" for share in row.values()))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()

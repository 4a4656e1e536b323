"""The judge's eye for shapes: a small network trained on outlines of softened renders."""

from __future__ import annotations

import hashlib
import inspect
import os
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks.judge_pixels import colour_distance, find_object, fit_background, outline
from course.clips import grammar, scenes
from course.clips.grammar import SHAPES
from course.clips.scenes import Scene, render

JUDGE_SEED = 5_000_000  # between the model's training scenes and the held-out ones
CACHE = Path(__file__).resolve().parent.parent / "runs" / "judge.pt"


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
        scenes, grammar, fit_background, find_object, colour_distance, outline, build_classifier,
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

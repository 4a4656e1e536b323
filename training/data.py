"""Training data: single frames of random scenes with captions that leave words out at random."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from course.clips.captions import random_caption
from course.clips.scenes import Scene, render

TRAINING_SEED = 20_000


def frames_and_captions(n_images: int, seed: int) -> tuple[Tensor, list[str]]:
    """Render ``n_images`` single frames (N, 3, 64, 64) as uint8, each with a caption."""
    frames = torch.empty(n_images, 3, 64, 64, dtype=torch.uint8)
    captions = []
    for index in tqdm(range(n_images), desc="render", mininterval=5):
        generator = torch.Generator().manual_seed(seed + index)
        scene = Scene.random(generator)
        frames[index] = (render(scene, n_frames=1).frames[0] * 255).round().to(torch.uint8)
        captions.append(random_caption(scene, generator))
    return frames, captions


def cached(folder: Path, n_images: int) -> tuple[Tensor, list[str]]:
    """Return the training set, rendered once and kept in ``folder``."""
    file = folder / f"frames_{n_images}.pt"
    if file.exists():
        return torch.load(file, weights_only=True)
    data = frames_and_captions(n_images, TRAINING_SEED)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(data, file)
    return data

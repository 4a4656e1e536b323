"""One resumable training loop: AdamW, warm-up and cosine, moving average, checkpoints."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from tqdm import tqdm


def cosine(step: int, n_steps: int, warm_up: int) -> float:
    """Factor of the learning rate: linear warm-up, then one cosine down to one percent."""
    if step < warm_up:
        return (step + 1) / warm_up
    done = (step - warm_up) / max(1, n_steps - warm_up)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))


def train(
    model: nn.Module,
    loss_of: Callable[[nn.Module, torch.Generator], Tensor],
    folder: Path,
    *,
    n_steps: int,
    learning_rate: float,
    seed: int = 0,
    warm_up: int = 100,
    ema_decay: float = 0.9985,
    save_every: int = 200,
) -> nn.Module:
    """Train ``model`` on ``loss_of(model, generator)`` and return it with averaged weights.

    A checkpoint in ``folder`` is written every ``save_every`` steps and picked up again, so an
    interrupted run continues where it was; each step draws from a generator of its own number.
    """
    accelerator = Accelerator()
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate, (0.9, 0.99), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: cosine(s, n_steps, warm_up))
    model, optimizer = accelerator.prepare(model, optimizer)
    average = EMAModel(model.parameters(), decay=ema_decay)
    average.to(accelerator.device)
    checkpoint = folder / "checkpoint.pt"
    first = _resume(checkpoint, model, optimizer, schedule, average)
    bar = tqdm(range(first, n_steps), initial=first, total=n_steps, mininterval=10)
    recent = 0.0
    for step in bar:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        value = _update(accelerator, model, loss_of(model, generator), optimizer)
        schedule.step()
        average.step(model.parameters())
        recent = 0.98 * recent + 0.02 * value if step > first else value
        if step % 20 == 0:
            bar.set_postfix(loss=f"{recent:.5f}")
        if (step + 1) % save_every == 0:
            _save(checkpoint, step + 1, model, optimizer, schedule, average)
    average.copy_to(model.parameters())
    return accelerator.unwrap_model(model)


def _update(
    accelerator: Accelerator, model: nn.Module, loss: Tensor, optimizer: torch.optim.Optimizer
) -> float:
    """Take one step down the loss and return its value."""
    accelerator.backward(loss)
    accelerator.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


def _save(
    file: Path,
    step: int,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    average: EMAModel,
) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    state = {
        "step": step,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "average": average.state_dict(),
    }
    torch.save(state, file.with_suffix(".new"))
    os.replace(file.with_suffix(".new"), file)  # a crash leaves the old checkpoint whole


def _resume(
    file: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    average: EMAModel,
) -> int:
    if not file.exists():
        return 0
    state = torch.load(file, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    average.load_state_dict(state["average"])
    return state["step"]

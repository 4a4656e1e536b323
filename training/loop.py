"""One resumable training loop: AdamW, warm-up and cosine, moving average, checkpoints.

Where the processor multiplies bfloat16 by itself, the forward pass runs in it; the loss, the
weights and their average stay in float32.
"""

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


def has_bfloat16(device: torch.device) -> bool:
    """Say whether ``device`` computes in bfloat16 by itself; where it is emulated it is slower."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    found = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return device.type == "cpu" and any(found.get(n, False) for n in ("avx512_bf16", "amx_bf16"))


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
    n_parts: int = 1,
) -> nn.Module:
    """Train ``model`` on ``loss_of(model, generator)`` and return it with averaged weights.

    A checkpoint in ``folder`` is written every ``save_every`` steps and at the end. It is picked up
    again, so an interrupted run continues where it was; each step draws from a generator of its own
    number. Another ``n_steps`` may be given then: the learning rate goes on along the new cosine.
    A step adds up the gradients of ``n_parts`` losses: small parts of a batch stay in the cache.
    """
    accelerator = Accelerator()
    forward = torch.autocast(
        accelerator.device.type, torch.bfloat16, enabled=has_bfloat16(accelerator.device)
    )
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=learning_rate, weight_decay=1e-2, betas=(0.9, 0.99)
    )
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
        value = 0.0
        for _ in range(n_parts):
            with forward:
                loss = loss_of(model, generator) / n_parts
            accelerator.backward(loss)
            value += loss.item()
        accelerator.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        average.step(model.parameters())
        recent = 0.98 * recent + 0.02 * value if step > first else value
        if step % 20 == 0:
            bar.set_postfix(loss=f"{recent:.5f}")
        if (step + 1) % save_every == 0 or step + 1 == n_steps:
            _save(checkpoint, step + 1, model, optimizer, schedule, average)
    average.copy_to(model.parameters())
    return accelerator.unwrap_model(model)


def load_average(checkpoint: Path, model: nn.Module) -> int:
    """Copy the averaged weights of a checkpoint into ``model``; return how many steps they saw.

    Raises FileNotFoundError where there is no checkpoint yet.
    """
    if not checkpoint.exists():
        raise FileNotFoundError(f"{checkpoint} is not there; the first is written after 200 steps")
    state = torch.load(checkpoint, weights_only=True)
    average = EMAModel(model.parameters())
    average.load_state_dict(state["average"])
    average.copy_to(model.parameters())
    return state["step"]


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

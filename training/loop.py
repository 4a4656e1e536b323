"""One resumable training loop: AdamW, warm-up and cosine, moving average, checkpoints.

Where the processor multiplies bfloat16 by itself, the forward pass runs in it; the loss, the
weights and their average stay in float32.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
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
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=learning_rate, weight_decay=1e-2, betas=(0.9, 0.99)
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: cosine(s, n_steps, warm_up))
    model, optimizer = accelerator.prepare(model, optimizer)
    average = EMAModel(model.parameters(), decay=ema_decay)
    average.to(accelerator.device)
    state, checkpoint = _State(model, optimizer, schedule, average), folder / "checkpoint.pt"
    first = state.resume(checkpoint)
    bar = tqdm(range(first, n_steps), initial=first, total=n_steps, mininterval=10)
    recent = None
    for step in bar:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        value = _backward(accelerator, partial(loss_of, model, generator), n_parts)
        accelerator.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        average.step(model.parameters())
        recent = value if recent is None else 0.98 * recent + 0.02 * value
        if step % 20 == 0:
            bar.set_postfix(loss=f"{recent:.5f}")
        if (step + 1) % save_every == 0 or step + 1 == n_steps:
            state.save(checkpoint, step + 1)
    average.copy_to(model.parameters())
    return accelerator.unwrap_model(model)


def _backward(accelerator: Accelerator, loss_of: Callable[[], Tensor], n_parts: int) -> float:
    """Add up the gradients of the mean of ``n_parts`` losses; return that mean."""
    total = 0.0
    for _ in range(n_parts):
        device = accelerator.device
        with torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device)):
            loss = loss_of() / n_parts
        accelerator.backward(loss)
        total += loss.item()
    return total


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


@dataclass(frozen=True)
class _State:
    """What a checkpoint holds beside the number of steps."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    average: EMAModel

    def save(self, file: Path, step: int) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        parts = {name: part.state_dict() for name, part in vars(self).items()}
        torch.save({"step": step, **parts}, file.with_suffix(".new"))
        os.replace(file.with_suffix(".new"), file)  # a crash leaves the old checkpoint whole

    def resume(self, file: Path) -> int:
        if not file.exists():
            return 0
        saved = torch.load(file, weights_only=True)
        for name, part in vars(self).items():
            part.load_state_dict(saved[name])
        return saved["step"]

"""What `finetune` is given, checked and put together for the training loop (Eqs. 6 and 17)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from course.adapters import FeatureTap, add_lora, default_taps, has_adapter, remove_lora
from course.adapters.switches import (
    plain_module,
    require_separate_projections,
    require_text_alone,
)
from course.checks import widen
from course.diffusion import NoiseSchedule
from course.models import encode_prompt
from course.tokens import PromptTokens

from .checkpoint import Checkpoint, Store
from .checks import check_settings, check_text, check_trained, latents_of, timestep_bounds
from .objective import LEAST_FRAMES, Drawer, Objective
from .processes import Team
from .progress import FinetuneStep
from .run import Update, train

if TYPE_CHECKING:
    from accelerate import Accelerator
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel


@torch.inference_mode(False)  # what is made under it cannot be trained
def finetune(
    pipe: StableDiffusionPipeline,
    clip: Any,
    prompt: str | Tensor,
    *,
    n_steps: int = 100,
    learning_rate: float = 1e-3,
    rank: int = 4,
    targets: str = "cross",
    taps: Sequence[str] | None = None,
    temporal: str = "frames",
    temporal_weight: float = 1.0,
    diffusion_weight: float = 0.01,
    window: int = 8,
    n_windows: int = 1,
    timestep_range: tuple[float, float] = (0.0, 1.0),
    shared_noise: bool = True,
    tokens: PromptTokens | None = None,
    train_adapter: bool = True,
    only_shared: bool = False,
    patience: int | None = None,
    gradient_parts: bool = False,
    gradient_checkpointing: bool = False,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 10,
    resume: bool = False,
    accelerator: Accelerator | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[FinetuneStep]:
    """Train adapter (and `tokens`) on a clip, one `FinetuneStep` at a time; stop when you like.

    What is trained. `clip` has `.frames`, or is a tensor: frames (T, 3, H, W) in [0, 1] or latents
    (T, C, h, w). `prompt` is its caption, or its text tokens (1 | T, L, d). A UNet without an
    adapter gets one (`rank`, `targets`), one that has an adapter is trained further;
    `train_adapter=False` trains the tokens alone, `only_shared=True` the shared ones among them,
    the last phase of Fig. 2: a second run, in which adapter and frame tokens stay as they are.

    What a step sees. The gradient is an average over `n_windows` windows of `window` neighbouring
    frames (or all), each at one timestep from `timestep_range`, in parts of the schedule from clean
    (0) to noise (1), with one noise for all of them if `shared_noise`. `taps` are the modules that
    the temporal term looks at (default: `default_taps`); layers after the last tap learn from the
    diffusion loss alone. `temporal="frames"` compares three neighbours (Eqs. 4, 19), `"times"` two
    neighbours at two timesteps, as released code does; `**WEIGHTS["released"]` sets that code's
    weights. `gradient_parts` also reports the gradient norm of each term (two more backward
    passes; training stays the same). `gradient_checkpointing` keeps fewer activations and computes
    the rest again: the same gradients, for less memory and more time. What is trained is float32;
    under a float16 UNet the loss is scaled (torch.amp.GradScaler), or small gradients become 0.

    How it ends and goes on. `patience` ends it once the mean of that many total losses found no new
    minimum for as many steps; a loss depends more on its timestep than on the weights, so take 20
    or more, or several windows, or a narrow range. `checkpoint` is a folder for the state after
    every `checkpoint_every` steps and after the last; with `resume` the run there goes on, and
    only the steps that are left are yielded: weights and numbers are those of a run without
    interruption. `accelerator` shares the windows of each step among its processes; all of them
    must call with the same arguments.

    Arguments are checked and the adapter is added at once; training starts with the first step.
    The frozen weights do not change, and the UNet stays in evaluation mode. The same `generator`
    (default: seed 0) gives the same steps, bit by bit on one machine's CPU. This is the reporting
    boundary: every step reads its numbers back to the host. Raises ValueError for fewer frames
    than the temporal term compares and for other values out of range or a checkpoint of another
    run, and in a step whose loss, gradient or weights are not finite, before anything of it is
    kept; TypeError for a clip that is no tensor and has no frames, FileNotFoundError for a
    checkpoint that is not there.
    """
    team = Team(accelerator)
    settings = {
        "learning_rate": learning_rate, "temporal": temporal, "temporal_weight": temporal_weight,
        "diffusion_weight": diffusion_weight, "window": window, "n_windows": n_windows,
        "timestep_range": timestep_range, "shared_noise": shared_noise,
    }  # fmt: skip
    check_settings(
        settings, n_steps=n_steps, patience=patience, checkpoint_every=checkpoint_every,
        n_processes=team.size,
    )  # fmt: skip
    train_adapter = train_adapter and not only_shared
    check_trained(tokens, train_adapter, only_shared)
    schedule = NoiseSchedule.from_scheduler(pipe.scheduler)
    low, high = timestep_bounds(timestep_range, len(schedule), temporal)
    latents = latents_of(pipe, clip, LEAST_FRAMES[temporal])
    text = encode_prompt(pipe, prompt) if isinstance(prompt, str) else prompt.detach()
    check_text(text, tokens, len(latents))
    settings["taps"] = taps = _taps(pipe.unet, taps)
    material = {"clip": latents, "prompt": text}
    past = _past(checkpoint, settings, material) if resume else None
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    unet = pipe.unet
    scaler = torch.amp.GradScaler(latents.device.type, enabled=unet.dtype is torch.float16)
    parameters, optimizer = _start(
        unet,
        (rank, targets) if train_adapter else None,
        tokens,
        only_shared,
        learning_rate,
        generator,
        scaler,
        past,
    )
    team.agree(list(parameters.values()), generator)
    # Clones, because tensors that the caller made in inference mode cannot be part of a graph.
    objective = Objective(
        unet, schedule, widen(latents.clone()), text.clone(), tokens, taps,
        temporal, temporal_weight, diffusion_weight,
    )  # fmt: skip
    window, n_times = min(window, len(latents)), 2 if temporal == "times" else 1
    drawer = Drawer(window, low, high, n_times, shared_noise, generator)
    store = Store(checkpoint, checkpoint_every, settings, material)
    update = Update(
        objective, drawer, parameters, optimizer, team, n_windows, gradient_parts, scaler,
        gradient_checkpointing,
    )  # fmt: skip
    return train(update, n_steps, patience, store, list(past.steps) if past is not None else [])


def _taps(unet: nn.Module, taps: Sequence[str] | None) -> list[str]:
    require_text_alone(unet)
    # Names are checked before the adapter goes in, so that a wrong one leaves nothing behind.
    names = FeatureTap(unet, default_taps(unet) if taps is None else taps).names
    if not names:
        raise ValueError("taps is empty; name at least one module, or leave it out")
    return names


def _past(
    folder: str | Path | None, settings: Mapping[str, object], material: Mapping[str, Tensor]
) -> Checkpoint:
    if folder is None:
        raise ValueError("resume needs the folder of the run that is to go on; give checkpoint")
    past = Checkpoint.read(folder)
    past.check(settings, material)
    return past


def _start(
    unet: UNet2DConditionModel,
    adapter: tuple[int, str] | None,
    tokens: PromptTokens | None,
    only_shared: bool,
    learning_rate: float,
    generator: torch.Generator,
    scaler: torch.amp.GradScaler,
    past: Checkpoint | None,
) -> tuple[dict[str, nn.Parameter], torch.optim.AdamW]:
    """Add the adapter (rank, targets), if one is wanted and missing; restore what is past."""
    adds_adapter = adapter is not None and not has_adapter(unet)
    if adds_adapter:
        add_lora(unet, *adapter, generator=generator)
    if adapter is not None:
        require_separate_projections(unet)
    unet.eval()  # LoRA needs no dropout, and an early end then has nothing to put back
    parameters = _trained(unet, tokens, adapter is not None, only_shared)
    optimizer = torch.optim.AdamW(parameters.values(), lr=learning_rate, weight_decay=0.01)
    try:
        if past is not None:
            past.restore(parameters, optimizer, generator, scaler)
    except ValueError:
        if adds_adapter:
            remove_lora(unet)
        raise
    return parameters, optimizer


def _trained(
    unet: nn.Module, tokens: PromptTokens | None, train_adapter: bool, only_shared: bool
) -> dict[str, nn.Parameter]:
    """Freeze all but the parameters to train and return those by name."""
    unet.requires_grad_(False)
    parameters = {}
    if train_adapter:
        named = plain_module(unet).named_parameters()
        parameters |= {n: p for n, p in named if ".lora_" in n}
    if tokens is not None:
        tokens.requires_grad_(False)
        own = {f"tokens.{n}": p for n, p in tokens.named_parameters()}
        parameters |= {"tokens.shared": own["tokens.shared"]} if only_shared else own
    for parameter in parameters.values():
        # In half precision an update would be lost in the rounding of a weight.
        parameter.data = widen(parameter.data)
        parameter.requires_grad_(True)
    return parameters

"""What fine-tuning accepts: each check says what came, what is wanted and what to do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from course.checks import check_choice, check_number, check_shape, check_whole, complaint
from course.models import encode_frames, execution_device
from course.tokens import PromptTokens

from .objective import LEAST_FRAMES
from .progress import FinetuneStep

_CURE = (
    "Take a lower learning rate; if it is the first step, look at clip and adapter, or take "
    "bfloat16 or float32 in place of float16"
)

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline


def check_settings(
    settings: Mapping[str, Any],
    *,
    n_steps: int,
    patience: int | None,
    checkpoint_every: int,
    n_processes: int,
) -> None:
    """Raise ValueError for a setting out of range."""
    check_choice("temporal", settings["temporal"], LEAST_FRAMES)
    check_whole("window", settings["window"], LEAST_FRAMES[settings["temporal"]])
    hint = f"{n_processes} processes share the windows of a step"
    check_whole("n_windows", settings["n_windows"], n_processes, hint=hint)
    check_whole("n_steps", n_steps, 1)
    check_whole("checkpoint_every", checkpoint_every, 1)
    check_whole("patience", 1 if patience is None else patience, 1)
    hint = "1e-5 to 1e-2 are usual"
    check_number("learning_rate", settings["learning_rate"], most=1e30, above=0, hint=hint)
    for name in ("temporal_weight", "diffusion_weight"):
        check_number(name, settings[name], 0)
    low, high = settings["timestep_range"]
    if not 0 <= low < high <= 1:
        wanted = "0 <= low < high <= 1"
        raise ValueError(complaint("timestep_range", (low, high), wanted))


def check_trained(tokens: PromptTokens | None, train_adapter: bool, only_shared: bool) -> None:
    """Raise ValueError if there is nothing to train."""
    if only_shared and (tokens is None or len(tokens.shared) == 0):
        raise ValueError("only_shared trains shared tokens, and there are none: give tokens")
    if not train_adapter and (tokens is None or tokens.n_tokens == 0):
        raise ValueError("there is nothing to train: give tokens, or leave train_adapter on")


def check_text(text: Tensor, tokens: PromptTokens | None, n_frames: int) -> None:
    """Raise ValueError unless text tokens and prompt tokens fit the number of frames."""
    check_shape("text tokens", text, (1, n_frames), "L", "d")
    if tokens is not None and tokens.n_frames != n_frames:
        raise ValueError(
            f"the tokens are for {tokens.n_frames} frames, the clip has {n_frames}; "
            "make PromptTokens of that many"
        )


def timestep_bounds(
    timestep_range: tuple[float, float], n_timesteps: int, temporal: str
) -> tuple[int, int]:
    """Return the timesteps [low, high) of a range in parts of the schedule.

    Raises ValueError if they are fewer than the temporal term takes.
    """
    low, high = (round(part * n_timesteps) for part in timestep_range)
    low = min(low, n_timesteps - 1)  # an empty range stands for its nearest timestep
    high = max(high, low + 1)
    if temporal == "times" and high - low < 2:
        raise ValueError(
            f"temporal='times' compares two timesteps, and timestep_range {timestep_range} of "
            f"{n_timesteps} holds {high - low}; make it wider"
        )
    return low, high


def latents_of(pipe: StableDiffusionPipeline, clip: Any, least_frames: int) -> Tensor:
    """Return the latents (T, C, h, w) of a clip, of frames, or of latents, on the UNet's device.

    Raises TypeError for what is no tensor and has no frames, ValueError for another shape or
    fewer than `least_frames`.
    """
    images = getattr(clip, "frames", clip)
    if not isinstance(images, Tensor):
        wanted = "one with .frames, or a tensor of frames or latents"
        raise TypeError(complaint("clip", type(clip).__name__, wanted))
    channels = pipe.unet.config.in_channels
    hint = f"give frames (T, 3, H, W) or latents (T, {channels}, h, w)"
    check_shape("clip", images, "T", (3, channels), "H", "W", hint=hint)
    hint = "the temporal loss compares neighbouring frames"
    check_whole("frames of the clip", len(images), least_frames, hint=hint)
    images = images.detach().to(execution_device(pipe))
    return images if images.shape[1] == channels else encode_frames(pipe, images)


def check_finite(step: FinetuneStep, parameters: Mapping[str, Tensor]) -> None:
    """Raise ValueError unless a step's numbers and the weights after it are finite.

    Nothing of the step should be kept.
    """
    for name in ("total_loss", "gradient_norm"):
        value = getattr(step, name)
        if not math.isfinite(value):
            raise ValueError(
                f"fine-tuning step {step.step}: the {name.replace('_', ' ')} is {value}, and the "
                f"weights were left as they are; nothing of it was kept. {_CURE}"
            )
    spoilt = [name for name, weight in parameters.items() if not weight.isfinite().all()]
    if spoilt:
        raise ValueError(
            f"fine-tuning step {step.step}: {spoilt[0]} is not finite after the update; nothing of "
            f"it was kept. {_CURE}"
        )

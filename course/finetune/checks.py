"""What fine-tuning accepts: each check says what came, what is wanted and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from course.models import encode_frames
from course.tokens import PromptTokens

from .objective import LEAST_FRAMES

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
    if settings["temporal"] not in LEAST_FRAMES:
        raise ValueError(
            f"temporal must be one of {', '.join(LEAST_FRAMES)}, got {settings['temporal']!r}"
        )
    low, high = settings["timestep_range"]
    n_windows = settings["n_windows"]
    for name, least in (
        ("temporal_weight", 0),
        ("diffusion_weight", 0),
        ("window", LEAST_FRAMES[settings["temporal"]]),
        ("n_windows", 1),
    ):
        _at_least(name, settings[name], least)
    _at_least("n_steps", n_steps, 1)
    _at_least("checkpoint_every", checkpoint_every, 1)
    if patience is not None:
        _at_least("patience", patience, 1)
    if not settings["learning_rate"] > 0:
        raise ValueError(f"learning_rate must be above 0, got {settings['learning_rate']}")
    if not 0 <= low < high <= 1:
        raise ValueError(f"timestep_range must satisfy 0 <= low < high <= 1, got {(low, high)}")
    if n_windows < n_processes:
        raise ValueError(
            f"n_windows is {n_windows}, and {n_processes} processes share the windows of a step; "
            f"take {n_processes} windows or more, or fewer processes"
        )


def _at_least(name: str, value: float, least: float) -> None:
    if not value >= least:  # not "<", which lets nan pass
        raise ValueError(f"{name} must be {least} or more, got {value}")


def check_trained(tokens: PromptTokens | None, train_adapter: bool, only_shared: bool) -> None:
    """Raise ValueError if there is nothing to train."""
    if only_shared and (tokens is None or len(tokens.shared) == 0):
        raise ValueError("only_shared trains shared tokens, and there are none: give tokens")
    if not train_adapter and (tokens is None or tokens.n_tokens == 0):
        raise ValueError("there is nothing to train: give tokens, or leave train_adapter on")


def check_text(text: Tensor, tokens: PromptTokens | None, n_frames: int) -> None:
    """Raise ValueError unless text tokens and prompt tokens fit the number of frames."""
    if text.ndim != 3 or len(text) not in (1, n_frames):
        raise ValueError(
            f"text tokens must have the shape (1 or {n_frames}, L, d), got {tuple(text.shape)}"
        )
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
        raise TypeError(
            "a clip with .frames or a tensor of frames or latents is wanted, got "
            f"{type(clip).__name__}"
        )
    channels = pipe.unet.config.in_channels
    if images.ndim != 4 or images.shape[1] not in (3, channels):
        raise ValueError(
            f"frames (T, 3, H, W) or latents (T, {channels}, h, w) are wanted, got "
            f"{tuple(images.shape)}"
        )
    if len(images) < least_frames:
        raise ValueError(
            f"the temporal loss compares neighbouring frames and needs {least_frames} or more, "
            f"got {len(images)}"
        )
    images = images.detach().to(pipe.unet.device)
    return images if images.shape[1] == channels else encode_frames(pipe, images)

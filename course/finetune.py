"""Fine-tune adapter and prompt tokens on one clip: Eqs. 4, 5, 6 and 17.

Each step noises a window of neighbouring frames to one timestep, lets the UNet predict, and takes
an AdamW step on lambda_temporal L_temporal + lambda_diffusion L_diffusion. The temporal term sees
features inside the UNet (Fig. 3), not frames: it can fall while the edited clip flickers as before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from course.adapters import FeatureTap, add_lora, default_taps, has_adapter, lora_parameters
from course.diffusion import NoiseSchedule, add_noise, noise_to_velocity
from course.models import encode_frames, encode_prompt
from course.temporal import adjacent_similarities, temporal_loss
from course.tokens import PromptTokens

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel


@dataclass(frozen=True)
class FinetuneStep:
    """What one step saw, before its update; plain Python numbers.

    `step` counts from 0. `temporal_loss` (Eq. 4, in [0, 4)) and `similarity` (the mean of
    neighbouring frames' cosines, in [-1, 1]) are averages over the taps, `diffusion_loss` is Eq. 5,
    `total_loss` Eq. 6, `gradient_norm` the l2 norm over all trained parameters.
    """

    step: int
    temporal_loss: float
    diffusion_loss: float
    total_loss: float
    similarity: float
    gradient_norm: float


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
    temporal_weight: float = 1.0,
    diffusion_weight: float = 0.01,
    window: int = 8,
    timestep_range: tuple[float, float] = (0.0, 1.0),
    shared_noise: bool = True,
    tokens: PromptTokens | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[FinetuneStep]:
    """Train adapter (and `tokens`) on a clip, one `FinetuneStep` at a time; stop when you like.

    `clip` has `.frames`, or is a tensor: frames (T, 3, H, W) in [0, 1] or latents (T, C, h, w).
    `prompt` is its caption, or its text tokens (1 | T, L, d). A UNet without an adapter gets one
    (`rank`, `targets`), one that has an adapter is trained further. `taps` are the modules that
    the temporal loss looks at (default: `default_taps`); layers after the last tap learn from the
    diffusion loss alone. Each step takes `window` neighbouring frames (or all) at one timestep
    from `timestep_range`, in parts of the schedule from clean (0) to noise (1), with one noise for
    all of them if `shared_noise`.

    Arguments are checked and the adapter is added at once; training starts with the first step.
    The frozen weights do not change, and the UNet stays in evaluation mode. The same `generator`
    (default: seed 0) gives the same steps. This is the reporting boundary: every step
    reads its numbers back to the host. Raises ValueError for fewer than 3 frames and for other
    values out of range, TypeError for a clip that is no tensor and has no frames.
    """
    _check_range(n_steps, learning_rate, temporal_weight, diffusion_weight, window, timestep_range)
    latents = _latents(pipe, clip)
    text = encode_prompt(pipe, prompt) if isinstance(prompt, str) else prompt.detach()
    _check_rows(text, tokens, len(latents))
    # Names are checked before the adapter goes in, so that a wrong one leaves nothing behind.
    taps = FeatureTap(pipe.unet, default_taps(pipe.unet) if taps is None else taps).names
    if not taps:
        raise ValueError("taps is empty; name at least one module, or leave it out")
    if generator is None:
        generator = torch.Generator().manual_seed(0)
    if not has_adapter(pipe.unet):
        add_lora(pipe.unet, rank, targets, generator=generator)
    pipe.unet.eval()  # LoRA needs no dropout, and an early end then has nothing to put back
    # Clones, because tensors that the caller made in inference mode cannot be part of a graph.
    objective = _Objective(
        pipe.unet,
        NoiseSchedule.from_scheduler(pipe.scheduler),
        latents.clone(),
        text.clone(),
        tokens,
        taps,
        temporal_weight,
        diffusion_weight,
    )
    draw = _Draw(min(window, len(latents)), timestep_range, shared_noise, generator)
    parameters = [*lora_parameters(pipe.unet), *(tokens.parameters() if tokens else ())]
    pipe.unet.requires_grad_(False)
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.01)
    return _train(objective, draw, parameters, optimizer, n_steps)


def _train(
    objective: _Objective,
    draw: _Draw,
    parameters: list[nn.Parameter],
    optimizer: torch.optim.Optimizer,
    n_steps: int,
) -> Iterator[FinetuneStep]:
    for step in range(n_steps):
        # The caller may iterate under no_grad or inference_mode; neither may leak in or out.
        with torch.inference_mode(False), torch.enable_grad():
            optimizer.zero_grad()
            frames, timestep, noise = draw(objective.latents, len(objective.schedule))
            temporal, diffusion, similarity = objective(frames, timestep, noise)
            total = objective.temporal_weight * temporal + objective.diffusion_weight * diffusion
            total.backward()
            gradients = [p.grad for p in parameters if p.grad is not None]
            norm = nn.utils.get_total_norm(gradients)
            optimizer.step()
        # Gradients of a finished step would only fill memory until the next one.
        optimizer.zero_grad()
        numbers = torch.stack(
            [x.detach().float() for x in (temporal, diffusion, total, similarity, norm)]
        ).tolist()
        yield FinetuneStep(step, *numbers)


@dataclass(frozen=True)
class _Objective:
    """The two losses of Eq. 6 on a window of the clip."""

    unet: UNet2DConditionModel
    schedule: NoiseSchedule
    latents: Tensor
    text: Tensor
    tokens: PromptTokens | None
    taps: Sequence[str]
    temporal_weight: float
    diffusion_weight: float

    def __call__(self, frames: slice, timestep: int, noise: Tensor) -> tuple[Tensor, ...]:
        """Return L_temporal and L_diffusion, and the mean similarity of neighbours."""
        unet, schedule = self.unet, self.schedule
        noisy = add_noise(self.latents[frames], noise, timestep, schedule)
        target = noise
        if schedule.prediction_type == "v_prediction":
            target = noise_to_velocity(noise, noisy, timestep, schedule)
        with FeatureTap(unet, self.taps) as features:
            output = unet(noisy.to(unet.dtype), timestep, self._text(frames).to(unet.dtype)).sample
        diffusion = nn.functional.mse_loss(output.to(target.dtype), target)
        # Sums of squares overflow in half precision.
        wide = [f.to(torch.promote_types(f.dtype, torch.float32)) for f in features.values()]
        temporal = torch.stack([temporal_loss(f) for f in wide]).mean()
        similarity = torch.stack([adjacent_similarities(f.detach()).mean() for f in wide]).mean()
        return temporal, diffusion, similarity

    def _text(self, frames: slice) -> Tensor:
        text = self.text if len(self.text) == 1 else self.text[frames]
        if self.tokens is not None:
            return self.tokens(text, frames)
        return text.expand(frames.stop - frames.start, -1, -1)


@dataclass(frozen=True)
class _Draw:
    """Everything random in a step: the window, its timestep and its noise."""

    window: int
    timestep_range: tuple[float, float]
    shared_noise: bool
    generator: torch.Generator

    def __call__(self, latents: Tensor, n_timesteps: int) -> tuple[slice, int, Tensor]:
        start = self._integer(0, len(latents) - self.window + 1)
        low, high = (round(part * n_timesteps) for part in self.timestep_range)
        low = min(low, n_timesteps - 1)  # an empty range stands for its nearest timestep
        timestep = self._integer(low, max(high, low + 1))
        rows = 1 if self.shared_noise else self.window
        noise = torch.randn(
            (rows, *latents.shape[1:]), generator=self.generator, device=self.generator.device
        )
        return (
            slice(start, start + self.window),
            timestep,
            noise.to(latents).expand(self.window, -1, -1, -1),
        )

    def _integer(self, low: int, high: int) -> int:
        return int(
            torch.randint(low, high, (), generator=self.generator, device=self.generator.device)
        )


def _latents(pipe: StableDiffusionPipeline, clip: Any) -> Tensor:
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
    if len(images) < 3:
        raise ValueError(
            "the temporal loss compares neighbouring pairs and needs 3 frames or "
            f"more, got {len(images)}"
        )
    images = images.detach().to(pipe.unet.device)
    return images if images.shape[1] == channels else encode_frames(pipe, images)


def _check_rows(text: Tensor, tokens: PromptTokens | None, n_frames: int) -> None:
    if text.ndim != 3 or len(text) not in (1, n_frames):
        raise ValueError(
            f"text tokens must have the shape (1 or {n_frames}, L, d), got {tuple(text.shape)}"
        )
    if tokens is not None and len(tokens.frame) != n_frames:
        raise ValueError(
            f"the tokens are for {len(tokens.frame)} frames, the clip has {n_frames}; "
            "make PromptTokens of that many"
        )


def _check_range(
    n_steps: int,
    learning_rate: float,
    temporal_weight: float,
    diffusion_weight: float,
    window: int,
    timestep_range: tuple,
) -> None:
    low, high = timestep_range
    rules = {
        f"n_steps must be 1 or more, got {n_steps}": n_steps >= 1,
        f"learning_rate must be above 0, got {learning_rate}": learning_rate > 0,
        f"temporal_weight must not be negative, got {temporal_weight}": temporal_weight >= 0,
        f"diffusion_weight must not be negative, got {diffusion_weight}": diffusion_weight >= 0,
        f"window must be 3 frames or more, got {window}": window >= 3,
        f"timestep_range must satisfy 0 <= low < high <= 1, got {timestep_range}": 0
        <= low
        < high
        <= 1,
    }
    for message, holds in rules.items():
        if not holds:
            raise ValueError(message)

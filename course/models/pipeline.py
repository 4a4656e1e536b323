"""Stable Diffusion pipelines and the four things the course asks of one (Section 3.1, Fig. 1).

Frames become latents, prompts become text tokens, latents become frames, and the UNet becomes a
noise predictor eps_theta. The embedded model and Stable Diffusion 1.5 go through the same code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from course import device as best_device
from course.checks import check_multiple, check_real, check_shape, check_whole, complaint
from course.diffusion import NoiseSchedule, velocity_to_noise
from course.models.pretrained import execution_device, locate, read

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

NoisePredictor = Callable[[Tensor, "int | Tensor"], Tensor]
Control = Callable[[Tensor, "int | Tensor", Tensor], tuple[list[Tensor], Tensor]]

_PARTS = ("vae", "text_encoder", "tokenizer", "unet", "scheduler")
_PUNCTUATION = re.compile(r"[.,;:!?\"'()]+")
_WORD = re.compile(r"[^\W\d_]+|\d|[^\s\w]|_")  # letters together, every other sign alone


def load(
    name: str | Path = "embedded",
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> StableDiffusionPipeline:
    """Return a diffusers `StableDiffusionPipeline`, frozen and in evaluation mode.

    `name` is "embedded" (the small model inside this package), a folder in Stable Diffusion's
    layout, or a hub id such as "stable-diffusion-v1-5/stable-diffusion-v1-5". `device` defaults to
    `course.device()`, `dtype` to float32. There is no safety checker and no progress bar.

    Raises FileNotFoundError for a folder that does not exist, ValueError for one that is not in
    the layout, OSError for a hub id that can be had neither from the hub nor from its cache.
    """
    source = locate(
        name,
        inside="embedded",
        marker="model_index.json",
        wanted="model",
        layout="is not in Stable Diffusion's layout",
    )
    pipe = read(
        source, "Stable Diffusion pipeline", lambda: _pipeline(source, dtype or torch.float32)
    )
    pipe.set_progress_bar_config(disable=True)
    for part in (pipe.vae, pipe.unet, pipe.text_encoder):
        part.requires_grad_(False).eval()
    return pipe.to(best_device() if device is None else device)


def encode_prompt(pipe: StableDiffusionPipeline, prompts: str | Sequence[str]) -> Tensor:
    """Return the text tokens of B prompts, (B, L, d), without gradient: C(Z) of Eq. 13.

    Prompts are padded to the context of L tokens; the empty prompt is the unconditional one.
    Raises TypeError for what is not text, and ValueError for an empty list, a prompt that does not
    fit, or a word outside the tokenizer's own list (`words` in tokenizer_config.json; a tokenizer
    without such a list, as Stable Diffusion's, accepts every word).
    """
    prompts = [prompts] if isinstance(prompts, str) else prompts
    if not isinstance(prompts, Sequence) or not all(isinstance(p, str) for p in prompts):
        raise TypeError(complaint("prompts", repr(prompts), "a text or a list of texts"))
    if not prompts:
        raise ValueError(complaint("prompts", "an empty list", "one text or more"))
    prompts = [_plain(pipe, prompt) for prompt in prompts]
    for prompt in prompts:
        _check_prompt(pipe, prompt)
    ids = pipe.tokenizer(
        list(prompts), padding="max_length", max_length=_context(pipe), return_tensors="pt"
    ).input_ids
    with torch.no_grad():
        return pipe.text_encoder(ids.to(execution_device(pipe)))[0]


def encode_frames(pipe: StableDiffusionPipeline, frames: Tensor, *, chunk_size: int = 8) -> Tensor:
    """Return the latents (T, C, H/f, W/f) of frames (T, 3, H, W) in [0, 1], without gradient.

    The mode of the VAE's distribution times its scaling factor; f is the VAE's factor. At most
    `chunk_size` frames are encoded at a time. Raises TypeError for frames that are not floating
    point and ValueError for another shape or a height or width that f does not divide.
    """
    vae = pipe.vae
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    _check_images("frames", frames, vae.config.in_channels, multiple=factor)

    def encode(chunk: Tensor) -> Tensor:
        return vae.encode(chunk.to(vae.dtype) * 2 - 1).latent_dist.mode()

    return _in_chunks(encode, frames, chunk_size) * vae.config.scaling_factor


def decode_latents(
    pipe: StableDiffusionPipeline, latents: Tensor, *, chunk_size: int = 8
) -> Tensor:
    """Return the frames (T, 3, fH, fW) in [0, 1] of latents (T, C, H, W), without gradient.

    Values outside [0, 1] are clamped. Raises as `encode_frames` does.
    """
    vae = pipe.vae
    _check_images("latents", latents, vae.config.latent_channels)

    def decode(chunk: Tensor) -> Tensor:
        return vae.decode(chunk.to(vae.dtype) / vae.config.scaling_factor).sample

    return (_in_chunks(decode, latents, chunk_size) / 2 + 0.5).clamp(0, 1)


def noise_predictor(
    pipe: StableDiffusionPipeline,
    text: Tensor,
    *,
    guidance: float = 1.0,
    negative_text: Tensor | None = None,
    control: Control | None = None,
) -> NoisePredictor:
    """Return eps_theta of Eqs. 5 and 8: a function (latents, timestep) -> noise like latents.

    `text` (1 | T, L, d) are the text tokens of all frames or of each, read once. A model that
    predicts velocity is converted. `guidance` is the scale of classifier-free guidance against
    `negative_text` (default: the empty prompt), both halves in one batch; at 1 the unconditional
    half has no weight and is not computed. `control` (Fig. 1; see `course.depth`) takes what the
    UNet takes and returns what it adds to the features of its down path and its middle block.
    Gradients flow: sample under `torch.no_grad()`.

    Raises ValueError for texts of different lengths, and the returned function for latents whose
    number of frames does not fit the text (slice the text as you slice the frames).
    """
    schedule = NoiseSchedule.from_scheduler(pipe.scheduler)
    parts = [text] if guidance == 1 else [_negative(pipe, text, negative_text), text]
    batches: dict[int, Tensor] = {}

    def predict(latents: Tensor, timestep: int | Tensor) -> Tensor:
        # One tensor for all steps lets `cached_text` recognise it; a graph must not be shared.
        if len(latents) not in batches or torch.is_grad_enabled():
            whole = torch.cat([_rows(part, len(latents)) for part in parts])
            batches[len(latents)] = whole.to(pipe.unet.dtype)
        inputs = _repeated(latents, timestep, batches[len(latents)], len(parts))
        output = pipe.unet(*inputs, **_residuals(control, inputs)).sample
        if guidance != 1:
            unconditional, conditional = output.chunk(2)
            output = unconditional + guidance * (conditional - unconditional)
        if schedule.prediction_type == "v_prediction":
            return velocity_to_noise(output.to(latents.dtype), latents, timestep, schedule)
        return output.to(latents.dtype)

    predict.prediction_type = "epsilon"  # `sample` and `invert` would ask the schedule
    return predict


def _repeated(
    latents: Tensor, timestep: int | Tensor, text: Tensor, halves: int
) -> tuple[Tensor, int | Tensor, Tensor]:
    """Return what the UNet takes, with latents and timesteps once for each half of the text."""
    if isinstance(timestep, Tensor) and timestep.ndim:
        timestep = timestep.repeat(halves)
    return latents.repeat(halves, 1, 1, 1).to(text.dtype), timestep, text


def _residuals(control: Control | None, inputs: tuple) -> dict[str, object]:
    if control is None:
        return {}
    down, middle = control(*inputs)
    return {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}


def _pipeline(source: str, dtype: torch.dtype) -> StableDiffusionPipeline:
    from diffusers import StableDiffusionPipeline

    # The image converter served the safety checker only and leaves with it.
    pipe = StableDiffusionPipeline.from_pretrained(
        source,
        dtype=dtype,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    missing = [part for part in _PARTS if getattr(pipe, part, None) is None]
    if missing:
        raise ValueError(f"it has no {', '.join(missing)}")
    return pipe


def _context(pipe: StableDiffusionPipeline) -> int:
    # Some tokenizers carry a huge placeholder instead of a length.
    return min(pipe.tokenizer.model_max_length, pipe.text_encoder.config.max_position_embeddings)


def _plain(pipe: StableDiffusionPipeline, prompt: str) -> str:
    """Return a prompt without full stops and commas where the tokenizer has a list of words."""
    if not pipe.tokenizer.init_kwargs.get("words"):
        return prompt
    return " ".join(_PUNCTUATION.sub(" ", prompt).split())


def _check_prompt(pipe: StableDiffusionPipeline, prompt: str) -> None:
    words = pipe.tokenizer.init_kwargs.get("words")
    if words:
        unknown = [w for w in dict.fromkeys(_WORD.findall(prompt.lower())) if w not in words]
        if unknown:
            raise ValueError(
                f"the model does not know {', '.join(map(repr, unknown))} in "
                f"{prompt!r}; it knows: {', '.join(sorted(words))}"
            )
    n_tokens, context = len(pipe.tokenizer(prompt, verbose=False).input_ids), _context(pipe)
    if n_tokens > context:
        raise ValueError(
            f"the prompt has {n_tokens - 2} tokens and {context - 2} fit; shorten {prompt!r}"
        )


def _check_images(name: str, images: Tensor, channels: int, *, multiple: int = 1) -> None:
    check_real(**{name: images})
    check_shape(name, images, "T", channels, "H", "W", least=1)
    for side in images.shape[2:]:
        check_multiple("height and width", side, multiple, f"resize or crop the {name}")


def _in_chunks(function: Callable[[Tensor], Tensor], images: Tensor, chunk_size: int) -> Tensor:
    check_whole("chunk_size", chunk_size, 1)
    # no_grad, not inference_mode: fine-tuning needs these latents inside a graph later.
    with torch.no_grad():
        return torch.cat([function(chunk) for chunk in images.split(chunk_size)]).to(images.dtype)


def _negative(pipe: StableDiffusionPipeline, text: Tensor, negative: Tensor | None) -> Tensor:
    negative = encode_prompt(pipe, "").to(text) if negative is None else negative
    hint = "put prompt tokens on negative_text as well"
    check_shape("the text that guidance goes against", negative, "T", *text.shape[1:], hint=hint)
    return negative


def _rows(text: Tensor, n_frames: int) -> Tensor:
    check_shape("text", text, (1, n_frames), "L", "d", hint="slice it as you slice the frames")
    return text.expand(n_frames, -1, -1)

"""The edit from clip to clip: encode, fine-tune, invert, sample, decode, measure (Fig. 1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from course.adapters import (
    ADAPTER_FILE,
    TOKENS_FILE,
    adapter_disabled,
    has_adapter,
    load_adapter,
    remove_lora,
)
from course.clips import Clip
from course.depth import DepthControl, control_for
from course.finetune import FinetuneStep, finetune
from course.models import decode_latents, encode_frames, encode_prompt
from course.models.text_cache import cached_text
from course.temporal import adjacent_similarities
from course.tokens import PromptTokens

from .measure import figures
from .result import Edit
from .stages import Inversion, Run, Texts

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

_MAIN = ("source", "edit", "reconstruction")
"""Clips that have a field of their own; the others are baselines."""

_EDITED = ("edit", "no adapter", "frame by frame")
"""Results that show what the target prompt asks for; the others show the source."""


def edit(
    clip: Clip,
    source_prompt: str,
    target_prompt: str,
    *,
    pipe: StableDiffusionPipeline,
    adapter: str | Path | None = None,
    n_steps: int = 25,
    guidance: float = 3.0,
    skip: int | None = None,
    refine: int = 0,
    latent_filter: Callable[[Tensor], Tensor] | None = None,
    mask_threshold: float | None = 0.15,
    depth: Tensor | DepthControl | bool | None = None,
    finetune_steps: int = 60,
    n_shared: int = 0,
    n_frame: int = 0,
    chunk_size: int = 8,
    reconstruct: bool = True,
    baselines: bool = True,
    progress: bool = True,
    generator: torch.Generator | None = None,
) -> Edit:
    """Edit a clip from what ``source_prompt`` says of it to what ``target_prompt`` asks for.

    Inverts the clip with the source prompt at guidance 1 and samples with the target prompt at
    ``guidance`` over ``n_steps`` DDIM steps without the ``skip`` noisiest (default: a quarter of
    them; leaving out more changes less and keeps the background truer). ``refine`` adds
    fixed-point rounds to the inversion, ``latent_filter`` acts on every x_t (Eq. 9). Where the two
    prompts disagree about the noise by less than ``mask_threshold`` times the frame's largest
    difference, the clip stays as it is (None: all may change). ``depth`` (Fig. 1) says where things
    stand, in inversion and sampling alike: True for the clip's own, a tensor (T, 1, H, W) of
    distances in [0, 1], or a ``DepthControl`` with a ControlNet of your choice; a clip's own depth
    holds its shapes, too. ``adapter`` is a folder that ``save_adapter`` wrote; without one, an
    adapter is trained on the clip for ``finetune_steps`` (0: none) with ``n_shared`` and
    ``n_frame`` prompt tokens, and taken out again. At most ``chunk_size`` frames are in flight.
    ``reconstruct`` samples with the source prompt too, ``baselines`` adds the clips that the
    figures must be held against. ``generator`` (CPU; default seed 0) draws the rest.

    Raises ValueError for words the model does not know, sizes it cannot encode, fewer than 2
    frames (3 with fine-tuning), depth that is missing or does not fit, or settings out of range.
    """
    if clip.n_frames < 2:
        raise ValueError(f"the clip has {clip.n_frames} frame; an edit wants a video of 2 or more")
    if mask_threshold is not None and not 0 <= mask_threshold < 1:
        raise ValueError(f"mask_threshold must be in [0, 1) or None, got {mask_threshold}")
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    skip = n_steps // 4 if skip is None else skip
    run = Run(pipe, n_steps, skip, chunk_size, progress, latent_filter)
    run.control = _control(pipe, clip, depth)
    texts = Texts(*(encode_prompt(pipe, text) for text in (source_prompt, target_prompt, "")))
    with run.stage("encode", 1):
        latents = encode_frames(pipe, clip.frames.to(pipe.device), chunk_size=chunk_size)
    inversion = {"refine": refine, "threshold": mask_threshold}
    with _adapted(run, adapter, clip.n_frames):
        training = _finetune(
            run, latents, source_prompt, adapter, finetune_steps, (n_shared, n_frame), generator
        )
        with torch.inference_mode(), cached_text(pipe.unet):
            inverted = run.invert("invert", latents, texts, **inversion)
            results = {"edit": run.sample("edit", inverted, texts.target, texts.empty, guidance)}
            if reconstruct:
                # From the latents alone: the mask would hide what the inversion lost.
                results["reconstruction"] = run.sample(
                    "reconstruct", inverted.latents, texts.source, texts.empty, 1.0
                )
            if baselines:
                results |= _baselines(run, latents, texts, inversion, guidance, generator)
    prompts = {name: target_prompt if name in _EDITED else source_prompt for name in results}
    clips = _decode(run, results, clip, prompts)
    return _result(clip, {"source": latents, **results}, clips, inverted, run, training)


def _control(
    pipe: StableDiffusionPipeline, clip: Clip, depth: Tensor | DepthControl | bool | None
) -> DepthControl | None:
    if depth is None or depth is False:
        return None
    if depth is True and clip.depth is None:
        raise ValueError(
            "depth=True wants a clip that knows its depth, and this one does not; give a tensor "
            f"({clip.n_frames}, 1, {clip.size[0]}, {clip.size[1]}) of distances in [0, 1]"
        )
    return control_for(pipe, clip.frames, clip.depth if depth is True else depth)


def _finetune(
    run: Run, latents: Tensor, prompt: str, adapter: object, n_steps: int,
    n_tokens: tuple[int, int], generator: torch.Generator,
) -> list[FinetuneStep]:  # fmt: skip
    """Train adapter and tokens on the clip unless an adapter was given or no steps are wanted."""
    if n_steps == 0 or adapter is not None:
        return []
    if any(n_tokens):
        width = run.pipe.text_encoder.config.hidden_size
        run.tokens = PromptTokens(*n_tokens, width, len(latents), generator=generator)
        run.tokens.to(latents.device)
    steps = finetune(
        run.pipe, latents, prompt, n_steps=n_steps, tokens=run.tokens, generator=generator
    )
    training = []
    with run.stage("fine-tune", n_steps) as bar:
        for step in steps:
            training.append(step)
            bar.update()
    if run.tokens is not None:
        run.tokens.requires_grad_(False)
    return training


@contextmanager
def _adapted(run: Run, adapter: str | Path | None, n_frames: int) -> Iterator[None]:
    """Leave the UNet as it was found: an adapter that this edit brings goes out again."""
    unet = run.pipe.unet
    had_adapter = has_adapter(unet)
    if adapter is not None:
        tokens = Path(adapter) / TOKENS_FILE
        if tokens.is_file():
            run.tokens = _saved_tokens(run, tokens, n_frames)
        # Tokens may have been trained alone.
        if run.tokens is None or (Path(adapter) / ADAPTER_FILE).is_file():
            load_adapter(adapter, unet)
    try:
        yield
    finally:
        if not had_adapter and has_adapter(unet):
            remove_lora(unet)


def _saved_tokens(run: Run, path: Path, n_frames: int) -> PromptTokens:
    tokens = PromptTokens.from_file(path).to(run.pipe.unet.device).requires_grad_(False)
    if len(tokens.frame) != n_frames:
        raise ValueError(
            f"{path} has tokens for {len(tokens.frame)} frames and the clip has {n_frames}; edit "
            "as many frames as were trained on, or take the file out of the folder"
        )
    return tokens


def _baselines(
    run: Run, latents: Tensor, texts: Texts, inversion: dict[str, object], guidance: float,
    generator: torch.Generator,
) -> dict[str, Tensor]:  # fmt: skip
    """Return what the edit is held against: other latents (T, C, h, w) by name."""
    results = {"VAE round trip": latents}
    plain = replace(run, tokens=None)
    unet = run.pipe.unet
    with adapter_disabled(unet) if has_adapter(unet) else nullcontext():
        if has_adapter(unet):
            start = plain.invert("invert, no adapter", latents, texts, **inversion)
            results["no adapter"] = plain.sample(
                "edit, no adapter", start, texts.target, texts.empty, guidance
            )
        noise = torch.randn(latents.shape, generator=generator).to(latents)
        results["frame by frame"] = plain.sample(
            "frame by frame", noise, texts.target, texts.empty, guidance, skip=0
        )
    return results


def _decode(
    run: Run, results: dict[str, Tensor], clip: Clip, prompts: dict[str, str]
) -> dict[str, Clip]:
    clips = {}
    with run.stage("decode", len(results)) as bar:
        for name, latents in results.items():
            frames = decode_latents(run.pipe, latents, chunk_size=run.chunk_size)
            clips[name] = Clip(frames.to(clip.frames.device), clip.fps, prompts[name])
            bar.update()
    return clips


def _result(
    clip: Clip, latents: dict[str, Tensor], clips: dict[str, Clip], inverted: Inversion,
    run: Run, training: list[FinetuneStep],
) -> Edit:  # fmt: skip
    """Put the clips together and measure each in the same way."""
    shown = {"source": clip, **clips}
    if "frame by frame" in clips:
        shown["frozen clip"] = clip.frozen()
        latents["frozen clip"] = latents["source"][:1].expand_as(latents["source"])
    return Edit(
        clip=clips["edit"],
        source=clip,
        inverted=inverted.latents,
        mask=inverted.mask,
        reconstruction=clips.get("reconstruction"),
        baselines={name: shown[name] for name in shown if name not in _MAIN},
        metrics={name: figures(shown[name], clip, latents[name]) for name in shown},
        similarities={name: adjacent_similarities(latents[name]) for name in shown},
        seconds=run.seconds,
        training=training,
    )

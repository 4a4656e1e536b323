"""The edit from clip to clip: encode, fine-tune, edit by a method, decode, measure (Fig. 1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from course.adapters import adapter_disabled, has_adapter
from course.adapters.switches import require_text_alone
from course.checks import check_number
from course.clips import Clip
from course.depth import DepthControl, control_for
from course.diffusion import NoiseSchedule
from course.finetune import FinetuneStep
from course.methods import (
    DEFAULT_METHOD,
    Outcome,
    Recipe,
    Task,
    Texts,
    frame_by_frame,
    paper,
    recipe,
)
from course.models import encode_prompt
from course.models.settings import OWN, chosen
from course.models.text_cache import cached_text
from course.temporal import adjacent_similarities

from .adapting import Adapting
from .estimate import estimate, overall
from .measure import figures
from .processes import Team, fair_chunk_size, share_of
from .result import Edit
from .stages import decoded_clips, with_latents

if TYPE_CHECKING:
    from accelerate import Accelerator
    from diffusers import StableDiffusionPipeline

_MAIN = ("source", "edit", "reconstruction")
"""Clips that have a field of their own; the others are baselines."""


def edit(
    clip: Clip,
    source_prompt: str,
    target_prompt: str,
    *,
    pipe: StableDiffusionPipeline,
    method: str = DEFAULT_METHOD,
    settings: Mapping[str, object] | None = None,
    adapter: str | Path | None = None,
    n_steps: int | None = None,
    guidance: float | None = None,
    skip: int | None = None,
    refine: int = 0,
    latent_filter: Callable[[Tensor], Tensor] | None = None,
    mask_threshold: float | str | None = OWN,
    depth: Tensor | DepthControl | bool | None = None,
    finetune_steps: int | None = None,
    finetune_settings: Mapping[str, object] | None = None,
    n_shared: int = 0,
    n_frame: int = 0,
    chunk_size: int = 8,
    decode_chunk_size: int | None = None,
    reconstruct: bool = True,
    baselines: bool = True,
    progress: bool = True,
    accelerator: Accelerator | None = None,
    generator: torch.Generator | None = None,
) -> Edit:
    """Edit a clip from what ``source_prompt`` says of it to what ``target_prompt`` asks for.

    ``method`` is one of `course.methods.names()`, or a sampler and links between frames joined by
    +, such as "flow_edit + first_frame"; ``settings`` are its own, by name. Samples with the target
    prompt at ``guidance`` over ``n_steps`` DDIM steps without the ``skip`` noisiest (defaults:
    those of the kind of model in `course.models.settings`; leaving out more changes less). Where
    the two prompts disagree about the noise by less than ``mask_threshold`` times the frame's
    largest difference, the clip stays as it is (None: all may change; "own": as the table says).
    Methods that invert the clip do it with the source prompt at guidance 1; ``refine`` adds
    fixed-point rounds to it, ``latent_filter`` acts on every x_t (Eq. 9). ``depth`` (Fig. 1) says
    where things stand, in inversion and sampling alike: True for the clip's own, a tensor
    (T, 1, H, W) of distances in [0, 1], or a ``DepthControl`` with a ControlNet of your choice; a
    clip's own depth holds its shapes, too. ``adapter`` is a folder that ``save_adapter`` wrote;
    without one, an adapter is trained on the clip for ``finetune_steps`` (0: none; default: 60 for
    the paper's method, 0 for others) with ``n_shared`` and ``n_frame`` prompt tokens and
    ``finetune_settings`` (arguments of `course.finetune.finetune`), and taken out again. At most
    ``chunk_size`` frames are in the UNet and ``decode_chunk_size`` in the autoencoder.
    ``reconstruct`` edits towards the source prompt too, ``baselines`` adds the clips that the
    figures must be held against. ``accelerator`` shares the chunks among its
    processes (see `course.editing.processes`); all must call alike and all get the edit.
    ``generator`` (CPU; default seed 0) draws the rest.

    Raises ValueError for an unknown method, words the model does not know, sizes it cannot encode,
    fewer than 2 frames (3 with fine-tuning), flow or depth that is missing or does not fit, chunks
    that split what the method needs together, or settings out of range.
    """
    way = recipe(method)
    way.check(settings)
    NoiseSchedule.from_scheduler(pipe.scheduler)  # refused before the work, or not at all
    require_text_alone(pipe.unet)
    use = chosen(
        pipe, way.sampler, n_steps=n_steps, guidance=guidance, skip=skip,
        mask_threshold=mask_threshold, decode_chunk=decode_chunk_size,
    )  # fmt: skip
    check_number("guidance", use.guidance)
    if clip.n_frames < 2:
        raise ValueError(f"the clip has {clip.n_frames} frame; an edit wants a video of 2 or more")
    if use.mask_threshold is not None and not 0 <= use.mask_threshold < 1:
        raise ValueError(f"mask_threshold must be in [0, 1) or None, got {use.mask_threshold}")
    team = Team(accelerator)
    if latent_filter is None:  # a filter sees the frames of its chunk
        chunk_size = fair_chunk_size(chunk_size, clip.n_frames, team.size, way)
    task = Task(
        pipe,
        clip.frames,  # until they are encoded
        Texts(*(encode_prompt(pipe, text) for text in (source_prompt, target_prompt, ""))),
        n_steps=use.n_steps, guidance=use.guidance, skip=use.skip, chunk_size=chunk_size,
        decode_chunk_size=use.decode_chunk, mask_threshold=use.mask_threshold,
        refine=refine, latent_filter=latent_filter,
        control=_control(pipe, clip, depth), progress=progress, share=share_of(team),
        generator=torch.Generator().manual_seed(0) if generator is None else generator,
    )  # fmt: skip
    n_train = way.sampler.finetune_steps if finetune_steps is None else finetune_steps
    n_train = 0 if adapter is not None else n_train
    training = {"learning_rate": use.learning_rate, **(finetune_settings or {})}
    adapting = Adapting(source_prompt, adapter, n_train, (n_shared, n_frame), training, team)
    amount = estimate(
        use, way, clip.n_frames, settings, refine=refine, n_train=n_train,
        window=training.get("window", 8), reconstruct=reconstruct, baselines=baselines,
        adapted=bool(n_train or adapter),
    )  # fmt: skip
    with overall(task, amount) as task:
        task = with_latents(task, clip, way)
        way.prepare(task, settings).chunks()  # what a link refuses, before an adapter is trained
        with adapting.adapted(task) as adapted:
            ready = way.prepare(adapted, settings)
            with torch.inference_mode(), cached_text(pipe.unet):
                outcome = way.run(ready, settings)
                results = {"edit": outcome.latents}
                if reconstruct:
                    results["reconstruction"] = _reconstruction(ready, way, settings, outcome)
                if baselines:
                    results |= _baselines(ready, way, settings)
        clips = decoded_clips(ready, results, clip, (source_prompt, target_prompt), outcome.mask)
    latents = {"source": task.latents, **results}
    return _result(clip, latents, clips, outcome, task, adapting.training)


def _reconstruction(
    task: Task, way: Recipe, settings: Mapping[str, object] | None, outcome: Outcome
) -> Tensor:
    """Return what the method makes of the source prompt: what it loses by itself."""
    if outcome.inversion is not None:
        return paper.reconstruct(task, outcome.inversion)
    task = replace(task.towards_source(), label=", towards the source")
    return way.run(task, settings).latents


def _baselines(task: Task, way: Recipe, settings: Mapping[str, object] | None) -> dict[str, Tensor]:
    """Return what the edit is held against: other latents (T, C, h, w) by name."""
    results = {"VAE round trip": task.latents}
    plain = replace(task, tokens=None, label=", no adapter")
    unet = task.pipe.unet
    with adapter_disabled(unet) if has_adapter(unet) else nullcontext():
        if has_adapter(unet):
            results["no adapter"] = way.run(plain, settings).latents
        alone = replace(plain, skip=0, attention=None, smooth=None, wrap=None, label="")
        results["frame by frame"] = frame_by_frame.run(alone).latents
    return results


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


def _result(
    clip: Clip, latents: dict[str, Tensor], clips: dict[str, Clip], outcome: Outcome,
    task: Task, training: list[FinetuneStep],
) -> Edit:  # fmt: skip
    """Put the clips together and measure each in the same way."""
    shown = {"source": clip, **clips}
    if "frame by frame" in clips:
        shown["frozen clip"] = clip.frozen()
        latents["frozen clip"] = latents["source"][:1].expand_as(latents["source"])
    inversion = outcome.inversion
    return Edit(
        clip=clips["edit"],
        source=clip,
        inverted=None if inversion is None else inversion.latents,
        mask=outcome.mask,
        reconstruction=clips.get("reconstruction"),
        baselines={name: shown[name] for name in shown if name not in _MAIN},
        metrics={name: figures(shown[name], clip, latents[name]) for name in shown},
        similarities={name: adjacent_similarities(latents[name]) for name in shown},
        seconds=task.seconds,
        training=training,
    )

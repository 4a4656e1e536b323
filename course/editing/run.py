"""The stages of an edit: encode, fine-tune, invert, sample, decode (Fig. 1, Eqs. 6 and 12)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from tqdm.auto import tqdm

from course.adapters import adapter_disabled, has_adapter, load_adapter, remove_lora
from course.clips import Clip
from course.diffusion import NoiseSchedule, invert, sample
from course.finetune import FinetuneStep, finetune
from course.models import (
    cached_text,
    decode_latents,
    encode_frames,
    encode_prompt,
    noise_predictor,
)
from course.temporal import adjacent_similarities
from course.tokens import PromptTokens

from .measure import figures
from .result import Edit

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline


_FAITHFUL = ("reconstruction", "VAE round trip")
"""Results that still show what the source prompt says."""

_MAIN = ("source", "edit", "reconstruction")
"""Clips that have a field of their own; the others are baselines."""


@dataclass
class _Run:
    """What every stage needs, and the time that each of them took."""

    pipe: StableDiffusionPipeline
    n_steps: int
    skip: int
    chunk_size: int
    progress: bool
    latent_filter: Callable[[Tensor], Tensor] | None
    tokens: PromptTokens | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[tqdm]:
        """Time a stage and show its progress bar."""
        start = time.perf_counter()
        with tqdm(total=total, desc=name, disable=not self.progress, leave=False) as bar:
            yield bar
        self.seconds[name] = time.perf_counter() - start

    def chunks(self, n_frames: int) -> list[slice]:
        """Split the frames, so that peak memory does not grow with their number."""
        size = self.chunk_size
        return [slice(a, min(a + size, n_frames)) for a in range(0, n_frames, size)]

    def text(self, text: Tensor, frames: slice) -> Tensor:
        """Return the text tokens of a chunk, with the prompt tokens in front (Eq. 13)."""
        return text if self.tokens is None else self.tokens(text, frames)

    def walk(
        self, name: str, latents: Tensor, text: Tensor, empty: Tensor, guidance: float,
        *, inverse: bool = False, refine: int = 0, skip: int | None = None,
    ) -> Tensor:  # fmt: skip
        """Carry all latents (T, C, h, w) through a whole chain, one chunk after the other."""
        skip = self.skip if skip is None else skip
        schedule = NoiseSchedule.from_scheduler(self.pipe.scheduler)
        chunks = self.chunks(len(latents))
        results = []
        with self.stage(name, len(chunks) * (self.n_steps - skip)) as bar:
            for frames in chunks:
                predict = noise_predictor(
                    self.pipe, self.text(text, frames), guidance=guidance,
                    negative_text=self.text(empty, frames),
                )  # fmt: skip
                options = {"refine": refine} if inverse else {}
                chain = (invert if inverse else sample)(
                    predict, latents[frames], schedule, self.n_steps,
                    skip=skip, latent_filter=self.latent_filter, **options,
                )  # fmt: skip
                current = latents[frames]
                for step in chain:
                    current = step.latents
                    bar.update()
                results.append(current)
        return torch.cat(results)


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
    finetune_steps: int = 60,
    n_shared: int = 0,
    n_frame: int = 0,
    chunk_size: int = 8,
    baselines: bool = True,
    progress: bool = True,
    generator: torch.Generator | None = None,
) -> Edit:
    """Edit a clip from what ``source_prompt`` says of it to what ``target_prompt`` asks for.

    Inverts the clip with the source prompt at guidance 1 and samples with the target prompt at
    ``guidance`` over ``n_steps`` DDIM steps without the ``skip`` noisiest (default: a quarter of
    them; leaving out more changes less and keeps the background truer). ``refine`` adds
    fixed-point rounds to the inversion, ``latent_filter`` acts on every x_t (Eq. 9). ``adapter``
    is a folder that ``save_adapter`` wrote; without one, an adapter is trained on the clip for
    ``finetune_steps`` (0: none) with ``n_shared`` and ``n_frame`` prompt tokens, and taken out
    again. At most ``chunk_size`` frames are in flight. ``baselines`` adds the clips that the
    figures must be held against. ``generator`` (CPU; default seed 0) draws the rest.

    Raises ValueError for words the model does not know, sizes it cannot encode, fewer than 2
    frames (3 with fine-tuning) or settings out of range.
    """
    if clip.n_frames < 2:
        raise ValueError(f"the clip has {clip.n_frames} frame; an edit wants a video of 2 or more")
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    skip = n_steps // 4 if skip is None else skip
    run = _Run(pipe, n_steps, skip, chunk_size, progress, latent_filter)
    texts = [encode_prompt(pipe, prompt) for prompt in (source_prompt, target_prompt, "")]
    with run.stage("encode", 1):
        latents = encode_frames(pipe, clip.frames.to(pipe.device), chunk_size=chunk_size)
    with _adapted(pipe, adapter):
        training = _finetune(
            run, latents, source_prompt, adapter, finetune_steps, (n_shared, n_frame), generator
        )
        with torch.inference_mode(), cached_text(pipe.unet):
            results = _walks(run, latents, texts, guidance, refine, baselines, generator)
    clips = {}
    with run.stage("decode", len(results) - 1) as bar:
        for name in [name for name in results if name != "inverted"]:
            frames = decode_latents(pipe, results[name], chunk_size=chunk_size)
            said = (
                target_prompt if name in ("edit", "no adapter", "frame by frame") else source_prompt
            )
            clips[name] = Clip(frames.to(clip.frames.device), clip.fps, said)
            bar.update()
    return _result(clip, results, clips, run, training, latents)


def _finetune(
    run: _Run, latents: Tensor, prompt: str, adapter: object, n_steps: int,
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
def _adapted(pipe: StableDiffusionPipeline, adapter: str | Path | None) -> Iterator[None]:
    """Leave the UNet as it was found: an adapter that this edit brings goes out again."""
    had_adapter = has_adapter(pipe.unet)
    if adapter is not None:
        load_adapter(adapter, pipe.unet)
    try:
        yield
    finally:
        if not had_adapter and has_adapter(pipe.unet):
            remove_lora(pipe.unet)


def _walks(
    run: _Run, latents: Tensor, texts: list[Tensor], guidance: float, refine: int,
    baselines: bool, generator: torch.Generator,
) -> dict[str, Tensor]:  # fmt: skip
    """Invert, sample and reconstruct; with baselines, also without adapter and from fresh noise."""
    source, target, empty = texts
    inverted = run.walk("invert", latents, source, empty, 1.0, inverse=True, refine=refine)
    results = {
        "inverted": inverted,
        "edit": run.walk("edit", inverted, target, empty, guidance),
        "reconstruction": run.walk("reconstruct", inverted, source, empty, 1.0),
    }
    if not baselines:
        return results
    results["VAE round trip"] = latents
    plain = replace(run, tokens=None)
    unet = run.pipe.unet
    with adapter_disabled(unet) if has_adapter(unet) else nullcontext():
        if has_adapter(unet):
            start = plain.walk(
                "invert, no adapter", latents, source, empty, 1.0, inverse=True, refine=refine
            )
            results["no adapter"] = plain.walk("edit, no adapter", start, target, empty, guidance)
        noise = torch.randn(latents.shape, generator=generator).to(latents)
        results["frame by frame"] = plain.walk(
            "frame by frame", noise, target, empty, guidance, skip=0
        )
    return results


def _result(
    clip: Clip, results: dict[str, Tensor], clips: dict[str, Clip], run: _Run,
    training: list[FinetuneStep], source_latents: Tensor,
) -> Edit:  # fmt: skip
    """Put the clips together and measure each in the same way."""
    shown = {"source": clip, **clips}
    latents = {"source": source_latents, **results}
    if "frame by frame" in clips:
        shown["frozen clip"] = clip.frozen()
        latents["frozen clip"] = source_latents[:1].expand_as(source_latents)
    return Edit(
        clip=clips["edit"],
        source=clip,
        inverted=results["inverted"],
        reconstruction=clips["reconstruction"],
        baselines={name: shown[name] for name in shown if name not in _MAIN},
        metrics={name: figures(shown[name], clip, latents[name]) for name in shown},
        similarities={name: adjacent_similarities(latents[name]) for name in shown},
        seconds=run.seconds,
        training=training,
    )

"""The edit that the options of ``python -m course edit`` ask for, and what is told before it."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from . import clip_options, model_options

if TYPE_CHECKING:
    from accelerate import Accelerator
    from diffusers import StableDiffusionPipeline
    from torch import Tensor

    from course.clips import Clip
    from course.editing import Edit
    from course.models.settings import Chosen

# The lowest of the rendered clips of benchmarks.model lies at 30.9 dB, filmed ones at 22 and below.
SHOWN_DECIBELS = 28
_PROBED = 8  # frames that are sent through the autoencoder to see


def edited(
    clip: Clip,
    options: Namespace,
    pipe: StableDiffusionPipeline,
    n_frames: int,
    size: tuple,
    accelerator: Accelerator | None,
) -> Edit:
    """Say what was chosen, then edit; raises ValueError where memory or an operation is missing."""
    import torch

    from course.bilateral import bilateral_filter
    from course.editing import edit
    from course.methods import DEFAULT_METHOD

    sigma, tokens = options.filter_sigma, options.tokens
    with model_options.told_in_words(options, training=_trains(options)):
        _tell_round_trip(clip, pipe)
        _tell_settings(options, pipe, n_frames)
        return edit(
            clip, options.source, options.target, pipe=pipe, **_asked(options),
            method=options.method or DEFAULT_METHOD, adapter=options.adapter, refine=options.refine,
            latent_filter=None if sigma is None else lambda x: bilateral_filter(x, 5, 1.0, sigma),
            depth=_depth(options, n_frames, size), finetune_steps=options.finetune,
            finetune_settings=model_options.training_settings(options),
            n_shared=tokens[0], n_frame=tokens[1],
            chunk_size=options.chunk, decode_chunk_size=options.decode_chunk,
            reconstruct=not options.no_baselines, baselines=not options.no_baselines,
            progress=not options.quiet, accelerator=accelerator,
            generator=torch.Generator().manual_seed(options.seed),
        )  # fmt: skip


def chosen_options(options: Namespace) -> dict[str, object]:
    """Return by their options the settings of an edit, whether they were typed or not.

    Raises ValueError for an unknown method, or where no step would be left.
    """
    from course.methods import DEFAULT_METHOD, recipe
    from course.models.settings import chosen, kind_by_name

    method = options.method or DEFAULT_METHOD
    sampler = recipe(method).sampler
    kind, rate = kind_by_name(options.model), options.learning_rate
    use = chosen(kind, sampler, **_asked(options), learning_rate=rate)
    n_train = sampler.finetune_steps if options.finetune is None else options.finetune
    _require_steps(use)
    return {
        "method": method, "steps": use.n_steps, "guidance": use.guidance, "skip": use.skip,
        "mask": use.mask_threshold or 0.0, "learning_rate": use.learning_rate,
        "finetune": n_train if options.adapter is None else 0,
    }  # fmt: skip


def _require_steps(use: Chosen, most: int | None = None) -> None:
    """Raise ValueError where no step is left, or more are asked for than a schedule has."""
    if use.skip >= use.n_steps:
        raise ValueError(
            f"--skip is {use.skip} of {use.n_steps} --steps; wanted fewer, or no step is left"
        )
    if most is not None and use.n_steps > most:
        raise ValueError(f"--steps is {use.n_steps}; this model's schedule has {most}, take fewer")


def _tell_settings(options: Namespace, pipe: StableDiffusionPipeline, n_frames: int) -> None:
    """Print the settings that were chosen, and how much work they make."""
    from course.editing.estimate import estimate
    from course.methods import DEFAULT_METHOD, recipe
    from course.models.settings import chosen

    method = options.method or DEFAULT_METHOD
    way = recipe(method)
    use = chosen(pipe, way.sampler, **_asked(options), decode_chunk=options.decode_chunk)
    _require_steps(use, pipe.scheduler.config.num_train_timesteps)
    n_train = way.sampler.finetune_steps if options.finetune is None else options.finetune
    n_train, full = n_train if options.adapter is None else 0, not options.no_baselines
    amount = estimate(
        use, way, n_frames, refine=options.refine, n_train=n_train, window=options.window,
        reconstruct=full, baselines=full, adapted=bool(n_train or options.adapter),
    )  # fmt: skip
    print(f"{use.kind}: {method}, {use}; {options.dtype} on {pipe.device}")
    print(amount)


def _asked(options: Namespace) -> dict[str, object]:
    """Return what the table of settings would choose, as far as the options say it."""
    return {
        "n_steps": options.steps, "guidance": options.guidance, "skip": options.skip,
        "mask_threshold": "own" if options.mask is None else options.mask or None,
    }  # fmt: skip


def _trains(options: Namespace) -> bool:
    from course.methods import DEFAULT_METHOD, recipe

    own = recipe(options.method or DEFAULT_METHOD).sampler.finetune_steps
    return options.adapter is None and bool(own if options.finetune is None else options.finetune)


def _depth(options: Namespace, n_frames: int, size: tuple) -> Tensor | None:
    if options.depth is None:
        return None
    near = clip_options.read_told(options.depth, options, n_frames, size).frames
    return 1 - near.mean(1, keepdim=True)  # a file shows nearness, the package speaks of distance


def _tell_round_trip(clip: Clip, pipe: StableDiffusionPipeline) -> None:
    """Say so where the model's autoencoder alone spoils the clip."""
    from course.metrics import psnr
    from course.models import decode_latents, encode_frames
    from course.models.settings import EMBEDDED, kind_of

    if kind_of(pipe) != EMBEDDED:
        return
    frames = clip.frames[:: max(1, len(clip.frames) // _PROBED)][:_PROBED].to(pipe.device)
    decibels = float(psnr(decode_latents(pipe, encode_frames(pipe, frames)), frames))
    if decibels < SHOWN_DECIBELS:
        print(
            f"note: the embedded model cannot show this clip: its autoencoder alone gives it back "
            f"at {decibels:.1f} dB (rendered clips: 31 and more). It knows rendered shapes; for "
            "filmed clips give another --model"
        )

"""What ``python -m course finetune`` does, in one process or in each of several.

Several: ``accelerate launch --multi_gpu --num_processes 2 -m course finetune ... --windows 2``. In
spite of its name the option needs no GPU; with ``--cpu`` accelerate starts one process only.
"""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tqdm import tqdm

import course
from course import models
from course.adapters import ADAPTER_FILE, TOKENS_FILE, save_adapter
from course.tokens import PromptTokens

from .checkpoint import CHECKPOINT_FILE
from .objective import LEAST_FRAMES, WEIGHTS
from .progress import FinetuneStep
from .train import finetune

if TYPE_CHECKING:
    from accelerate import Accelerator
    from diffusers import StableDiffusionPipeline

    from course.clips import Clip

_SHOWN = ("temporal_loss", "diffusion_loss", "similarity", "gradient_norm")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `run` to a parser."""
    parser.add_argument("clip", type=Path, help="mp4 file")
    parser.add_argument("--prompt", required=True, help="what the clip shows")
    parser.add_argument("--output", type=Path, required=True, help="folder for the adapter")
    parser.add_argument("--model", default="embedded", help="embedded, a folder or a hub id")
    parser.add_argument("--frames", type=int, help="how many frames to train on (default: all)")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--rank", type=int, default=4, help="of the low-rank layers")
    parser.add_argument("--targets", default="cross", help="attention to adapt: cross or all")
    parser.add_argument(
        "--tokens", type=int, nargs=2, default=(0, 0), metavar=("SHARED", "FRAME"),
        help="prompt tokens for all frames and for each",
    )  # fmt: skip
    parser.add_argument("--no-adapter", action="store_true", help="train the tokens alone")
    parser.add_argument("--window", type=int, default=8, help="neighbouring frames in a window")
    parser.add_argument("--windows", type=int, default=1, help="windows in a step")
    parser.add_argument(
        "--weights", choices=tuple(WEIGHTS), default="paper", help="of the terms of Eq. 6"
    )
    parser.add_argument(
        "--temporal", choices=tuple(LEAST_FRAMES), default="frames",
        help="three frames at one diffusion time, or two at two",
    )  # fmt: skip
    parser.add_argument(
        "--timesteps", type=float, nargs=2, default=(0.0, 1.0), metavar=("LOW", "HIGH"),
        help="parts of the schedule, from clean (0) to noise (1)",
    )  # fmt: skip
    parser.add_argument(
        "--patience", type=int, help="stop after so many steps without progress (20 or more)"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in --output")
    parser.add_argument("--checkpoint-every", type=int, default=10, help="steps between states")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument("--seed", type=int, default=0)


def run(options: Namespace) -> None:
    """Train on the clip and write adapter, tokens and checkpoint into the folder.

    Raises ValueError, TypeError or OSError for bad input, before anything is written.
    """
    _check_output(options.output, options.resume)
    accelerator = _accelerator()
    device = course.device()
    if accelerator is not None and device.type == "cuda":
        device = accelerator.device  # each process has its own
    from course.clips import read_clip  # PyAV is needed here only

    clip = read_clip(options.clip, n_frames=options.frames)
    pipe = models.load(options.model, device=device)
    clip = _fitting(clip, pipe, options)
    tokens = _tokens(pipe, options, clip.n_frames)
    steps = finetune(
        pipe, clip, options.prompt,
        n_steps=options.steps, learning_rate=options.learning_rate,
        rank=options.rank, targets=options.targets,
        temporal=options.temporal, **WEIGHTS[options.weights],
        window=options.window, n_windows=options.windows,
        timestep_range=tuple(options.timesteps),
        tokens=tokens, train_adapter=not options.no_adapter,
        patience=options.patience,
        checkpoint=options.output, checkpoint_every=options.checkpoint_every,
        resume=options.resume, accelerator=accelerator,
        generator=torch.Generator().manual_seed(options.seed),
    )  # fmt: skip
    is_first = accelerator is None or accelerator.is_main_process
    done = _follow(steps, options.steps, quiet=options.quiet or not is_first)
    if is_first:
        files = _write(options, pipe, tokens)
        print(_summary(done))
        print("\n".join(f"wrote {file}" for file in files))
    if accelerator is not None:
        accelerator.wait_for_everyone()
        accelerator.end_training()


def _accelerator() -> Accelerator | None:
    """Return accelerate's view of the processes, or None where this one is alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return None
    from accelerate import Accelerator

    # Unless told, accelerate takes several processes without a GPU for as many separate runs.
    return Accelerator(cpu=course.device().type == "cpu")


def _check_output(folder: Path, resume: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; --output wants a folder")
    there = [n for n in (ADAPTER_FILE, TOKENS_FILE, CHECKPOINT_FILE) if (folder / n).exists()]
    if there and not resume:
        raise ValueError(
            f"{folder} holds an earlier run ({', '.join(there)}); go on with it with --resume, or "
            "choose another --output"
        )


def _fitting(clip: Clip, pipe: StableDiffusionPipeline, options: Namespace) -> Clip:
    """Return the clip at the size that the model was made for."""
    from course.clips import read_clip

    side = pipe.unet.config.sample_size * 2 ** (len(pipe.vae.config.block_out_channels) - 1)
    if clip.size == (side, side):
        return clip
    return read_clip(options.clip, n_frames=options.frames, size=side)


def _tokens(
    pipe: StableDiffusionPipeline, options: Namespace, n_frames: int
) -> PromptTokens | None:
    if not any(options.tokens):
        return None
    generator = torch.Generator().manual_seed(options.seed)
    width = pipe.unet.config.cross_attention_dim
    return PromptTokens(*options.tokens, width, n_frames, generator=generator).to(pipe.device)


def _follow(steps: Iterable[FinetuneStep], n_steps: int, *, quiet: bool) -> list[FinetuneStep]:
    """Take all steps under a bar that shows the latest numbers."""
    done: list[FinetuneStep] = []
    with tqdm(total=n_steps, desc="fine-tune", leave=False, disable=quiet or None) as bar:
        for step in steps:
            done.append(step)
            bar.n = step.step + 1  # a resumed run starts further on
            bar.set_postfix({name: f"{getattr(step, name):.3g}" for name in _SHOWN})
    return done


def _write(
    options: Namespace, pipe: StableDiffusionPipeline, tokens: PromptTokens | None
) -> list[Path]:
    if not options.no_adapter:
        files = [save_adapter(options.output, pipe.unet, tokens)]
        return files if tokens is None else [*files, options.output / TOKENS_FILE]
    return [tokens.save(options.output / TOKENS_FILE)]


def _summary(done: Sequence[FinetuneStep]) -> str:
    """Say what changed from the first tenth of these steps to the last."""
    if not done:
        return "nothing was left to do: the run in the folder has all its steps"
    part = max(1, len(done) // 10)
    lines = [f"steps {done[0].step + 1} to {done[-1].step + 1}; means over {part} of them"]
    for name in _SHOWN:
        first, last = (
            sum(getattr(step, name) for step in some) / part for some in (done[:part], done[-part:])
        )
        lines.append(f"{name.replace('_', ' '):<16} first {first:<10.4g} last {last:.4g}")
    return "\n".join(lines)

"""What ``python -m course finetune`` does, in one process or in each of several.

Several: ``accelerate launch --multi_gpu --num_processes 2 -m course finetune ... --windows 2``. In
spite of its name the option needs no GPU; with ``--cpu`` accelerate starts one process only.
"""

from __future__ import annotations

import io
from argparse import Namespace
from collections.abc import Iterable, Sequence
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tqdm import tqdm

from course.adapters import ADAPTER_FILE, TOKENS_FILE, save_adapter
from course.clips.video import clip_facts
from course.commands import clip_options, model_options
from course.commands.outputs import check_outputs, check_room, claimed, is_first_process
from course.finetune.checkpoint import CHECKPOINT_FILE
from course.finetune.objective import LEAST_FRAMES, WEIGHTS
from course.finetune.processes import launched
from course.finetune.progress import FinetuneStep
from course.finetune.train import finetune
from course.models import encode_frames
from course.models.settings import SETTINGS, kind_of
from course.tokens import PromptTokens

if TYPE_CHECKING:
    from accelerate import Accelerator
    from diffusers import StableDiffusionPipeline


_SHOWN = ("temporal_loss", "diffusion_loss", "similarity", "gradient_norm")


def run(options: Namespace) -> None:
    """Train on the clip and write adapter, tokens and checkpoint into the folder.

    Raises ValueError, TypeError or OSError for bad input, before anything is written.
    """
    _check_output(options)
    is_first = is_first_process()
    with (
        launched() as accelerator,
        claimed(options.output) if is_first else nullcontext(),
        model_options.told_in_words(options, training=True),
    ):
        if is_first:
            _check_output(options)  # another run may have ended meanwhile
        device = model_options.chosen_device(options)
        if accelerator is not None and device.type == "cuda":
            device = accelerator.device  # each process has its own
        _train(options, accelerator, device, is_first)


def _train(
    options: Namespace, accelerator: Accelerator | None, device: torch.device, is_first: bool
) -> None:
    facts = clip_facts(options.clip)
    n_frames = clip_options.check_part(options, facts)
    _check_window(options, n_frames)
    pipe = model_options.load(options, device)
    size = clip_options.chosen_size(options, facts, pipe)
    with nullcontext() if is_first else redirect_stdout(io.StringIO()):
        print(clip_options.sentence(options, facts, size, n_frames, sound="dropped"))
        print(clip_options.cost(n_frames), end="\n" if clip_options.cost(n_frames) else "")
        clip = clip_options.read_told(options.clip, options, n_frames, size)
        print(_settings(options, pipe, clip.n_frames))
    tokens = _tokens(pipe, options, clip.n_frames)
    latents = encode_frames(
        pipe, clip.frames.to(pipe.device), chunk_size=_decode_chunk(options, pipe)
    )
    steps = finetune(
        pipe, latents, options.prompt,
        n_steps=options.steps, targets=options.targets,
        temporal=options.temporal, **WEIGHTS[options.weights],
        n_windows=options.windows, **_own(options, pipe),
        timestep_range=tuple(options.timesteps),
        tokens=tokens, train_adapter=not options.no_adapter,
        patience=options.patience,
        checkpoint=options.output, checkpoint_every=options.checkpoint_every,
        resume=options.resume, accelerator=accelerator,
        generator=torch.Generator().manual_seed(options.seed),
    )  # fmt: skip
    done = _follow(steps, options.steps, quiet=options.quiet or not is_first)
    if is_first:
        _tell_end(options, done, _write(options, pipe, tokens))


def _check_window(options: Namespace, n_frames: int) -> None:
    least = LEAST_FRAMES[options.temporal]
    for found, told in (
        (n_frames, f"{options.clip}: {n_frames} frames are chosen"),
        (options.window, f"--window is {options.window}"),
    ):
        if found < least:
            raise ValueError(f"{told}; --temporal {options.temporal} compares {least} neighbours")


def _tell_end(options: Namespace, done: Sequence[FinetuneStep], files: Sequence[Path]) -> None:
    print(_summary(done))
    print("\n".join(f"wrote {file}" for file in files))
    print(
        f"\nnext: python -m course edit {options.clip} --adapter {options.output} "
        f'--source "{options.prompt}" --target "..." --output edit.mp4\n'
        "      or train on with --resume and more --steps"
    )


def _own(options: Namespace, pipe: StableDiffusionPipeline) -> dict[str, object]:
    """Return the options of fine-tuning, with the learning rate of the kind of model."""
    rate = SETTINGS[kind_of(pipe)]["learning_rate"].value
    return {"learning_rate": rate, **model_options.training_settings(options)}


def _settings(options: Namespace, pipe: StableDiffusionPipeline, n_frames: int) -> str:
    """Say what was chosen and how much work it makes."""
    own = _own(options, pipe)
    window = min(options.window, n_frames)
    total = options.steps * options.windows * window
    return (
        f"{kind_of(pipe)}: learning rate {own['learning_rate']:g}, rank {options.rank}, "
        f"{options.steps} steps of {options.windows} x {window} frames; {options.dtype} on "
        f"{pipe.device}\n{total} evaluations of the UNet, forwards and backwards"
    )


def _decode_chunk(options: Namespace, pipe: StableDiffusionPipeline) -> int:
    return options.decode_chunk or SETTINGS[kind_of(pipe)]["decode_chunk"].value


def _check_output(options: Namespace) -> None:
    folder = options.output
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; --output wants a folder")
    names = (ADAPTER_FILE, TOKENS_FILE, CHECKPOINT_FILE)
    there = [name for name in names if (folder / name).exists()]
    if there and not options.resume:
        raise ValueError(
            f"{folder} holds an earlier run ({', '.join(there)}); go on with it with --resume, or "
            "choose another --output"
        )
    check_outputs(
        [folder / name for name in names], inputs={"the clip": options.clip}, overwrite=True
    )
    check_room(folder / ADAPTER_FILE, 2**24)


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

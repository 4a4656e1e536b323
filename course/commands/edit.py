"""``python -m course edit``: from an mp4 and two prompts to an edited mp4 and its figures."""

from __future__ import annotations

import io
from argparse import ArgumentParser, Namespace
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from course.files import check_input

from . import clip_options, editing, folder, model_options
from .outputs import (
    check_mp4,
    check_outputs,
    check_room,
    claimed,
    edit_files,
    is_first_process,
    telling_what_is_there,
)
from .values import number, place, seed, whole, words

if TYPE_CHECKING:
    from accelerate import Accelerator
    from diffusers import StableDiffusionPipeline

    from course.clips.video import ClipFacts
    from course.editing import Edit

_CHUNK = (
    "frames in the UNet at once (default: 8); with a method of reach frame, past or neighbours "
    "they change memory only, with chunk they are what a frame sees, with clip they "
    "must be all frames (docs/measurements.md has the reach of each)"
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `run` to a parser."""
    parser.add_argument("clip", type=place, nargs="?", help="video file")
    parser.add_argument("--source", type=words, help="what the clip shows")
    parser.add_argument("--target", type=words, help="what it should show")
    folder.add_arguments(parser)
    parser.add_argument("--output", type=place, required=True, help="mp4 file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace results that are there")
    parser.add_argument(
        "--method", help="how frames are kept together, such as paper (default: the best measured)"
    )
    parser.add_argument("--adapter", type=place, help="a saved adapter")
    clip_options.add_clip_options(parser, "edit")
    model_options.add_model_options(parser)
    model_options.add_training_options(parser)
    parser.add_argument("--chunk", type=whole(1), default=8, help=_CHUNK)
    own = "(default: that of the kind of model, told before the work)"
    parser.add_argument("--steps", type=whole(1), help=f"DDIM steps, skipped ones included {own}")
    parser.add_argument("--guidance", type=number(0), help=own)
    parser.add_argument("--skip", type=whole(0), help=f"noisiest steps to leave out {own}")
    parser.add_argument("--refine", type=whole(0), default=0, help="fixed-point rounds")
    parser.add_argument(
        "--finetune", type=whole(0), help="steps of fine-tuning (default: 60 for paper, else none)"
    )
    parser.add_argument(
        "--filter-sigma", type=number(0, above=True), help="bilateral filter on x_t (Eq. 9)"
    )
    parser.add_argument(
        "--mask",
        type=number(0, 1, below=True),
        help=f"its threshold; 0: none {own}",
    )
    parser.add_argument("--depth", type=place, help="mp4 of the clip's depth, near is bright")
    parser.add_argument("--no-baselines", action="store_true", help="only the edit itself")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    parser.add_argument("--seed", type=seed, default=0)


def run(options: Namespace) -> None:
    """Edit the clip, write the results and say where they lie.

    Raises ValueError, TypeError or OSError for bad input, before anything is written.
    """
    is_folder = folder.is_asked(options)
    if options.adapter is not None:
        model_options.check_adapter(options.adapter)
    if is_folder:
        folder.run(options, _run)
        return
    check_mp4(options.output)
    for path in (options.clip, options.depth):
        if path is not None:
            check_input(path)
    files = edit_files(options.output, reconstruction=not options.no_baselines)
    inputs = {"the clip": options.clip, "the depth": options.depth}
    check_outputs(files, inputs=inputs, overwrite=options.overwrite)
    with claimed(options.output) if is_first_process() else redirect_stdout(io.StringIO()):
        from course.finetune.processes import launched

        with launched() as accelerator:
            _run(options, files, accelerator=accelerator)


def _run(
    options: Namespace,
    files: list[Path],
    pipe: StableDiffusionPipeline | None = None,
    *,
    accelerator: Accelerator | None = None,
) -> None:
    from course.clips.video import clip_facts

    facts = clip_facts(options.clip)
    n_frames = clip_options.check_part(options, facts)
    _check_depth_clip(options, facts, n_frames)
    editing.chosen_options(options)  # what no model could do is refused before one is loaded
    pipe = model_options.load(options) if pipe is None else pipe
    size = clip_options.chosen_size(options, facts, pipe)
    with_sound = clip_options.keeps_sound(options, facts, n_frames)
    check_room(options.output, 3 * n_frames * size[0] * size[1] + 2**22)
    told = "kept" if with_sound else "dropped"
    print(clip_options.sentence(options, facts, size, n_frames, sound=told))
    if note := clip_options.cost(n_frames):
        print(note)
    clip = clip_options.read_told(options.clip, options, n_frames, size)
    result = editing.edited(clip, options, pipe, n_frames, size, accelerator)
    if not is_first_process() and accelerator is not None:
        return
    options.output.parent.mkdir(parents=True, exist_ok=True)
    check_outputs(files, overwrite=options.overwrite)  # an hour may have passed
    with telling_what_is_there(files):
        written = result.save(options.output)
        if with_sound:
            _add_sound(options)
        curve = _draw_similarity(result, options.output)
    print(result.table())
    print(
        f"\nedited clip: {written['clip']}\npictures:    {written['sheet']}\n             {curve}"
    )
    print(f"\nnext: look at {written['sheet']}, where each row is held against the source;")
    print("      then try another --target, or another part of the clip with --start and --frames")


def _check_depth_clip(options: Namespace, facts: ClipFacts, n_frames: int) -> None:
    """Raise ValueError for a depth that is not that of each frame and of each of its places."""
    if options.depth is None:
        return
    from course.clips.video import clip_facts

    depth = clip_facts(options.depth)
    if abs(depth.fps / facts.fps - 1) > 0.01:
        raise ValueError(
            f"--depth {options.depth} has {depth.fps:.4g} frames a second and {options.clip} has "
            f"{facts.fps:.4g}; a frame's depth is wanted for each frame. Make the depth at that "
            "rate"
        )
    (height, width), (own_height, own_width) = depth.size, facts.size
    if options.fit != "stretch" and abs(height * own_width / (width * own_height) - 1) > 0.02:
        raise ValueError(
            f"--depth {options.depth} shows {width} x {height} and {options.clip} {own_width} x "
            f"{own_height}; they would be cut differently. Make the depth in the clip's shape, or "
            "take --fit stretch"
        )
    part = {"clip": options.depth, "frames": n_frames}
    clip_options.check_part(Namespace(**vars(options) | part), depth)


def _add_sound(options: Namespace) -> None:
    from course.clips.sound import copy_sound

    try:
        copy_sound(options.clip, options.output)
    except ValueError as error:
        print(f"note: {error}; the edit has none")


def _draw_similarity(result: Edit, output: Path) -> Path:
    """Write the curve of adjacent similarity of the edit and of what it is held against."""
    from course.editing.chart import similarity_figure
    from course.files import safe_output

    rows = ("source", "edit", "no adapter", "frame by frame", "frozen clip")
    figure = similarity_figure(
        {name: result.similarities[name].cpu() for name in rows if name in result.similarities},
        title="Similarity of neighbouring frames (latents)",
        x_label="pair of neighbouring frames",
        y_label="cosine similarity (no unit)",
    )
    path = output.with_name(f"{output.stem}_similarity.png")
    with safe_output(path) as file:
        figure.savefig(file, format="png", dpi=120)
    return path

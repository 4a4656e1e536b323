"""The command line: ``python -m course edit | finetune | render | doctor | ledger``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from course.finetune import command

if TYPE_CHECKING:
    from course.editing import Edit


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0, or 2 with one clear line on standard error."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except KeyboardInterrupt:
        print("stopped; no half-written file is left", file=sys.stderr)
        return 2
    except (ValueError, TypeError, OSError) as error:
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        print(f"course {options.command}: {' '.join(text.split())}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m course", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_edit(commands.add_parser("edit", help="edit an mp4 from a prompt"))
    finetune = commands.add_parser("finetune", help="train an adapter on an mp4")
    command.add_arguments(finetune)
    finetune.set_defaults(run=_finetune)
    render = commands.add_parser("render", help="render a random scene as an mp4")
    render.add_argument("--seed", type=int, default=0)
    render.add_argument("--frames", type=int, default=8)
    render.add_argument("--size", type=int, default=64, help="side of the frames in pixels")
    render.add_argument("--output", type=Path, required=True)
    render.add_argument("--depth", type=Path, help="also write the depth as an mp4, near is bright")
    render.set_defaults(run=_render)
    doctor = commands.add_parser("doctor", help="check the set-up")
    doctor.set_defaults(run=_doctor)
    _add_ledger(commands.add_parser("ledger", help="try every claim of the paper"))
    return parser


def _add_ledger(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=0, help="of the starts of every search")
    parser.add_argument("--budget", type=int, help="starts of every search (default: its own)")
    parser.add_argument("--no-search", action="store_true", help="only run the counterexamples")
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    parser.add_argument("--json", type=Path, help="also write everything to this file")
    parser.set_defaults(run=_ledger)


def _add_edit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clip", type=Path, help="mp4 file")
    parser.add_argument("--source", required=True, help="what the clip shows")
    parser.add_argument("--target", required=True, help="what it should show")
    parser.add_argument("--output", type=Path, required=True, help="mp4 file to write")
    parser.add_argument("--model", default="embedded", help="embedded, a folder or a hub id")
    parser.add_argument("--adapter", type=Path, help="a saved adapter (default: train one)")
    parser.add_argument("--frames", type=int, help="how many frames to edit (default: all)")
    parser.add_argument("--steps", type=int, default=25, help="DDIM steps, skipped ones included")
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--skip", type=int, help="noisiest steps to leave out (default: 1/4)")
    parser.add_argument("--refine", type=int, default=0, help="fixed-point rounds of inversion")
    parser.add_argument("--finetune", type=int, default=60, help="steps of fine-tuning; 0: none")
    parser.add_argument("--filter-sigma", type=float, help="bilateral filter on x_t (Eq. 9)")
    parser.add_argument("--mask", type=float, default=0.15, help="threshold of it; 0: no mask")
    parser.add_argument("--depth", type=Path, help="mp4 of the clip's depth, near is bright")
    parser.add_argument("--no-baselines", action="store_true", help="only the edit itself")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=_edit)


def _finetune(options: argparse.Namespace) -> None:
    _check_folder(options.output, "--output")
    command.run(options)


def _edit(options: argparse.Namespace) -> None:
    _check_output(options.output)
    from course.clips import read_clip  # after the cheap checks: importing torch takes seconds

    clip = read_clip(options.clip, n_frames=options.frames)
    import torch

    from course import models
    from course.bilateral import bilateral_filter
    from course.editing import edit

    pipe = models.load(options.model)
    side = pipe.unet.config.sample_size * 2 ** (len(pipe.vae.config.block_out_channels) - 1)
    if clip.size != (side, side):
        clip = read_clip(options.clip, n_frames=options.frames, size=side)
    sigma, depth = options.filter_sigma, None
    if options.depth:  # a file shows nearness, the package speaks of distance
        near = read_clip(options.depth, n_frames=options.frames, size=side).frames
        depth = 1 - near.mean(1, keepdim=True)
    result = edit(
        clip,
        options.source,
        options.target,
        pipe=pipe,
        adapter=options.adapter,
        n_steps=options.steps,
        guidance=options.guidance,
        skip=options.skip,
        refine=options.refine,
        latent_filter=None if sigma is None else lambda x: bilateral_filter(x, 5, 1.0, sigma),
        mask_threshold=options.mask if options.mask > 0 else None,
        depth=depth,
        finetune_steps=options.finetune,
        reconstruct=not options.no_baselines,
        baselines=not options.no_baselines,
        progress=not options.quiet,
        generator=torch.Generator().manual_seed(options.seed),
    )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    files = result.save(options.output)
    print(result.table())
    curve = _draw_similarity(result, options.output)
    print(f"\nedited clip: {files['clip']}\npictures:    {files['sheet']}\n             {curve}")


def _draw_similarity(result: Edit, output: Path) -> Path:
    """Write the curve of adjacent similarity of the edit and of what it is held against."""
    from course.clips.video import safe_output
    from course.editing.chart import similarity_figure

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


def _check_output(path: Path, option: str = "--output") -> None:
    """Fail before a minute of work rather than after it; write nothing yet."""
    if path.suffix.lower() != ".mp4":
        raise ValueError(f"{option} is {path}; wanted a name that ends in .mp4")
    _check_folder(path, option)


def _check_folder(path: Path, option: str) -> None:
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file, no folder; choose another {option}")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{folder} cannot be written; choose another {option}")


def _render(options: argparse.Namespace) -> None:
    _check_output(options.output)
    if options.depth:
        _check_output(options.depth, "--depth")
        if options.depth.absolute() == options.output.absolute():
            raise ValueError("--depth and --output name one file; give each a name of its own")
    import torch

    from course.clips import Clip, Scene, render, write_clip
    from course.depth import depth_picture

    scene = Scene.random(torch.Generator().manual_seed(options.seed))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    clip = render(scene, n_frames=options.frames, size=options.size)
    write_clip(clip, options.output)
    if options.depth:
        options.depth.parent.mkdir(parents=True, exist_ok=True)
        write_clip(Clip(depth_picture(clip.depth), clip.fps), options.depth)
    print(f"{options.output}: {scene.caption}")


def _doctor(options: argparse.Namespace) -> None:
    from course.doctor import report

    text, healthy = report()
    print(text)
    if not healthy:
        raise OSError("the set-up has the problems above")


def _ledger(options: argparse.Namespace) -> None:
    for option in ("markdown", "json"):
        if path := getattr(options, option):
            _check_folder(path, f"--{option}")
    from tqdm import tqdm

    from course.claims import ledger, table
    from course.clips.video import safe_output

    claims = ledger()
    measured = table.rows(
        claims, seed=options.seed, budget=options.budget, search=not options.no_search
    )
    rows = list(tqdm(measured, total=len(claims), desc="claims", leave=False, disable=None))
    print(table.text(rows))
    for path, write in ((options.markdown, table.markdown), (options.json, table.json_text)):
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            with safe_output(path) as file:
                file.write(write(rows).encode())
            print(f"wrote {path}")


if __name__ == "__main__":
    sys.exit(main())

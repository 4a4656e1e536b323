"""``python -m course render``: a random scene as an mp4."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from .outputs import check_mp4, check_outputs, claimed
from .values import place, seed, whole


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `run` to a parser."""
    parser.add_argument("--seed", type=seed, default=0)
    parser.add_argument("--frames", type=whole(1), default=8)
    parser.add_argument("--size", type=whole(16), default=64, help="side of the frames in pixels")
    parser.add_argument("--output", type=place, required=True)
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    parser.add_argument(
        "--depth", type=place, help="also write the depth as an mp4, near is bright"
    )


def run(options: Namespace) -> None:
    """Render a scene and write it; raises ValueError or OSError before anything is written."""
    for path, option in ((options.output, "--output"), (options.depth, "--depth")):
        if path is not None:
            check_mp4(path, option)
            check_outputs([path], overwrite=options.overwrite, option=option)
    if options.depth is not None and options.depth.resolve() == options.output.resolve():
        raise ValueError("--depth and --output name one file; give each a name of its own")
    with claimed(options.output):
        _render(options)


def _render(options: Namespace) -> None:
    import torch

    from course.clips import Clip, Scene, render, write_clip
    from course.depth import depth_picture

    scene = Scene.random(torch.Generator().manual_seed(options.seed))
    clip = render(scene, n_frames=options.frames, size=options.size)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_clip(clip, options.output)
    if options.depth:
        options.depth.parent.mkdir(parents=True, exist_ok=True)
        write_clip(Clip(depth_picture(clip.depth), clip.fps), options.depth)
    print(f"{options.output}: {scene.caption}")
    print(f'\nnext: python -m course edit {options.output} --source "{scene.caption}" \\')
    print('      --target "the same with one other word" --output edit.mp4')

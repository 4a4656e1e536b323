"""The options of ``python -m course finetune``; `course.commands.training` does the work."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from course.files import check_input

from . import clip_options, model_options
from .outputs import check_folder
from .values import number, place, seed, whole, words

WEIGHTS = ("paper", "released")
TEMPORAL = ("frames", "times")
TARGETS = ("cross", "all")
"""The choices of `course.finetune`, which takes seconds to import."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `course finetune` to a parser."""
    parser.add_argument("clip", type=place, help="video file")
    parser.add_argument("--prompt", type=words, required=True, help="what the clip shows")
    parser.add_argument("--output", type=place, required=True, help="folder for the adapter")
    clip_options.add_clip_options(parser, "train on")
    model_options.add_model_options(parser)
    model_options.add_training_options(parser)
    parser.add_argument("--steps", type=whole(1), default=100)
    parser.add_argument("--targets", choices=TARGETS, default="cross", help="attention to adapt")
    parser.add_argument("--no-adapter", action="store_true", help="train the tokens alone")
    parser.add_argument("--windows", type=whole(1), default=1, help="windows in a step")
    parser.add_argument("--weights", choices=WEIGHTS, default="paper", help="of the terms of Eq. 6")
    parser.add_argument(
        "--temporal", choices=TEMPORAL, default="frames",
        help="three frames at one diffusion time, or two at two",
    )  # fmt: skip
    parser.add_argument(
        "--timesteps", type=number(0, 1), nargs=2, default=(0.0, 1.0), metavar=("LOW", "HIGH"),
        help="parts of the schedule, from clean (0) to noise (1)",
    )  # fmt: skip
    parser.add_argument(
        "--patience", type=whole(1), help="stop after so many steps without progress (20 or more)"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in --output")
    parser.add_argument(
        "--checkpoint-every", type=whole(1), default=10, help="steps between states"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument("--seed", type=seed, default=0)


def run(options: Namespace) -> None:
    """Check what can be checked at once, then train; raises as `course.commands.training.run`."""
    check_input(options.clip)
    check_folder(options.output, "--output")
    low, high = options.timesteps
    if low >= high:
        raise ValueError(f"--timesteps is {low:g} {high:g}; wanted LOW below HIGH")
    if options.no_adapter and not any(options.tokens):
        raise ValueError("--no-adapter trains the tokens alone, and there are none; add --tokens")
    from course.commands import training

    training.run(options)

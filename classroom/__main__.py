"""The command line of those who write lessons: ``python -m classroom build``, or ``site``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0, 1 where `--check` found files out of date, 2 for faults.

    Each fault of a lesson gets a line of its own on standard error.
    """
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except KeyboardInterrupt:
        print("stopped; no half-written file is left", file=sys.stderr)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m classroom", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="make the notebooks from lessons/")
    build.add_argument("--check", action="store_true", help="only say what is out of date")
    build.add_argument("--overwrite", action="store_true", help="also notebooks that were saved")
    build.add_argument(
        "--measure",
        nargs="*",
        metavar="NAME",
        help="run these lessons (02 or temporal is enough; default: all) and note what they take",
    )
    build.set_defaults(run=_build)
    site = commands.add_parser("site", help="make the static site of the lessons")
    _add_pages(site, "others show text and code", "build/site", _site)
    slides = commands.add_parser("slides", help="make slides of the lessons for a projector")
    _add_pages(slides, "others have no slides", "build/slides", _slides)
    names = commands.add_parser("submissions", help="name the notebooks that nbgrader would skip")
    names.add_argument("assignment", help="as nbgrader calls it")
    names.add_argument(
        "--course", type=Path, default=Path(), help="nbgrader's folder (default: this one)"
    )
    names.set_defaults(run=_submissions)
    _add_teaching(commands.add_parser("teaching", help="make the sheets for teachers"))
    return parser


def _add_pages(
    parser: argparse.ArgumentParser, rest: str, folder: str, run: Callable[..., int]
) -> None:
    """Add what the commands share that run lessons and make pages of them."""
    parser.add_argument(
        "--only", nargs="+", default=(), metavar="NAME",
        help=f"run these lessons only (02 or temporal is enough); the {rest}",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, help=f"folder to build in (default: {folder})")
    parser.add_argument(
        "--patience", type=float, default=1.0, help="multiplies the time limit of each lesson"
    )
    parser.set_defaults(run=run)


def _add_teaching(teaching: argparse.ArgumentParser) -> None:
    teaching.add_argument("--check", action="store_true", help="only say what is out of date")
    teaching.add_argument(
        "--run",
        dest="plans",
        nargs="*",
        metavar="PLAN",
        help="run these plans (default: all), each with its own sections only, and write nothing",
    )
    teaching.add_argument(
        "--notebooks", metavar="PLAN", help="write the notebooks of this plan to build/class/PLAN"
    )
    teaching.set_defaults(run=_teaching)


def _build(options: argparse.Namespace) -> int:
    from classroom.builder import build, measure

    if options.check and options.measure is not None:
        raise ValueError("--check writes nothing and --measure does; choose one")
    if options.measure is not None:
        for slug, result in measure(options.measure):
            seconds, memory = result["seconds"], result["memory_mib"]
            print(f"{slug}: {seconds} seconds, {memory} MiB", flush=True)
        return 0
    return _told(build(check=options.check, overwrite=options.overwrite), options)


def _teaching(options: argparse.Namespace) -> int:
    from classroom.teaching import check_by_running, write_notebooks, write_sheets

    if options.plans is not None:
        for line in check_by_running(options.plans):
            print(line, flush=True)
        return 0
    if options.notebooks:
        return _told(write_notebooks(options.notebooks), options)
    return _told(write_sheets(check=options.check), options)


def _told(changed: list[Path], options: argparse.Namespace) -> int:
    """Print what was written, or what would be; return 1 where a check found something."""
    if options.check and changed:
        print(f"out of date (run: python -m classroom {options.command}):")
        print("\n".join(map(str, changed)))
        return 1
    print("\n".join(f"wrote {path}" for path in changed) or "everything is up to date")
    return 0


def _site(options: argparse.Namespace) -> int:
    from classroom.site import build_site

    return _built(options, build_site, "the site is")


def _slides(options: argparse.Namespace) -> int:
    from classroom.slides import build_slides

    return _built(options, build_slides, "the slides are")


def _built(options: argparse.Namespace, build: Callable[..., Path], what: str) -> int:
    told = build(
        options.output,
        only=options.only,
        patience=options.patience,
        say=lambda line: print(line, flush=True),
    )
    print(f"{what} in {told}: open {told / 'index.html'}")
    return 0


def _submissions(options: argparse.Namespace) -> int:
    """Return 1 where a notebook would be skipped."""
    from classroom.grading.names import skipped

    lines = skipped(options.course, options.assignment)
    print("\n".join(lines) or f"every notebook of {options.assignment} has a name that is graded")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())

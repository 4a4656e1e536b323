"""All commands and their options in one parser; nothing of the work is imported for it."""

from __future__ import annotations

import argparse
from types import ModuleType

import course

from . import edit, finetune, render
from .outputs import check_outputs
from .values import Parser, place, seed, whole


def parser(description: str) -> argparse.ArgumentParser:
    """Return the parser of the command line; `options.run(options)` does what was asked."""
    line = Parser(prog="python -m course", description=description)
    version = f"steady-frames {course.__version__}"
    line.add_argument("--version", action="version", version=version)
    commands = line.add_subparsers(dest="command", required=True)
    _add(commands, edit, "edit", "edit a clip from a prompt")
    _add(commands, finetune, "finetune", "train an adapter on a clip")
    _add(commands, render, "render", "render a random scene as an mp4")
    doctor = commands.add_parser("doctor", help="check the set-up")
    doctor.set_defaults(run=_doctor)
    _add_ledger(commands.add_parser("ledger", help="try every claim of the paper"))
    return line


def _add(commands: argparse._SubParsersAction, module: ModuleType, name: str, text: str) -> None:
    parser = commands.add_parser(name, help=text)
    module.add_arguments(parser)
    parser.set_defaults(run=module.run)


def _add_ledger(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=seed, default=0, help="of the starts of every search")
    parser.add_argument("--budget", type=whole(1), help="starts of every search (default: its own)")
    parser.add_argument("--no-search", action="store_true", help="only run the counterexamples")
    parser.add_argument("--markdown", type=place, help="also write the table to this file")
    parser.add_argument("--json", type=place, help="also write everything to this file")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    parser.set_defaults(run=_ledger)


def _doctor(options: argparse.Namespace) -> None:
    from course.doctor import report

    text, healthy = report()
    print(text)
    if not healthy:
        raise OSError("the set-up has the problems above")


def _ledger(options: argparse.Namespace) -> None:
    for option in ("markdown", "json"):
        if path := getattr(options, option):
            check_outputs([path], overwrite=options.overwrite, option=f"--{option}")
    from tqdm import tqdm

    from course.claims import ledger, table
    from course.files import safe_output

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

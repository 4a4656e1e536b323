"""``python -m course edit --clips FOLDER --prompts TABLE``: a folder of clips, one edit a line.

Several processes (``accelerate launch``) take the lines in turn; each edits its clips alone. One
clip that fails does not end the rest.
"""

from __future__ import annotations

import io
import os
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from . import editing, model_options, results
from .outputs import Taken, check_outputs, claimed, edit_files, is_first_process
from .stopping import message
from .table import Row, read_table
from .values import UsageError, place

if TYPE_CHECKING:
    from accelerate import Accelerator

EditOne = Callable[[Namespace, list[Path], object], None]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options for a folder of clips."""
    group = parser.add_argument_group("a folder of clips instead of CLIP, --source and --target")
    group.add_argument("--clips", type=place, help="folder of the clips; --output is a folder then")
    group.add_argument(
        "--prompts", type=place, help="table (CSV) with columns clip, source, target [, output]"
    )
    group.add_argument(
        "--resume", action="store_true", help="leave edits that are finished in --output"
    )


def is_asked(options: Namespace) -> bool:
    """Return whether the options speak of a folder; raises UsageError for half of either form."""
    alone = {"clip": options.clip, "--source": options.source, "--target": options.target}
    many = {"--clips": options.clips, "--prompts": options.prompts}
    asked = any(many.values()) or options.resume
    wanted, other = (many, alone | {"--depth": options.depth}) if asked else (alone, {})
    command = "python -m course edit"
    if missing := [name for name, value in wanted.items() if value is None]:
        raise UsageError(
            f"{command}: the following arguments are required: {', '.join(missing)} "
            f"(help: {command} --help)"
        )
    if odd := [name for name, value in other.items() if value is not None]:
        raise UsageError(f"{command}: {', '.join(odd)} does not go with --clips and --prompts")
    return asked


def run(options: Namespace, edit_one: EditOne) -> None:
    """Make every edit of the table that is not finished, and write ``results.csv``.

    Raises ValueError or OSError for bad input, before anything is written, and ValueError in the
    end where edits failed.
    """
    rows = read_table(options.prompts, options.clips, options.output)
    settings = results.settings_of(options, editing.chosen_options(options))
    earlier = results.read_results(options.output) if options.resume else {}
    if differs := results.other_settings(earlier, settings):
        raise ValueError(
            f"{options.output / results.FILE} was made with other settings ({differs}); resume "
            "with the same, or choose another --output"
        )
    left = [row for row in rows if not _finished(row, earlier, settings, options)]
    _check_files(options, rows, left, earlier)
    with claimed(options.output / results.FILE) if is_first_process() else nullcontext():
        from course.finetune.processes import launched

        with launched() as accelerator, _lock_taken_away(options.output, alone=accelerator is None):
            _work(options, rows, left, earlier, settings, edit_one, accelerator)
        if is_first_process():
            _unlock(options.output)
            _finish(options.output, rows)


def _finished(row: Row, earlier: dict, settings: str, options: Namespace) -> bool:
    record = earlier.get(row.output.name)
    return results.is_finished(row, record, settings, reconstruction=not options.no_baselines)


def _files(row: Row, options: Namespace) -> list[Path]:
    return edit_files(row.output, reconstruction=not options.no_baselines)


def _check_files(
    options: Namespace, rows: Iterable[Row], left: Iterable[Row], earlier: dict
) -> None:
    """Raise unless every file can be written and overwrites nothing that is not of this run."""
    folder = options.output
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; --output wants a folder for --clips")
    inputs = {os.path.realpath(row.clip) for row in rows} | {os.path.realpath(options.prompts)}
    table = folder / results.FILE
    new, ours = (
        [f for row in left if results.is_ours(row, earlier) is own for f in _files(row, options)]
        for own in (False, True)
    )
    for file in (*new, *ours, table):
        if os.path.realpath(file) in inputs:
            raise ValueError(f"--output would write over {file}, which is read; choose another")
    if table.exists() and not (options.resume or options.overwrite):
        raise ValueError(
            f"{table} exists already; go on with --resume, choose another --output or add "
            "--overwrite"
        )
    check_outputs(new, overwrite=options.overwrite)
    check_outputs([*ours, table], overwrite=True)


def _work(
    options: Namespace,
    rows: list[Row],
    left: list[Row],
    earlier: dict,
    settings: str,
    edit_one: EditOne,
    accelerator: Accelerator | None,
) -> None:
    from course.finetune.processes import Team

    team = Team(accelerator)
    wait = (lambda: None) if accelerator is None else accelerator.wait_for_everyone
    wait()  # until all have looked at what is there
    if team.index == 0:
        _write_first(options.output, rows, left, earlier, settings)
        _tell_start(rows, left, options)
    wait()
    pipe = model_options.load(options) if left else None
    for number in team.part(len(left)):
        told = f"[{number + 1}/{len(left)}]"
        row = left[number]
        ours = options.overwrite or results.is_ours(row, earlier)
        _edit(row, options, pipe, edit_one, told, quiet=team.index > 0, overwrite=ours)


def _write_first(
    folder: Path, rows: list[Row], left: list[Row], earlier: dict, settings: str
) -> None:
    """Write the lines in the order of the table; earlier ones that it does not name come after."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [row.output.name for row in rows]
    fresh = {row.output.name: results.new_record(row, settings) for row in left}
    records = earlier | fresh
    ordered = {name: records[name] for name in names} | records
    results.write_results(folder, ordered)


def _tell_start(rows: list[Row], left: list[Row], options: Namespace) -> None:
    named = {row.clip.resolve() for row in rows} | {options.prompts.resolve()}
    files = [f for f in options.clips.iterdir() if f.is_file() and not f.name.startswith(".")]
    if other := sorted(file.name for file in files if file.resolve() not in named):
        more = f" and {len(other) - 5} more" if len(other) > 5 else ""
        print(f"note: the table does not name {', '.join(other[:5])}{more} of {options.clips}")
    finished = len(rows) - len(left)
    if finished or options.resume:
        print(f"{finished} of {len(rows)} edits are finished already and are left as they are")


def _edit(
    row: Row, options: Namespace, pipe: object, edit_one: EditOne, told: str, *,
    quiet: bool, overwrite: bool,
) -> None:  # fmt: skip
    """Make one edit and write how it went into its line."""
    own = {"clip": row.clip, "source": row.source, "target": row.target, "output": row.output}
    one = Namespace(
        **{**vars(options), **own, "overwrite": overwrite, "quiet": options.quiet or quiet}
    )
    start, said, folder = time.perf_counter(), io.StringIO(), row.output.parent
    try:
        # A run of its own may write there too, and neither may replace what the other wrote.
        with claimed(row.output), redirect_stdout(said):
            edit_one(one, _files(row, options), pipe)
        changes = results.figures_of(row.output) | {"state": results.DONE}
    except Exception as error:  # whatever it is, the other clips can do without it
        if _was_stopped(error):
            raise
        line = message(error, "course edit") or f"{type(error).__name__}: {error}"
        state = results.TAKEN if isinstance(error, Taken) else results.FAILED
        changes = {"state": state, "note": line.removeprefix("course edit: ")}
    seconds = time.perf_counter() - start
    if changes["state"] == results.DONE:
        notes = [s.removeprefix("note: ") for s in said.getvalue().splitlines() if "note: " in s]
        changes["note"] = "; ".join(notes)
    results.change_result(folder, row.output.name, seconds=f"{seconds:.1f}", **changes)
    note = f" ({changes['note']})" if changes["note"] else ""
    print(f"{told} {row.name}: {changes['state']}, {seconds:.0f} s{note}", flush=True)


def _was_stopped(error: BaseException | None) -> bool:
    """Return whether a library made an error of its own out of Ctrl-C."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


@contextmanager
def _lock_taken_away(folder: Path, *, alone: bool) -> Iterator[None]:
    """Leave no lock behind when a process that works alone is stopped; others may need it still."""
    try:
        yield
    finally:
        if alone:
            _unlock(folder)


def _unlock(folder: Path) -> None:
    with suppress(OSError):
        (folder / f".{results.FILE}.lock").unlink()


def _finish(folder: Path, rows: list[Row]) -> None:
    records = results.read_results(folder)
    failed = [row for row in rows if records[row.output.name]["state"] != results.DONE]
    print(f"\nedited clips: {folder}\ntable:        {folder / results.FILE}")
    if not failed:
        return
    names = ", ".join(row.name for row in failed[:5]) + (", ..." if len(failed) > 5 else "")
    raise ValueError(
        f"{len(failed)} of {len(rows)} edits failed ({names}); {folder / results.FILE} says why. "
        "Mend them and go on with --resume"
    )

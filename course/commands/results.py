"""The table that a folder of edits leaves, ``results.csv``: what was asked, what came of it.

It is also what ``--resume`` reads: an edit is finished if its line says so, with the same prompts
and settings, and its files are there and younger than its clip.
"""

from __future__ import annotations

import csv
import io
import json
from argparse import Namespace
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from course.files import safe_output

from .outputs import edit_files
from .table import Row

FILE = "results.csv"
DONE, FAILED, TAKEN, WAITING = "done", "failed", "taken", "waiting"
"""The states of an edit; taken: the files at its place are not this run's, and stay."""
_ASKED = ("clip", "source", "target", "output")
_KEPT = ("state", "seconds", "note", "settings")
_NO_SETTINGS = {
    "command", "run", "clip", "clips", "prompts", "source", "target", "output", "overwrite",
    "resume", "quiet", "device", "decode_chunk", "checkpointing",
}  # fmt: skip

Record = dict[str, str]


def settings_of(options: Namespace, chosen: Mapping[str, object] | None = None) -> str:
    """Return the options that change an edit, as one text that can be compared.

    chosen: what those that were not typed come to, by the names of the options.
    """
    kept = {k: v for k, v in vars(options).items() if k not in _NO_SETTINGS}
    return json.dumps(dict(sorted((kept | dict(chosen or {})).items())), default=str)


def new_record(row: Row, settings: str) -> Record:
    """Return the line of an edit that was not made yet."""
    asked = (row.name, row.source, row.target, row.output.name)
    return dict(zip(_ASKED, asked)) | {"state": WAITING, "settings": settings}


def read_results(folder: Path) -> dict[str, Record]:
    """Return the lines of an earlier run by the name of their output; none: there was no run.

    Raises ValueError for a file of that name that is no such table.
    """
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        records = list(csv.DictReader(io.StringIO(path.read_text("utf-8"), newline="")))
        return {record["output"]: record | {"state": record["state"]} for record in records}
    except (UnicodeDecodeError, csv.Error, KeyError) as error:
        raise ValueError(
            f"{path} is no table of an earlier run; choose another --output"
        ) from error


def write_results(folder: Path, records: Mapping[str, Record]) -> None:
    """Write all lines, whole or not at all; figures that no edit has get no column."""
    figures = [name for record in records.values() for name in record]
    columns = list(dict.fromkeys([*_ASKED, *_KEPT, *figures]))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records.values())
    with safe_output(folder / FILE) as file:
        file.write(text.getvalue().encode())


def change_result(folder: Path, name: str, **changes: str) -> None:
    """Change the line of one output, while no other process does."""
    from filelock import FileLock

    with FileLock(folder / f".{FILE}.lock"):
        records = read_results(folder)
        records[name] |= changes
        write_results(folder, records)


def figures_of(output: Path) -> Record:
    """Return the figures of an edit from the file beside it."""
    values = json.loads(output.with_name(f"{output.stem}_metrics.json").read_text())["metrics"]
    return {name: "" if value is None else f"{value:.6g}" for name, value in values["edit"].items()}


def is_ours(row: Row, records: Mapping[str, Record]) -> bool:
    """Return whether what stands at the place of an edit was written by the run of these lines."""
    record = records.get(row.output.name)
    return record is not None and record["state"] != TAKEN


def is_finished(row: Row, record: Record | None, settings: str, *, reconstruction: bool) -> bool:
    """Return whether an edit was made before, as it is asked for now."""
    wanted = new_record(row, settings)
    if record is None or record["state"] != DONE:
        return False
    if any(record[name] != wanted[name] for name in (*_ASKED, "settings")):
        return False
    with suppress(OSError):  # one of the files is missing
        times = [f.stat().st_mtime for f in edit_files(row.output, reconstruction=reconstruction)]
        return min(times) >= row.clip.stat().st_mtime
    return False


def other_settings(records: Mapping[str, Record], settings: str) -> str:
    """Return how the settings of finished edits differ from those of now, or ""."""
    now = json.loads(settings)
    for record in records.values():
        before = _settings(record)
        names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
        if record["state"] == DONE and names:
            return ", ".join(
                f"--{name.replace('_', '-')} {before.get(name)}, now {now.get(name)}"
                for name in names
            )
    return ""


def _settings(record: Record) -> dict[str, object]:
    with suppress(ValueError, KeyError):
        settings = json.loads(record["settings"])
        return settings if isinstance(settings, dict) else {}
    return {}

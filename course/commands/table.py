"""The table of ``edit --prompts``: a clip, what it shows and what it should show, a line each."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from course.files import check_input

from .outputs import edit_files
from .values import is_wordless

COLUMNS = ("clip", "source", "target")
MAY_BE = ("output",)
_DELIMITERS = (",", ";", "\t")  # what spreadsheets write, by country
_LISTED = 5  # more faults than these would be no line to read


@dataclass(frozen=True)
class Row:
    """One edit: its line, the clip by name and path, both prompts, and the mp4 to write."""

    line: int
    name: str
    clip: Path
    source: str
    target: str
    output: Path


def read_table(path: Path, clips: Path, output: Path) -> list[Row]:
    """Read the table of edits for a folder of clips; results go into the folder `output`.

    Raises ValueError or OSError for a table that cannot be read, and names the lines where a clip
    is not in the folder, a text is missing, or two lines would write one file.
    """
    if not clips.is_dir():
        raise NotADirectoryError(f"--clips {clips} is no folder; wanted the folder of the clips")
    records = list(_records(path))
    if not records:
        raise ValueError(f"{path} has no line below its header; wanted one for each edit")
    rows, faults = [], []
    for line, record in records:
        try:
            rows.append(_row(line, record, clips, output))
        except (ValueError, OSError) as error:
            faults.append(f"line {line}: {error}")
    if not faults:
        faults = list(_collisions(rows))
    if faults:
        more = f"; and {len(faults) - _LISTED} more" if len(faults) > _LISTED else ""
        raise ValueError(f"{path}: {'; '.join(faults[:_LISTED])}{more}")
    return rows


def _records(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the number of each line and its cells by column."""
    try:
        text = check_input(path, "table of edits").read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 (byte {error.object[error.start]:#x} at {error.start}); save it "
            'as "CSV UTF-8"'
        ) from error
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = [name.strip().lower() for name in reader.fieldnames or ()]
        _check_columns(names, path)
        reader.fieldnames = names
        for record in reader:
            yield reader.line_num, record
    except csv.Error as error:
        raise ValueError(
            f"{path}: line {reader.line_num} is no line of a table ({error})"
        ) from error


def _check_columns(names: list[str], path: Path) -> None:
    wanted = f"wanted {', '.join(COLUMNS)} and, if you like, {', '.join(MAY_BE)}"
    if missing := [name for name in COLUMNS if name not in names]:
        found = ", ".join(names) or "nothing"
        raise ValueError(f"{path} has no column {', '.join(missing)}; {wanted}; it has {found}")
    if odd := [name for name in names if name not in COLUMNS + MAY_BE or names.count(name) > 1]:
        raise ValueError(f"{path} has a column {odd[0]!r} too many; {wanted}, each once")


def _row(line: int, record: dict[str | None, str | None], clips: Path, output: Path) -> Row:
    if None in record or any(record[name] is None for name in COLUMNS):
        raise ValueError(
            "it has not as many cells as the header; a text with a comma stands in quotation marks"
        )
    cells = {name: (record.get(name) or "").strip() for name in COLUMNS + MAY_BE}
    if empty := [name for name in COLUMNS if is_wordless(cells[name])]:
        raise ValueError(f"{', '.join(empty)} is empty")
    name = cells["output"] or Path(cells["clip"]).with_suffix(".mp4").name
    if Path(name).name != name or not name.lower().endswith(".mp4"):
        raise ValueError(f"output is {name!r}; wanted the name of an mp4 file, without a folder")
    clip = _clip(cells["clip"], clips)
    return Row(
        line,
        clip.relative_to(clips).as_posix(),
        clip,
        cells["source"],
        cells["target"],
        output / name,
    )


def _clip(name: str, clips: Path) -> Path:
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(f"clip {name} does not lie in {clips}; wanted a name inside the folder")
    path = clips / name
    if not path.exists():
        there = sorted(file.name for file in clips.iterdir() if file.is_file())
        near = difflib.get_close_matches(name, there, 1, 0)
        hint = f"; is {near[0]} meant?" if near else "; the folder is empty"
        raise ValueError(f"there is no clip {name} in {clips}{hint}")
    return check_input(path)


def _collisions(rows: list[Row]) -> Iterator[str]:
    """Yield what lines have in common and must not."""
    edits: dict[tuple[Path, str, str], int] = {}
    files: dict[str, int] = {}
    for row in rows:
        before = edits.setdefault((row.clip, row.source, row.target), row.line)
        if before != row.line:
            yield f"line {row.line} asks for the same edit as line {before}; take one of them out"
            continue
        for file in edit_files(row.output, reconstruction=True):
            before = files.setdefault(str(file).casefold(), row.line)  # some disks know no case
            if before != row.line:
                yield (
                    f"lines {before} and {row.line} would both write {file.name}; give them names "
                    "of their own in a column output"
                )
                break

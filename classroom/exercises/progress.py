"""What a learner has done, lesson by lesson: one small file that outlives the kernel.

The file lies in the user's data folder (platformdirs), or where the environment variable
STEADY_FRAMES_PROGRESS says. It is read, merged and replaced in one step under a lock, so that two
kernels do not lose each other's entries. Whatever is wrong with it, a check still works.
"""

from __future__ import annotations

import contextlib
import html
import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_data_dir

from classroom import contents
from classroom.exercises.exercise import Exercise

VARIABLE = "STEADY_FRAMES_PROGRESS"
_WAIT = 2.0  # seconds for another kernel to finish writing
_WORDS = {"passed": "done", "failed": "tried"}
_STATES = ("done", "tried", "open")


def progress_file() -> Path:
    """Return where progress is kept; a folder in STEADY_FRAMES_PROGRESS gets a file in it."""
    chosen = os.environ.get(VARIABLE)
    path = Path(chosen).expanduser() if chosen else Path(user_data_dir("steady-frames", False))
    return path / "progress.json" if not chosen or path.is_dir() else path


def record(name: str, state: str) -> str:
    """Note the result of a check; return "" or, where it could not be kept, a sentence saying so.

    Done stays done: a later try that fails does not take it away. A file that cannot be read as
    progress is set aside beside the new one.
    """
    if state not in _WORDS:
        return ""
    path, note = progress_file(), ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path):
            try:
                entries = _read(path)
            except ValueError:
                aside = path.with_name(f"{path.name}.unreadable")
                os.replace(path, aside)
                entries, note = {}, f"The old progress could not be read; it is now {aside}."
            done = entries.get(name) == "done"
            _write(path, {**entries, name: "done" if done else _WORDS[state]})
    except (OSError, Timeout) as error:
        return f"Your progress was not saved in {path}: {_reason(error)}. Checks work all the same."
    return note


def reset_progress() -> None:
    """Forget all progress. Raises OSError where the file cannot be removed."""
    path = progress_file()
    if path.exists():
        with _locked(path):
            path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Progress:
    """Rows (lesson, exercise name, title, state), the state "done", "tried" or "open".

    The lesson `here` is shown exercise by exercise, every other one in a line.
    """

    rows: tuple[tuple[str, str, str, str], ...]
    note: str = ""
    here: str = ""

    @property
    def done(self) -> int:
        """How many exercises are done."""
        return sum(state == "done" for *_, state in self.rows)

    def __repr__(self) -> str:
        lines = [self._headline(), *([self.note] if self.note else [])]
        for lesson, rows in self._lessons().items():
            lines.append(f"{_spoken(lesson)}: {_count(rows)}")
            if lesson == self.here:
                lines += [f"  {state:5}  {title} ({name})" for _, name, title, state in rows]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        cell = 'style="text-align: left; padding: 0.15em 1em 0.15em 0"'
        parts = [f'<caption style="text-align: left">{html.escape(self._headline())}</caption>']
        parts.append(f'<tr><th {cell} scope="col">Exercise</th><th {cell} scope="col">State</th>')
        for lesson, rows in self._lessons().items():
            head = html.escape(f"{_spoken(lesson)}: {_count(rows)}")
            parts.append(f'<tr><th {cell} scope="colgroup" colspan="2">{head}</th></tr>')
            for _, _, title, state in rows if lesson == self.here else ():
                word = f"<strong>{state}</strong>" if state == "done" else state
                parts.append(f"<tr><td {cell}>{html.escape(title)}</td><td {cell}>{word}</td></tr>")
        note = f"<p>{html.escape(self.note)}</p>" if self.note else ""
        style = "color: inherit; background: transparent; border-collapse: collapse"
        return f'<div><table style="{style}">{"".join(parts)}</table>{note}</div>'

    def _headline(self) -> str:
        return f"Your progress: {self.done} of {len(self.rows)} exercises done"

    def _lessons(self) -> dict[str, list]:
        found: dict[str, list] = {}
        for row in self.rows:
            found.setdefault(row[0], []).append(row)
        return found


def progress_of(exercises: Iterable[Exercise], here: str = "") -> Progress:
    """Return the progress through these exercises, in their order, as seen from a lesson."""
    entries, note, path = {}, "", progress_file()
    try:
        entries = _read(path)
    except ValueError:
        note = f"{path} cannot be read as progress; the next check starts a new file."
    except OSError as error:
        note = f"{path} cannot be read: {_reason(error)}."
    rows = [
        (each.lesson, each.name, each.title, entries.get(each.name, "open")) for each in exercises
    ]
    return Progress(tuple(rows), note, here)


@contextlib.contextmanager
def _locked(path: Path):
    with FileLock(path.with_name(f"{path.name}.lock"), timeout=_WAIT):
        yield


def _read(path: Path) -> dict[str, str]:
    """Return the entries, {} where there is no file. Raises ValueError for other content."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    entries = content.get("exercises") if isinstance(content, dict) else None
    if not isinstance(entries, dict) or not all(state in _STATES for state in entries.values()):
        raise ValueError(f"{path} holds no progress")
    return entries


def _write(path: Path, entries: dict[str, str]) -> None:
    """Replace the file in one step: a reader sees the old one or the new one, whole."""
    text = json.dumps({"version": 1, "exercises": entries}, indent=1, sort_keys=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _reason(error: OSError) -> str:
    if isinstance(error, Timeout):
        return "another program holds it"
    return error.strerror or str(error)


def _spoken(lesson: str) -> str:
    title = contents.titles().get(lesson)
    return f"Lesson {title}" if title else lesson


def _count(rows: list) -> str:
    return f"{sum(state == 'done' for *_, state in rows)} of {len(rows)} done"

"""What a command may write: looked at before the work, so that an hour of it is not lost."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from course.files import check_output, longest_name


def check_mp4(path: Path, option: str = "--output") -> None:
    """Raise ValueError for a name that does not end in .mp4."""
    if path.suffix.lower() != ".mp4":
        raise ValueError(f"{option} is {path}; wanted a name that ends in .mp4")


def check_folder(path: Path, option: str) -> Path:
    """Return the nearest folder above a path that exists; raise where it cannot be written."""
    folder = path.absolute().parent
    while not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        what = "a link that leads nowhere" if not folder.exists() else "a file, no folder"
        raise NotADirectoryError(f"{folder} is {what}; choose another {option}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{folder} cannot be written; choose another {option}")
    return folder


class Taken(ValueError):
    """A file that is to be written is somebody else's, or another run is writing it."""


def check_outputs(
    files: Iterable[Path],
    *,
    inputs: Mapping[str, Path | None] | None = None,
    overwrite: bool = False,
    option: str = "--output",
) -> None:
    """Raise ValueError or OSError unless every file can be written and overwrites nothing.

    Taken, a ValueError, says that a file is there already.

    inputs: files that must never be written, by what they are. overwrite: whether others may be.
    """
    there = []
    for file in files:
        folder = check_folder(file, option)
        if file.parent.exists():
            check_folder(check_output(file), option)  # a link may lead elsewhere
        _check_length(file, folder)
        for name, path in (inputs or {}).items():
            if path is not None and _same(file, path):
                raise ValueError(f"{option} would write over {name}, {path}; choose another name")
        there += [file] if file.exists() else []
    if there and not overwrite:
        names = ", ".join(str(file) for file in there)
        exist = "exists" if len(there) == 1 else "exist"
        raise Taken(f"{names} {exist} already; choose another {option} or add --overwrite")


def _check_length(file: Path, folder: Path) -> None:
    longest = longest_name(folder)
    for part in file.absolute().relative_to(folder).parts:
        if len(os.fsencode(part)) > longest:
            raise OSError(
                errno.ENAMETOOLONG,
                f"{file} has a name of {len(os.fsencode(part))} letters; at most {longest} fit "
                "there. Choose a shorter --output",
            )


def _same(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)
    except OSError:  # one of them does not exist
        return False


def check_room(path: Path, n_bytes: int, option: str = "--output") -> None:
    """Raise OSError unless the disk has room for the results."""
    folder = check_folder(Path(os.path.realpath(path)), option)
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise OSError(
            errno.ENOSPC,
            f"{folder} has {free / 2**20:.1f} MiB of free room and the results may take "
            f"{n_bytes / 2**20:.1f}; free some, or choose another {option}",
        )


def edit_files(output: Path, *, reconstruction: bool) -> list[Path]:
    """Return the files that an edit writes beside its clip."""
    endings = ["_sheet.png", "_metrics.json", "_metrics.md", "_similarity.png"]
    endings += ["_reconstruction.mp4"] if reconstruction else []
    return [output, *(output.with_name(output.stem + ending) for ending in endings)]


def is_first_process() -> bool:
    """Return whether this is the process that writes: the first of those that were launched."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def claimed(path: Path, option: str = "--output") -> Iterator[None]:
    """Keep other runs on this machine away from an output while the block runs.

    Raises Taken, a ValueError, where another run has it.
    """
    from filelock import FileLock, Timeout

    name = hashlib.sha256(os.path.realpath(path).encode(errors="surrogateescape")).hexdigest()
    user = os.getuid() if hasattr(os, "getuid") else ""  # Windows has a folder for each user
    lock = FileLock(Path(tempfile.gettempdir()) / f"steady-frames-{user}-{name[:32]}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise Taken(f"another run is writing {path} now; choose another {option}") from error
    try:
        yield
    finally:
        with suppress(OSError):
            os.unlink(lock.lock_file)
        lock.release()


@contextmanager
def telling_what_is_there(files: Iterable[Path]) -> Iterator[None]:
    """Add to an error of the block which of the files were written before it."""
    files = list(files)
    before = {file: _written(file) for file in files}
    try:
        yield
    except OSError as error:
        new = [str(file) for file in files if _written(file) != before[file]]
        told = f"; these were written before it: {', '.join(new)}" if new else ""
        raise OSError(error.errno, f"{error.strerror or error}{told}") from error


def _written(file: Path) -> int | None:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return None

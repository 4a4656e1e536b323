"""What was computed for the site, kept until the lesson, the course or its version changes.

An entry's name ends in a digest of everything that it was made from. Only the newest entry of a
name stays.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import course
from course.files import safe_output

_CODE = ("course", "classroom/display", "classroom/exercises")
"""What runs when a lesson runs, beside the lesson itself."""


def digest(root: Path, paths: Iterable[str], *texts: str) -> str:
    """Return a digest of the package's version, of texts, and of files and folders under `root`.

    Files that Python makes do not count. Raises FileNotFoundError for a path that is not there.
    """
    found = hashlib.sha256(course.__version__.encode())
    for text in texts:
        found.update(text.encode() + b"\0")
    for path in (root / name for name in (*_CODE, *paths)):
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing: a site is built in a clone")
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                found.update(file.relative_to(root).as_posix().encode() + b"\0")
                found.update(file.read_bytes())
    return found.hexdigest()[:16]


class Cache:
    """A folder of JSON files, each named after what it holds and what that was made from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, name: str, key: str, make: Callable[[], object]) -> object:
        """Return what was kept under this name and key, else make it, keep it and return it.

        An entry that cannot be read is made again.
        """
        path = self.folder / f"{name}-{key}.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            value = make()
        self.folder.mkdir(parents=True, exist_ok=True)
        for old in self.folder.glob(f"{name}-{'?' * len(key)}.json"):
            old.unlink(missing_ok=True)  # another build may have been here
        with safe_output(path) as file:
            file.write(json.dumps(value, ensure_ascii=False).encode())
        return value

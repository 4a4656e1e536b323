"""Run a lesson for its page: once, offline, on two cores, within its own limit."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from classroom.builder.measure import two_cores_offline
from classroom.builder.notebook import as_text
from classroom.builder.source import Lesson
from classroom.site.cache import Cache, digest

if TYPE_CHECKING:
    from nbformat import NotebookNode


def ran(
    cache: Cache,
    root: Path,
    lesson: Lesson,
    notebook: NotebookNode,
    *,
    patience: float = 1.0,
    say: Callable[[str], object] = lambda line: None,
) -> NotebookNode:
    """Return the notebook of a lesson as it ran, from the cache where nothing of it has changed.

    Raises ValueError as `run` does.
    """
    import nbformat

    def make() -> dict:
        say(f"running {lesson.slug}")
        return run(notebook, lesson.slug, patience=patience)

    key = digest(root, [f"lessons/{lesson.name}"], as_text(notebook))
    return nbformat.from_dict(cache.get(f"run-{lesson.name}", key, make))


def run(notebook: NotebookNode, name: str, *, patience: float = 1.0) -> NotebookNode:
    """Return a copy of a notebook with the outputs of all its cells.

    The notebook's `limit_seconds` holds for the whole run, as in the tests; `patience` multiplies
    it, for a machine that is busy with other things. Nothing is kept of the run but its outputs:
    it has a folder and a progress of its own. Raises ValueError, with the name, for a cell that
    raises and for a run that is too slow.
    """
    from copy import deepcopy

    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    copy = deepcopy(notebook)
    limit = copy.metadata["steady_frames"]["limit_seconds"] * patience
    end = time.monotonic() + limit
    with tempfile.TemporaryDirectory() as folder, two_cores_offline():
        client = NotebookClient(
            copy,
            timeout_func=lambda cell: max(1, math.ceil(end - time.monotonic())),
            resources={"metadata": {"path": folder}},
            store_widget_state=False,
        )
        try:
            client.execute()
        except CellTimeoutError as error:
            raise ValueError(_too_slow(name, limit)) from error
        except (CellExecutionError, DeadKernelError) as error:
            last = str(error).strip().splitlines()[-1]
            raise ValueError(f"{name} does not run to its end: {last}") from error
        except AssertionError as error:
            if client.km is not None:
                raise
            raise KeyboardInterrupt from error  # at Ctrl+C nbclient ends the kernel, then misses it
    if time.monotonic() > end:
        raise ValueError(_too_slow(name, limit))
    return copy


def _too_slow(name: str, limit: float) -> str:
    return (
        f"{name} takes more than its {limit:g} seconds; on a busy machine give it more: "
        "python -m classroom site --patience 3"
    )

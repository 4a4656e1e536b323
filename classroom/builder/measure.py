"""Run the solutions, and write what each lesson takes on two CPU cores."""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import classroom
from classroom.builder.build import MEASURED, build, read_lessons, read_measured
from classroom.builder.source import Lesson
from course.files import safe_output

if TYPE_CHECKING:
    from nbformat import NotebookNode

CORES = 2
_PATIENCE = 600  # seconds for one cell; the limit of a lesson is a test's business
_PEAK = """import resource, sys
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak if sys.platform == "darwin" else 1024 * peak)
"""


def measure(
    names: Iterable[str] = (), root: Path | None = None, *, known: Iterable[str] | None = None
) -> Iterator[tuple[str, dict]]:
    """Run the solutions of lessons, yield slug and measurement of each, and build again.

    `names` are slugs, names or their beginnings ("02", "temporal"); without any, all lessons run,
    and entries of lessons that are gone are dropped. Each runs in a fresh kernel, offline, on two
    cores; the seconds include the start of the kernel, the memory is the kernel's peak. The results
    go to `lessons/measured.json`, from which the first cell of a notebook is made.

    Raises ValueError for a name that no lesson has, for a cell that raises, and for a picture that
    a cell shows without alt text; lessons measured before that one keep their results.
    """
    root = Path(classroom.__file__).parents[1] if root is None else Path(root)
    names, known = list(names), None if known is None else list(known)
    build(root, known=known)
    lessons, measured = read_lessons(root), read_measured(root)
    for name in names:
        if not any(_is_meant(name, lesson) for lesson in lessons.values()):
            raise ValueError(f"no lesson begins with {name!r}; there are {', '.join(lessons)}")
    known_names = {lesson.name for lesson in lessons.values()}
    results = {name: result for name, result in measured.items() if name in known_names}
    try:
        for slug, lesson in lessons.items():
            if not names or any(_is_meant(name, lesson) for name in names):
                results[lesson.name] = _run(root / "solutions" / f"{slug}.ipynb")
                yield slug, results[lesson.name]
    finally:
        with safe_output(root / "lessons" / MEASURED) as file:
            file.write((json.dumps(results, indent=1, sort_keys=True) + "\n").encode())
        build(root, known=known)


def _is_meant(name: str, lesson: Lesson) -> bool:
    return lesson.slug.startswith(name) or lesson.name.startswith(name)


def _run(path: Path) -> dict:
    """Return the seconds and the peak memory of a run of all cells, each rounded up."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(_PEAK))
    client = NotebookClient(
        notebook, timeout=_PATIENCE, resources={"metadata": {"path": str(path.parent)}}
    )
    start = time.perf_counter()
    try:
        with two_cores_offline():
            client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        last = str(error).strip().splitlines()[-1]
        raise ValueError(f"solutions/{path.name} does not run to its end: {last}") from error
    seconds = time.perf_counter() - start
    _refuse_bare_pictures(notebook, path)
    peak = int(notebook.cells[-1].outputs[0].text)
    return {"seconds": math.ceil(seconds), "memory_mib": math.ceil(peak / 2**20)}


def _refuse_bare_pictures(notebook: NotebookNode, path: Path) -> None:
    """Refuse what only a run can tell: a picture among the outputs that has no alt text."""
    for cell in notebook.cells:
        for data in (output.get("data", {}) for output in cell.get("outputs", [])):
            html = "".join(data.get("text/html", ""))
            bare = re.search(r"<img\b(?![^>]*\balt=\"[^\"])", html)
            if bare or any(kind.startswith("image/") for kind in data):
                first = cell.source.splitlines()[0]
                raise ValueError(
                    f"solutions/{path.name}: the cell that begins with {first!r} shows a picture "
                    "without alt text; show it with classroom.display.show"
                )


@contextmanager
def two_cores_offline() -> Iterator[None]:
    """Let kernels that start meanwhile have two cores, no hub, and no part in one's progress."""
    folder = tempfile.TemporaryDirectory()
    settings = {
        "STEADY_FRAMES_PROGRESS": folder.name,
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "OMP_NUM_THREADS": str(CORES),
    }
    before = {name: os.environ.get(name) for name in settings}
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    os.environ.update(settings)
    if cores:
        os.sched_setaffinity(0, sorted(cores)[:CORES])
    try:
        yield
    finally:
        folder.cleanup()
        if cores:
            os.sched_setaffinity(0, cores)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})

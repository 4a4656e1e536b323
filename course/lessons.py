"""Lessons to notebooks: `lessons/NN_slug.md` is edited, `notebooks/NN_slug.ipynb` is generated.

A lesson is a MyST Markdown notebook, which jupytext reads. Its front matter says what a learner
wants to know first (title, minutes, objectives, sections of the paper, prerequisites); the first
cell of the notebook is made from it, so that nothing is written twice.
"""

from __future__ import annotations

import re
from pathlib import Path

import course
from course.clips.video import safe_output

_NAME = re.compile(r"\d\d_[a-z0-9_]+")
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
_FIELDS = {
    "title": str,
    "minutes": int,
    "objectives": list,
    "paper": str,
    "prerequisites": list,
    "limit_seconds": int,
}
"""What the front matter must say under `steady_frames`, and its type."""


def build(root: Path | None = None, *, check: bool = False) -> list[Path]:
    """Write `notebooks/` from `lessons/` under `root`; return the files that changed.

    `root` defaults to the folder that holds the package. With `check` nothing is written and the
    files that are out of date are returned. A notebook whose lesson is gone is out of date too,
    and is removed. The same lesson gives the same bytes. Each file appears whole or not at all.

    Raises FileNotFoundError without a folder of lessons, ValueError, with the file's name, for a
    lesson that is named or introduced otherwise than the course wants. All lessons are read before
    anything is written.
    """
    root = Path(course.__file__).parents[1] if root is None else Path(root)
    lessons = sorted((root / "lessons").glob("*.md"))
    if not lessons:
        raise FileNotFoundError(
            f"{root / 'lessons'} holds no lessons; build in a clone of the repository"
        )
    folder = root / "notebooks"
    wanted = {folder / f"{lesson.stem}.ipynb": _notebook(lesson).encode() for lesson in lessons}
    changed = [path for path, data in wanted.items() if not _holds(path, data)]
    orphans = [path for path in sorted(folder.glob("*.ipynb")) if _is_orphan(path, wanted)]
    if not check:
        folder.mkdir(exist_ok=True)
        for path in changed:
            with safe_output(path) as file:
                file.write(wanted[path])
        for path in orphans:
            path.unlink()
    return changed + orphans


def _notebook(lesson: Path) -> str:
    """Return the notebook of a lesson as the text of an .ipynb file."""
    import jupytext
    import nbformat

    if not _NAME.fullmatch(lesson.stem):
        raise ValueError(f"{lesson} must be named like 02_temporal_loss.md")
    source = jupytext.read(lesson, fmt="md:myst")
    facts = _facts(lesson, source.metadata.get("steady_frames"))
    slug = lesson.stem.replace("_", "-")
    cells = [nbformat.v4.new_markdown_cell(_introduction(facts)), *source.cells]
    for number, cell in enumerate(cells):
        cell.id = f"{slug}-{number:02d}"  # nbformat draws ids at random otherwise
        cell.source = cell.source.strip("\n")
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    metadata = {
        "_source": f"generated from lessons/{lesson.name}; edit there, then python -m course build",
        "kernelspec": _KERNEL,
        "language_info": {"name": "python"},
        "steady_frames": facts,
    }
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    notebook.nbformat_minor = 5  # the first with cell ids
    nbformat.validate(notebook)
    return nbformat.writes(notebook, version=4).rstrip("\n") + "\n"


def _facts(lesson: Path, found: object) -> dict:
    """Return the front matter's `steady_frames` block, checked."""
    facts = dict(found) if isinstance(found, dict) else {}
    for name, kind in _FIELDS.items():
        if not isinstance(facts.get(name), kind) or facts[name] == "":
            raise ValueError(
                f"{lesson}: the front matter needs steady_frames: {name}, a {kind.__name__}; "
                f"found {facts.get(name)!r}"
            )
    unknown = sorted(set(facts) - set(_FIELDS))
    if unknown or not facts["objectives"]:
        problem = f"does not know {', '.join(unknown)}" if unknown else "needs objectives"
        raise ValueError(f"{lesson}: the steady_frames block of the front matter {problem}")
    return facts


def _introduction(facts: dict) -> str:
    """Return the first cell: what the lesson is about, what it takes, what comes of it."""
    needs = "; ".join(facts["prerequisites"]) or "nothing"
    objectives = "\n".join(f"- {objective}" for objective in facts["objectives"])
    return (
        f"# {facts['title']}\n\n"
        f"**Time:** about {facts['minutes']} minutes. "
        f"**Runs in:** under {facts['limit_seconds']} seconds on two CPU cores.  \n"
        f"**In the paper:** {facts['paper']}  \n"
        f"**You need:** {needs}\n\n"
        f"After this lesson you can\n\n{objectives}"
    )


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data


def _is_orphan(path: Path, wanted: dict[Path, bytes]) -> bool:
    """Tell whether a notebook was generated, under this name, from a lesson that is gone."""
    mark = f"generated from lessons/{path.stem}.md;".encode()
    return path not in wanted and mark in path.read_bytes()

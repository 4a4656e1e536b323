"""Notebooks that somebody saved: their answers are kept, and only the course's text is compared.

A generated notebook carries the hash of its own text. Where the hash no longer fits, somebody has
saved the notebook, and what they wrote in it is theirs: no build writes over it unless told to.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbformat import NotebookNode

HASH = "generated_sha256"
"""Where the hash stands in the metadata, beside what the lesson says of itself."""


def sealed(notebook: NotebookNode) -> NotebookNode:
    """Write the hash of a notebook's content into its metadata; return it."""
    notebook.metadata["steady_frames"][HASH] = _hash(notebook)
    return notebook


def holds_work(path: Path) -> bool:
    """Tell whether a notebook on the disk is other than a build has left it."""
    notebook = _read(path)
    if notebook is None:
        return path.is_file()
    seal = notebook.get("metadata", {}).get("steady_frames", {}).get(HASH)
    return seal != _hash(notebook)


def was_saved(path: Path) -> bool:
    """Tell whether a notebook holds work, or a kernel has at least left its traces in it."""
    notebook = _read(path) or {}
    ran = any(cell.get("execution_count") for cell in notebook.get("cells", []))
    met = "version" in notebook.get("metadata", {}).get("language_info", {})
    return ran or met or holds_work(path)


def says_the_same(path: Path, wanted: bytes) -> bool:
    """Tell whether a saved notebook has the course's cells as they are now, whatever was added.

    Outputs, answers and cells of the learner's own do not count.
    """
    saved = _read(path)
    if saved is None:
        return False
    found = dict(_texts(saved))
    return all(found.get(name) == text for name, text in _texts(json.loads(wanted)))


def _texts(notebook: dict) -> list[tuple[str, str]]:
    """Return id and source of the cells that the course wrote, answers left out."""
    cells = notebook.get("cells", [])
    return [
        (cell.get("id", ""), "".join(cell["source"]))
        for cell in cells
        if "exercise" not in cell["metadata"].get("tags", [])
    ]


def _hash(notebook: dict) -> str:
    """Return the hash of what a reader would write or run: cells, and what the lesson says."""
    facts = dict(notebook.get("metadata", {}).get("steady_frames", {}))
    facts.pop(HASH, None)
    cells = [
        {
            "source": "".join(cell["source"]),
            "kind": cell["cell_type"],
            "outputs": len(cell.get("outputs", ())),
        }
        for cell in notebook.get("cells", [])
    ]
    text = json.dumps([facts, cells], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _read(path: Path) -> dict | None:
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        return notebook if isinstance(notebook.get("cells"), list) else None
    except (OSError, ValueError, AttributeError):
        return None

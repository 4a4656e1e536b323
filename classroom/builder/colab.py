"""The cell at the head of a notebook that installs the course in Google Colab, and nowhere else.

Where the repository stands on the web is one setting, `[tool.steady-frames] repository` in
`pyproject.toml`. While it is empty there are no buttons, and the cell installs a wheel that was
uploaded beside the notebook. A folder without the setting (a test's) gets no cell.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbformat import NotebookNode

TAGS = ["colab", "remove-cell"]
"""Of the cell; a site leaves cells with the second one out by itself."""

KEPT = ("torch", "numpy", "ipython")
"""What Colab brings and must stay as it is: pip is told to want the versions that are there."""

_CELL = """# In Google Colab this cell installs the course. Anywhere else it does nothing.
{imports}

if "google.colab" in sys.modules and importlib.util.find_spec("course") is None:
    kept = [f"{{name}}=={{importlib.metadata.version(name)}}" for name in {kept}]
    source = {source}
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", *source, *kept], check=True)"""
_IMPORTS = ("importlib.metadata", "importlib.util", "subprocess", "sys")
_WHEEL = """glob.glob("steady_frames-*.whl")
    assert source, "Upload the course's wheel, steady_frames-*.whl, to Colab's files first.\""""


def repository(root: Path) -> str:
    """Return the address of the repository that `pyproject.toml` sets, "" where it is not known.

    Raises ValueError for what is no address.
    """
    found = _settings(root).get("repository", "")
    if found and not re.fullmatch(r"https://[\w.-]+/[\w./-]+", found):
        raise ValueError(
            f"pyproject.toml: [tool.steady-frames] repository is {found!r}; wanted an address such "
            'as "https://example.org/name/steady-frames", or "" while there is none'
        )
    return found.rstrip("/")


def has_setting(root: Path) -> bool:
    """Tell whether a folder has the setting at all, empty or not."""
    return "repository" in _settings(root)


def colab_code(address: str) -> str:
    """Return the code of the cell: it installs from `address`, or without one from a wheel."""
    source = f'["git+{address}"]' if address else _WHEEL
    names = _IMPORTS if address else ("glob", *_IMPORTS)
    imports = "\n".join(f"import {name}" for name in names)
    return _CELL.format(imports=imports, kept=str(KEPT).replace("'", '"'), source=source)


def buttons(address: str, path: str) -> str:
    """Return a line of Markdown with links that open a notebook, "" where there is no place to.

    `path` is the notebook's, from the root. Colab and Binder know GitHub; elsewhere none is made.
    """
    found = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+)", address)
    if not found:
        return ""
    colab = f"https://colab.research.google.com/github/{found[1]}/blob/main/{path}"
    binder = f"https://mybinder.org/v2/gh/{found[1]}/main?urlpath=lab/tree/{path}"
    return f"Open this notebook in [Google Colab]({colab}) or on [Binder]({binder})."


def with_colab(notebook: NotebookNode, root: Path, path: str) -> NotebookNode:
    """Return a notebook with its cell for Colab under the title, and buttons where they lead on.

    The other cells keep their ids, by which saved work is known.
    """
    import nbformat

    if not has_setting(root):
        return notebook
    address = repository(root)
    cell = nbformat.v4.new_code_cell(colab_code(address), metadata={"tags": list(TAGS)})
    cell.id = notebook.cells[0].id.removesuffix("-00") + "-colab"
    cell.metadata["jupyter"] = {"source_hidden": True}
    notebook.cells.insert(1, cell)
    if line := buttons(address, path):
        notebook.cells[0].source += f"\n\n{line}"
    return notebook


def _settings(root: Path) -> dict:
    path = root / "pyproject.toml"
    if not path.is_file():
        return {}
    return tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("steady-frames", {})

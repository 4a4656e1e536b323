"""What a cell showed, made fit for a page: files for pictures, MathJax for formulas, no widgets."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from classroom.site.pictures import Pictures

if TYPE_CHECKING:
    from nbformat import NotebookNode

_WIDGET = "application/vnd.jupyter.widget-view+json"
_KINDS = ("text/html", "text/markdown", "text/latex", "text/plain")
"""What is shown of an output, the first of these that it has."""

_TAG = re.compile(r"(<[^>]*>)")
_FORMULA = re.compile(r"\$([^$]+)\$")
_VERBATIM = re.compile(r"<(/?)(pre|code|script|style)\b", re.I)


def cleaned(outputs: Sequence[NotebookNode], pictures: Pictures, where: str) -> list[NotebookNode]:
    """Return the outputs of a cell as a page shows them, pictures as files seen from `where`.

    Progress bars and other widgets, which move nothing here, and standard error are left out.
    Raises ValueError for an output that names a folder of this machine.
    """
    joined = _joined(outputs)
    return [found for output in joined for found in _cleaned(output, pictures, where)]


def _joined(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
    """Put what was printed in pieces together, as a progress bar is."""
    found: list[NotebookNode] = []
    for output in outputs:
        last = found[-1] if found else {}
        if output.output_type == "stream" and last.get("name") == output.name == "stdout":
            found[-1] = type(output)(last | {"text": last["text"] + output.text})
        else:
            found.append(output)
    return found


def _settled(text: str) -> str:
    """Return what is left on a screen where each carriage return lets a line begin anew."""
    return "\n".join(line.rpartition("\r")[2] for line in text.split("\n"))


def _cleaned(output: NotebookNode, pictures: Pictures, where: str) -> Iterator[NotebookNode]:
    from nbformat import from_dict

    if output.output_type == "stream":
        text = _settled(output.text)
        if output.name == "stdout" and text.strip():
            refuse_own_paths(text)
            yield from_dict({"output_type": "stream", "name": "stdout", "text": text})
        return
    data = output.get("data", {})
    kind = next((kind for kind in _KINDS if kind in data), None)
    if kind is None or _WIDGET in data:
        return
    text = data[kind]
    refuse_own_paths(text)
    if kind == "text/html":
        text = pictures.taken_out(with_formulas(text), where)
    yield from_dict({"output_type": "display_data", "metadata": {}, "data": {kind: text}})


def with_formulas(markup: str) -> str:
    """Return HTML in which TeX between dollar signs, outside of code, is marked for MathJax."""
    parts, verbatim = [], 0
    for part in _TAG.split(markup):
        if found := _VERBATIM.match(part):
            verbatim += -1 if found[1] else 1
        elif not verbatim and not part.startswith("<"):
            part = _FORMULA.sub(_marked, part)
        parts.append(part)
    return "".join(parts)


def _marked(found: re.Match) -> str:
    return rf'<span class="math notranslate nohighlight">\({found[1]}\)</span>'


def refuse_own_paths(text: str) -> None:
    """Raise ValueError for a text that names a folder of the machine that builds the site."""
    root = Path(__file__).parents[2]
    for folder in {str(root), sys.prefix, tempfile.gettempdir() + "/", str(Path.home()) + "/"}:
        if folder.strip("/") and folder in text:
            line = next(line for line in text.splitlines() if folder in line)
            raise ValueError(
                f"an output names a folder of this machine, which no page should: {line.strip()!r}"
            )

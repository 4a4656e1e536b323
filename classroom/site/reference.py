"""The engineers' pages: what the packages offer, from their own docstrings."""

from __future__ import annotations

import re

GROUPS = {
    "mathematics": ("The mathematics", "What the equations say, in PyTorch and nothing else.", (
        "course.temporal", "course.bilateral", "course.diffusion", "course.recursion",
        "course.attention", "course.reachability")),
    "clips": ("Clips, measures and models", "What goes in, what comes out, and what edits it.", (
        "course.clips", "course.metrics", "course.models", "course.adapters", "course.tokens",
        "course.depth")),
    "editing": ("Editing and fine-tuning", "From a clip and two sentences to an edited clip.", (
        "course.editing", "course.finetune", "course.methods")),
    "claims": ("The ledger's claims", "What a claim is, and how it is tried.", (
        "course.claims", "course.claims.table")),
    "classroom": ("What makes a course of it", "Checks, figures, explorers and the builder.", (
        "classroom.exercises", "classroom.display", "classroom.builder", "classroom.contents")),
}  # fmt: skip
"""The pages: a title, a sentence, and the modules whose public names they list."""

_MODULES = re.compile(r"~?\b(?:[a-z_]\w*\.)+(?=[A-Z])|~(?=\w)")


def reference_pages() -> dict[str, str]:
    """Return the pages in reStructuredText, for autodoc, by their names."""
    pages = {}
    for name, (title, sentence, modules) in GROUPS.items():
        parts = [f"{title}\n{'=' * len(title)}", sentence]
        for module in modules:
            parts.append(
                f"{module}\n{'-' * len(module)}\n\n.. automodule:: {module}\n   :members:\n"
            )
        pages[name] = "\n\n".join(parts) + "\n"
    return pages


def as_text(app: object, what: str, name: str, obj: object, options: object, lines: list) -> None:
    """Make reStructuredText of a docstring that is plain text: for `autodoc-process-docstring`."""
    lines[:] = [_line(line) for line in _with_room("\n".join(lines)).splitlines()]


def short(
    app: object, what: str, name: str, obj: object, options: object, signature: str, returns: str
) -> tuple[str | None, str | None]:
    """Return a signature with the last names of its types: for `autodoc-process-signature`."""
    return tuple(text and _MODULES.sub("", text) for text in (signature, returns))


def _line(line: str) -> str:
    """Escape what reStructuredText would take for mark-up; code in back quotes stays code."""
    pieces = re.split(r"(``?[^`]+``?)", line)
    for number, piece in enumerate(pieces):
        if number % 2:
            pieces[number] = f"``{piece.strip('`')}``"
        else:
            piece = re.sub(r"([\\*|`])", r"\\\1", piece)
            pieces[number] = re.sub(r"(\w)_(?!\w)", r"\1\\_", piece)
    text = "".join(pieces)
    return re.sub(r"``(?=\w)", r"``\\ ", text) if re.search(r"`\w+``\w", text) else text


def _with_room(text: str) -> str:
    """Put an empty line before a list and behind it, and take the indent from what is no list."""
    made: list[str] = []
    in_list = False
    for line in text.splitlines():
        begins = bool(re.match(r"\s*- ", line))
        if begins and not in_list and made and made[-1].strip():
            made.append("")
        if in_list and not begins and line[:1].strip() and made[-1].strip():
            made.append("")
        in_list = begins or (in_list and (line.startswith(" ") or not line.strip()))
        made.append(line)
    return "\n".join(made)

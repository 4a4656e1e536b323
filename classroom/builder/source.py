"""Read a lesson: its front matter and its cells, each with its line in the file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from classroom.builder.markdown import Heading, headings
from classroom.contents import FILE, slug

FIELDS = {
    "title": str,
    "minutes": int,
    "objectives": list,
    "paper": str,
    "prerequisites": list,
    "limit_seconds": int,
}
"""What the front matter must say under `steady_frames`, and its type."""

_MAY_BE_EMPTY = ("prerequisites",)
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_NUMBER = re.compile(r"\{lesson:([a-z0-9_]+)\}")
_LINK = re.compile(r"\]\(([a-z][a-z0-9_]*)\.ipynb")
_QUESTION = re.compile(r"^\*\*Predict\.\*\*|^\*Ask:\*", re.M)
_TIMED = re.compile(r"(?P<title>.*\S) \((?P<minutes>[1-9]\d*) min\)")


@dataclass(frozen=True)
class Fault:
    """Something wrong with a lesson, and the line that it is in."""

    line: int
    text: str


@dataclass(frozen=True)
class Cell:
    """A cell as the author wrote it; `line` is where its first line stands, counted from 1."""

    kind: str  # "markdown", "code" or "raw"
    source: str
    metadata: dict
    line: int

    def has_tag(self, tag: str) -> bool:
        """Tell whether the author tagged the cell so."""
        tags = self.metadata.get("tags")
        return isinstance(tags, list) and tag in tags


@dataclass(frozen=True)
class Section:
    """A part of the lesson under a `##` heading; `minutes` is None where the heading has none."""

    heading: Heading
    first_cell: int
    minutes: int | None


@dataclass(frozen=True)
class Lesson:
    """A lesson that was read; `name` is its folder's, `lines` are the lines of the whole file.

    `following` is the next one in the table of contents, None for the last.
    """

    name: str
    number: int
    lines: list[str]
    facts: dict
    cells: list[Cell]
    following: Lesson | None = None

    @property
    def slug(self) -> str:
        """What its notebooks are called, without their ending."""
        return slug(self.number, self.name)

    @property
    def path(self) -> str:
        """Where it stands, from the root."""
        return lesson_path(self.name)

    def line_of(self, field: str) -> int:
        """Return the line of the front matter that sets a field, else where the block begins."""
        for wanted in (rf"\s+{field}\s*:", r"steady_frames\s*:", ""):
            for number, line in enumerate(self.lines, 1):
                if re.match(wanted, line):
                    return number
                if number > 1 and line.startswith("---"):
                    break
        return 1

    def headings(self) -> Iterator[tuple[int, Heading]]:
        """Yield the number of the cell and the heading, with its line in the file."""
        for number, cell in enumerate(self.cells):
            if cell.kind == "markdown":
                for found in headings(cell.source):
                    yield number, Heading(found.level, found.text, cell.line + found.line)

    def sections(self) -> list[Section]:
        """Return the parts under `##` headings, in order."""
        found = []
        for number, heading in self.headings():
            if heading.level == 2:
                timed = _TIMED.fullmatch(heading.text)
                found.append(Section(heading, number, int(timed["minutes"]) if timed else None))
        return found


def lesson_path(name: str) -> str:
    """Return where the text of a lesson stands, from the root."""
    return f"lessons/{name}/lesson.md"


def read_lesson(root: Path, names: Sequence[str], number: int) -> Lesson:
    """Read the lesson with this number in the table of contents. What it says is not judged yet.

    In its text {lesson:temporal_loss} becomes that lesson's number, and a link to
    temporal_loss.ipynb leads to its notebook. Raises ValueError, with file and line, for a lesson
    without text, a number that no lesson has, or a file that is no MyST Markdown notebook.
    """
    from jupytext.myst import MystMetadataParsingError, myst_to_notebook

    name = names[number]
    path = root / lesson_path(name)
    if not path.is_file():
        raise ValueError(f"lessons/{FILE}: {name} has no text; write {lesson_path(name)}")
    text = _numbered(path.read_text(encoding="utf-8"), names, lesson_path(name))
    lines = text.splitlines()
    try:
        notebook = myst_to_notebook(text, add_source_map=True)
    except MystMetadataParsingError as error:
        said = re.search(r"at line (\d+)", str(error))
        place = f"{lesson_path(name)}:{said[1] if said else 1}"
        raise ValueError(f"{place}: {' '.join(str(error).split())}") from error
    facts = notebook.metadata.get("steady_frames")
    cells = [
        Cell(c.cell_type, c.source.strip("\n"), dict(c.metadata), _first_line(c.source, lines, at))
        for c, at in zip(notebook.cells, notebook.metadata["source_map"], strict=True)
    ]
    return Lesson(name, number, lines, dict(facts) if isinstance(facts, dict) else {}, cells)


def _numbered(text: str, names: Sequence[str], path: str) -> str:
    """Put the lessons' numbers where the text names them; lines stay where they are."""

    def number(found: re.Match) -> str:
        if found[1] not in names:
            line = text[: found.start()].count("\n") + 1
            raise ValueError(f"{path}:{line}: no lesson is called {found[1]!r}")
        return f"{names.index(found[1]):02d}"

    def link(found: re.Match) -> str:
        name = found[1]
        return f"]({slug(names.index(name), name)}.ipynb" if name in names else found[0]

    return _LINK.sub(link, _NUMBER.sub(number, text))


def _first_line(source: str, lines: list[str], at: int) -> int:
    """Return the line, from 1, of a cell's first line; `at` is where its block begins, from 0."""
    first = next((line for line in source.splitlines() if line.strip()), None)
    for number in range(at, len(lines)):
        if lines[number] == first:
            return number + 1
    return min(at + 1, len(lines))


def answer_faults(lesson: Lesson) -> Iterator[Fault]:
    """Yield answers that are no text, or that stand before any question."""
    asked = False
    for cell in lesson.cells:
        asked = asked or bool(_QUESTION.search(cell.source))
        if cell.has_tag("answer"):
            if cell.kind != "markdown":
                yield Fault(cell.line, "an answer must be a Markdown cell")
            elif not asked:
                yield Fault(cell.line, "an answer must follow its **Predict.** or *Ask:*")


def front_matter_faults(lesson: Lesson) -> Iterator[Fault]:
    """Yield what is wrong with the name and the front matter of a lesson."""
    if not _NAME.fullmatch(lesson.name):
        yield Fault(1, "the folder of a lesson must be named like temporal_loss")
    if not lesson.facts:
        yield Fault(
            1,
            "the block steady_frames of the front matter is missing. Editors drop it where the "
            "header has no line 'notebook_metadata_filter: steady_frames' under jupytext; "
            f"get it back with: git checkout {lesson.path}",
        )
        return
    for field, kind in FIELDS.items():
        value = lesson.facts.get(field)
        fits = type(value) is kind and (bool(value) or field in _MAY_BE_EMPTY)
        if kind is list and fits:
            fits = all(isinstance(item, str) and item.strip() for item in value)
        if fits and kind is int:
            fits = value > 0
        if not fits:
            what = {list: "a list of texts", int: "a whole number above 0", str: "a text"}[kind]
            yield Fault(
                lesson.line_of(field),
                f"the front matter needs steady_frames: {field}, {what}; found {value!r}",
            )
    for field in sorted(set(lesson.facts) - set(FIELDS)):
        known = ", ".join(FIELDS)
        yield Fault(
            lesson.line_of(str(field)),
            f"the steady_frames block of the front matter does not know {field}; it knows {known}",
        )

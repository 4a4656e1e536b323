"""What of a lesson is shown to a room: headings, figures, questions with answers, verdicts.

Each becomes a Markdown cell with a `slide_type`, which nbconvert reads: a section goes to the
right, what belongs to it goes down. Code, exercises and their solutions are left out. A claim is
shown where the lesson first shows it, a figure once in its section.
"""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from classroom.builder.source import Lesson
from classroom.site.pictures import Pictures
from classroom.slides.shown import FIGURE, shown
from course.claims import VERDICTS, claim

if TYPE_CHECKING:
    from nbformat import NotebookNode

LONG, MOST = 420, 800
"""Characters from which a text is set smaller, and from which it goes on below."""

_SECTION = re.compile(r"^## ([^\n]+?)(?: \(\d+ min\))?(?:\n+(.*))?$", re.S)
_ASKED = re.compile(r"^(?:\*\*Predict\.\*\*|\*(?:Ask|Discuss)[:.]\*).+?(?=\n\s*\n|\Z)", re.M | re.S)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_ITEM = re.compile(r"^- .+?(?=^- |\n\s*\n|\Z)", re.M | re.S)
_FOLD = re.compile(r"</?details>|<summary>.*?</summary>")
_NOT_SHOWN = ("colab", "exercise", "check")  # tags of cells


@dataclass
class Section:
    """A section's title, its first paragraph, its points, and what is shown of it, in order.

    `asked` says whether a question waits for its answer.
    """

    title: str
    lead: str
    points: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    asked: bool = False

    def slides(self) -> list[str]:
        """Return what stands beside the heading, then what goes below it.

        Beside it stands a figure if that comes first, else the first paragraph, else a question.
        The points are shown where there is nothing else.
        """
        shown = self.shown or ([] if self.lead else self.points)
        if self.lead and not (shown and shown[0].startswith(FIGURE)):
            return [_set(self.lead, "lead"), *shown]
        return shown


def deck(lesson: Lesson, notebook: NotebookNode, pictures: Pictures) -> NotebookNode:
    """Return the slides of a lesson from its solutions notebook as it ran, as a notebook.

    A section whose first thing to see is a figure has it beside its heading.
    """
    import nbformat

    opening, *sections = _sections(notebook, pictures)
    facts = lesson.facts
    cells = [_cell("slide", _title(lesson))]
    cells += [_cell("subslide", _below(facts["title"], text)) for text in opening.shown]
    for section in sections:
        first, *below = section.slides() or [""]
        cells.append(_cell("slide", f"## {section.title}\n\n{first}"))
        cells += [_cell("subslide", _below(section.title, text)) for text in below]
    for number, cell in enumerate(cells):
        cell.id = f"slide-{number:03d}"  # the same lesson gives the same slides
    return nbformat.v4.new_notebook(cells=cells, metadata={"title": facts["title"]})


def _sections(notebook: NotebookNode, pictures: Pictures) -> list[Section]:
    found, told = [Section("", "")], set()
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if any(tag in tags for tag in _NOT_SHOWN):
            continue
        section = found[-1]
        if cell.cell_type == "code":
            pages = shown(cell, pictures, printed=section.asked)
            section.shown += [page for page in pages if page not in section.shown]
            claims = [name for name in _claims(cell.source) if name not in told]
            section.shown += [page for name in claims for page in _verdict(name)]
            told.update(claims)
        elif "answer" in tags:
            section.shown += _pages(_FOLD.sub("", cell.source), "answer", "**Answer.** ")
            section.asked = False
        elif cell.cell_type == "markdown":
            _read(cell.source, found)
    return found


def _read(text: str, found: list[Section]) -> None:
    """Take a heading, a first paragraph, points and questions from a text of the lesson."""
    if heading := _SECTION.match(text):
        found.append(Section(_plain(heading[1]), ""))
        text = heading[2] or ""
    section = found[-1]
    if not section.shown:  # what stands below a figure or a question may tell the answer
        section.lead = section.lead or _first_paragraph(text)
    if text.startswith("- ") and not section.points:
        section.points = [*_pages("\n\n".join(_ITEM.findall(text)), "points")]
    for asked in _ASKED.finditer(text):
        section.shown += _pages(asked[0], "question")
        section.asked = True


def _title(lesson: Lesson) -> str:
    facts = lesson.facts
    return (
        f"# {facts['title']}\n\n"
        f'<p class="source">Lesson {lesson.number}. In the paper: {html.escape(facts["paper"])}</p>'
    )


def _claims(code: str) -> Iterator[str]:
    """Yield the names of the claims that a cell shows, each once."""
    found = []
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Call(ast.Name("claim"), [ast.Constant(str(name))]):
                found.append(name)
    yield from dict.fromkeys(found)


def _verdict(name: str) -> Iterator[str]:
    """Yield what the paper says and the verdict on it, and below it why."""
    found = claim(name)
    said = f"**{found.title}** ({found.source})\n\n{found.statement}"
    verdict = f"\n\n**Verdict: {VERDICTS[found.verdict]}.**"
    yield from _pages(said + verdict, f"verdict {found.verdict}")
    why = f"**Why.** {found.reason}"
    if found.repaired:
        why += f"\n\n**What is true instead.** {found.repaired}"
    yield from _pages(why, f"verdict {found.verdict}")


def _pages(text: str, kind: str, begin: str = "") -> Iterator[str]:
    """Yield a text as one slide, or as several where it is long, parted between paragraphs."""
    blocks, page = re.split(r"\n\s*\n", begin + _plain(text.strip())), ""
    for block in blocks:
        if page and len(page) + len(block) > MOST:
            yield _set(page, kind)
            page = ""
        page = f"{page}\n\n{block}" if page else block
    yield _set(page, kind)


def _set(text: str, kind: str) -> str:
    long = " long" if len(text) > LONG else ""
    return f'<div class="{kind}{long}">\n\n{text}\n\n</div>' if text else ""


def _below(title: str, text: str) -> str:
    return f'<p class="where">{html.escape(title)}</p>\n\n{text}'


def _first_paragraph(text: str) -> str:
    """Return what a text begins with, and with it the list or formula that it leads to."""
    blocks = re.split(r"\n\s*\n", text.strip())
    if blocks[0][:1] in "*#|!-<>" or _ASKED.match(blocks[0]):
        return ""
    more = blocks[1] if len(blocks) > 1 else ""
    leads_on = more.startswith("- ") or not blocks[0].endswith((".", "?", "!", ")"))
    if not leads_on or _ASKED.match(more) or len(blocks[0]) + len(more) > MOST:
        more = ""
    return _plain(f"{blocks[0]}\n\n{more}".strip())


def _plain(text: str) -> str:
    """Return Markdown without links: a slide is looked at, not clicked."""
    return _LINK.sub(r"\1", text)


def _cell(kind: str, source: str) -> NotebookNode:
    import nbformat

    return nbformat.v4.new_markdown_cell(source, metadata={"slideshow": {"slide_type": kind}})

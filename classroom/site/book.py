"""All pages but the lessons' own: landing page, ledger, glossary, measurements, for whom, changes.

Texts written for the site are in `docs/site`; a line `<!-- name -->` in them is a place to fill.
The others are the repository's own files, with their links made to lead somewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from classroom.builder.colab import repository
from classroom.builder.source import Lesson
from classroom.site.links import PAGES, lesson_pages, resolved
from classroom.site.measurements import tables
from classroom.site.reference import reference_pages

TEXTS = "docs/site"
TEACHING = "teaching"
PICTURE = "docs/contact_sheet.png"
"""What the landing page shows; it stands still, as everything here."""
_PLACE = re.compile(r"^<!-- ([a-z_0-9]+) -->$", re.M)


@dataclass(frozen=True)
class Made:
    """What a build has made already: the lessons, the ledger's page and the card to begin with."""

    root: Path
    lessons: Mapping[str, Lesson]
    ledger: str
    card: str


def book(made: Made) -> dict[str, str]:
    """Return the text of each page by its path, notebooks not among them.

    Raises FileNotFoundError where a text is missing, ValueError for a place in it that nothing
    fills.
    """
    root, address = made.root, repository(made.root)
    pages = _pages(made)
    fillings = {
        "lessons": lesson_table(made.lessons),
        "lesson_list": lesson_list(made.lessons),
        "card": made.card,
        "teaching_list": _list_of_sheets(root),
        "reference_list": "\n".join(f"reference/{name}" for name in reference_pages()),
        "measured": _without_title(_text(root, "docs/measurements.md")),
        **tables(root),
    }
    found = {"ledger.md": made.ledger}
    for path in sorted((root / TEXTS).glob("*.md")):
        text = _filled(path.read_text(encoding="utf-8"), fillings, f"{TEXTS}/{path.name}")
        found[path.name] = resolved(text, path.name, path.name, pages, address)
    for file in ("CHANGELOG.md", "CONTRIBUTING.md"):
        found[PAGES[file]] = resolved(_text(root, file), file, PAGES[file], pages, address)
    for file, page in _teaching(root).items():
        found[f"{page}.md"] = resolved(_text(root, file), file, f"{page}.md", pages, address)
    return found | {f"reference/{name}.rst": text for name, text in reference_pages().items()}


def lesson_table(lessons: Mapping[str, Lesson]) -> str:
    """Return the table of lessons, with minutes, what they need and where in the paper they are."""
    lines = ["| lesson | about | minutes | you need | in the paper |", "|---|---|---:|---|---|"]
    for slug, lesson in lessons.items():
        facts = lesson.facts
        needs = "; ".join(facts["prerequisites"]) or "nothing"
        link = f"[{facts['title']}](notebooks/{slug}.ipynb)"
        lines.append(f"| {slug[:2]} | {link} | {facts['minutes']} | {needs} | {facts['paper']} |")
    return "\n".join(lines)


def lesson_list(lessons: Mapping[str, Lesson]) -> str:
    """Return the entries of the navigation, with the lessons' numbers."""
    return "\n".join(
        f"{slug[:2]} {lesson.facts['title']} <notebooks/{slug}>" for slug, lesson in lessons.items()
    )


def _pages(made: Made) -> dict[str, str]:
    own = {f"{file}": f"{page}.md" for file, page in _teaching(made.root).items()}
    texts = {path.name: path.name for path in (made.root / TEXTS).glob("*.md")}
    texts |= {page: page for page in ("ledger.md", *PAGES.values())}
    return PAGES | lesson_pages(made.lessons) | own | texts


def _teaching(root: Path) -> dict[str, str]:
    """Return the teachers' sheets and their pages, without ending; none where there are none."""
    files = sorted((root / TEACHING).rglob("*.md"), key=_place)
    return {f.relative_to(root).as_posix(): f.relative_to(root).with_suffix("").as_posix()
            for f in files}  # fmt: skip


def _place(path: Path) -> tuple:
    """Sort the sheets: the overview, those named by their minutes, the others."""
    minutes = re.match(r"\d+", path.name)
    return path.name != "README.md", minutes is None, int(minutes[0]) if minutes else 0, path.name


def _list_of_sheets(root: Path) -> str:
    sheets = "\n".join(_teaching(root).values())
    return f"```{{toctree}}\n:maxdepth: 1\n\n{sheets}\n```" if sheets else ""


def _filled(text: str, fillings: Mapping[str, str], path: str) -> str:
    def fill(found: re.Match) -> str:
        if found[1] not in fillings:
            raise ValueError(f"{path}: nothing fills {found[0]}; known are {', '.join(fillings)}")
        return fillings[found[1]]

    return _PLACE.sub(fill, text)


def _without_title(text: str) -> str:
    return re.sub(r"\A# .*\n", "", text).strip()


def _text(root: Path, path: str) -> str:
    return (root / path).read_text(encoding="utf-8")

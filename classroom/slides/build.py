"""Build the slides: take each lesson as it ran, choose, and let nbconvert make HTML."""

from __future__ import annotations

import html
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import classroom
from classroom.builder.build import read_lessons, read_measured
from classroom.builder.notebook import solution_notebook
from classroom.builder.source import Lesson
from classroom.site import mathjax
from classroom.site.build import FOLDER as SITE
from classroom.site.build import chosen
from classroom.site.cache import Cache
from classroom.site.outputs import refuse_own_paths
from classroom.site.pictures import Pictures
from classroom.site.run import ran
from classroom.slides import reveal
from classroom.slides.choose import deck
from classroom.slides.shown import FIGURES

if TYPE_CHECKING:
    from nbformat import NotebookNode

FOLDER = "build/slides"
KEPT = "build/npm"
TEXTS = "docs/slides"
TEMPLATE, STYLE = "slides.html.j2", "slides.css"
WIDTH, HEIGHT = 1280, 720
"""The size of a slide, in pixels; a projector enlarges it as a whole."""


def build_slides(
    folder: Path | None = None,
    *,
    only: Iterable[str] = (),
    root: Path | None = None,
    site: Path | None = None,
    patience: float = 1.0,
    say: Callable[[str], object] = lambda line: None,
) -> Path:
    """Build the slides in `folder` (default: build/slides of the clone), and return it.

    `only` names lessons by their slugs' beginnings. Lessons that ran for the site (`site`, default:
    build/site) are not run again while they and the course stay the same. Raises ValueError for a
    lesson that does not run, and what `reveal.copy` and `mathjax.copy` raise.
    """
    root = Path(classroom.__file__).parents[1] if root is None else Path(root)
    folder = root / FOLDER if folder is None else Path(folder)
    lessons = {slug: lesson for slug, lesson in read_lessons(root).items()}
    wanted = chosen(lessons, list(only))
    lessons = {slug: lesson for slug, lesson in lessons.items() if slug in wanted}
    cache = Cache((root / SITE if site is None else Path(site)) / "cache")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    reveal.copy(folder, root / KEPT)
    mathjax.copy(folder)
    shutil.copyfile(root / TEXTS / STYLE, folder / STYLE)
    pictures, measured = Pictures(folder / FIGURES), read_measured(root)
    for slug, lesson in lessons.items():
        notebook = solution_notebook(lesson, measured.get(lesson.name))
        done = ran(cache, root, lesson, notebook, patience=patience, say=say)
        (folder / f"{slug}.html").write_text(
            as_html(deck(lesson, done, pictures), root), encoding="utf-8"
        )
    (folder / "index.html").write_text(index(lessons), encoding="utf-8")
    return folder


def as_html(slides: NotebookNode, root: Path) -> str:
    """Return a deck as a page. Raises ValueError for a folder of this machine in it."""
    from jinja2 import FileSystemLoader
    from nbconvert import SlidesExporter

    exporter = SlidesExporter(
        extra_loaders=[FileSystemLoader(root / TEXTS)],
        template_file=TEMPLATE,
        reveal_url_prefix=reveal.FOLDER,
        reveal_theme="white",
        reveal_transition="none",
        reveal_width=str(WIDTH),
        reveal_height=str(HEIGHT),
    )
    text, _ = exporter.from_notebook_node(
        slides, {"metadata": {"name": slides.metadata["title"]}, "mathjax": mathjax.path()}
    )
    refuse_own_paths(text)
    return text


def index(lessons: Mapping[str, Lesson]) -> str:
    """Return the page that leads to the slides of each lesson."""
    rows = "\n".join(
        f'<li><a href="{slug}.html">{slug[:2]} {html.escape(lesson.facts["title"])}</a></li>'
        for slug, lesson in lessons.items()
    )
    return _INDEX.format(rows=rows, style=STYLE)


_INDEX = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,"><title>Steady Frames: slides</title>
<link rel="stylesheet" href="{style}"></head>
<body class="index"><main>
<h1>Steady Frames: slides</h1>
<p>Right: the next section. Down: what belongs to it. Space: one after the other. F: the whole
screen. Esc: all slides at once.</p>
<ul>
{rows}
</ul>
</main></body>
</html>
"""

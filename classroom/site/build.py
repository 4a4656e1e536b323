"""Build the site: run the lessons, lay out the pages, and let Sphinx make HTML of them."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import classroom
from classroom.builder.build import read_lessons, read_measured
from classroom.builder.exercise_cells import exercises
from classroom.builder.notebook import as_text, solution_notebook
from classroom.builder.source import Lesson
from classroom.site import mathjax
from classroom.site.book import PICTURE, TEXTS, Made, book
from classroom.site.cache import Cache, digest
from classroom.site.outputs import with_formulas
from classroom.site.page import Extras, page
from classroom.site.pictures import Pictures, one_block
from classroom.site.run import ran

if TYPE_CHECKING:
    from nbformat import NotebookNode

FOLDER = "build/site"
_FIRST_CARD = "neighbour_pairs"  # the exercise whose wrong answer the landing page shows
_ANSWERS = (
    "classroom/site/answers.py",
    "classroom/site/explorers.py",
    "classroom/site/pictures.py",
)


def build_site(
    folder: Path | None = None,
    *,
    only: Iterable[str] = (),
    root: Path | None = None,
    patience: float = 1.0,
    say: Callable[[str], object] = lambda line: None,
) -> Path:
    """Build the site under `folder` (default: build/site of the clone); return the HTML's folder.

    `only` names lessons by their slugs' beginnings ("02", "temporal"): the others appear with text
    and code, and are not run. What was run before is taken from `folder`/cache while the lesson,
    the course and its version stay the same. `say` is told what is going on, line by line.

    Raises ValueError for a lesson that does not run within its limit (times `patience`), for a name
    that no lesson has, and for each warning of Sphinx, such as a link that leads nowhere.
    """
    root = Path(classroom.__file__).parents[1] if root is None else Path(root)
    folder = root / FOLDER if folder is None else Path(folder)
    lessons = read_lessons(root)
    wanted = chosen(lessons, list(only))
    work = _Work(root, folder, patience, say)
    texts = {}
    for slug, lesson in lessons.items():
        texts[f"notebooks/{slug}.ipynb"] = as_text(work.page(lesson, run=slug in wanted))
    texts |= book(Made(root, lessons, work.ledger(lessons), work.card()))
    work.lay_out(texts)
    return work.to_html()


def chosen(lessons: Mapping[str, Lesson], names: list[str]) -> set[str]:
    """Return the slugs that begin with one of these names, all without any. Raises ValueError."""
    for name in names:
        if not any(slug.startswith(name) or lesson.name.startswith(name)
                   for slug, lesson in lessons.items()):  # fmt: skip
            raise ValueError(f"no lesson begins with {name!r}; there are {', '.join(lessons)}")
    return {
        slug for slug, lesson in lessons.items()
        if not names or any(slug.startswith(n) or lesson.name.startswith(n) for n in names)
    }  # fmt: skip


class _Work:
    """One build: where it takes things from and where it puts them."""

    def __init__(self, root: Path, folder: Path, patience: float, say: Callable) -> None:
        self.root, self.folder, self.patience, self.say = root, folder, patience, say
        self.cache, self.source = Cache(folder / "cache"), folder / "source"
        self.pictures = Pictures(folder / "figures")

    def page(self, lesson: Lesson, *, run: bool) -> NotebookNode:
        """Return a lesson's page, run and with its extras, or with its text and code only."""
        notebook = solution_notebook(lesson, read_measured(self.root).get(lesson.name))
        if not run:
            return page(notebook, Extras(), self.pictures)
        return page(self._run(lesson, notebook), self._extras(lesson), self.pictures)

    def _run(self, lesson: Lesson, notebook: NotebookNode) -> NotebookNode:
        return ran(self.cache, self.root, lesson, notebook, patience=self.patience, say=self.say)

    def _extras(self, lesson: Lesson) -> Extras:
        names = [exercise.name for exercise in exercises(lesson)]

        def make() -> dict:
            from classroom.exercises import get
            from classroom.site import explorers
            from classroom.site.answers import wrong_answers

            self.say(f"drawing the explorers and judging the wrong answers of {lesson.slug}")
            drawn = {name: explorers.drawn(each, self.pictures)
                     for name, each in _explorers_of(lesson).items()}  # fmt: skip
            judged = {name: [asdict(a) for a in wrong_answers(get(name))] for name in names}
            return asdict(Extras(judged, drawn))

        key = digest(self.root, [f"lessons/{lesson.name}", *_ANSWERS], *names)
        return Extras(**self.cache.get(f"extras-{lesson.name}", key, make))

    def ledger(self, lessons: Mapping[str, Lesson]) -> str:
        """Return the ledger's page; every claim is tried once for each version of the course."""
        from classroom.site.ledger import ledger_page, measured

        def make() -> list:
            self.say("trying every claim of the ledger")
            return measured()

        key = digest(self.root, ["classroom/site/ledger.py"])
        return ledger_page(self.cache.get("ledger", key, make), lessons)

    def card(self) -> str:
        """Return the report on a typical wrong answer, with its code, for the landing page."""

        def make() -> dict:
            from classroom.exercises import get
            from classroom.site.answers import wrong_answers

            return asdict(wrong_answers(get(_FIRST_CARD))[0])

        found = self.cache.get("card", digest(self.root, ["lessons/start_here", *_ANSWERS]), make)
        card = self.pictures.taken_out(with_formulas(found["card"]), "_static/figures")
        card = one_block(card.replace('role="status"', 'role="group"'))
        return f'```python\n{found["code"]}\n```\n\n<div class="check-card">{card}</div>'

    def lay_out(self, texts: Mapping[str, str]) -> None:
        """Write the pages and what they show; leave what is as wanted, and remove the rest."""
        wanted = {self.source / path: text.encode() for path, text in texts.items()}
        static, figures = self.source / "_static", self.folder / "figures"
        for path in (self.root / TEXTS / "_static").iterdir():
            wanted[static / path.name] = path.read_bytes()
        hero = self.root / PICTURE
        wanted[static / hero.name] = hero.read_bytes()
        for name in self.pictures.used:
            wanted[static / "figures" / name] = (figures / name).read_bytes()
        for path in [p for p in self.source.rglob("*") if p.is_file() and p not in wanted]:
            path.unlink()
        for path, data in wanted.items():
            if not path.is_file() or path.read_bytes() != data:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)

    def to_html(self) -> Path:
        """Run Sphinx over the pages. Raises ValueError with its warnings."""
        from sphinx.application import Sphinx

        self.say("making HTML with Sphinx")
        warnings, html = io.StringIO(), self.folder / "html"
        shutil.rmtree(html, ignore_errors=True)  # pages and pictures that are gone
        settings = {
            "html_static_path": [str(self.source / "_static")],
            "made_by": digest(self.root, ["classroom/site", f"{TEXTS}/conf.py"]),
        }
        app = Sphinx(
            self.source, self.root / TEXTS, html, self.folder / "doctrees", "html",
            confoverrides=settings, status=None, warning=warnings,
        )  # fmt: skip
        app.build()
        told = warnings.getvalue().strip()
        if told or app.statuscode:
            raise ValueError(f"Sphinx is not content with the site:\n{told}")
        mathjax.copy(html / "_static")
        return html


def _explorers_of(lesson: Lesson) -> dict:
    """Return the explorers of a lesson by name, in the order of its figures."""
    from classroom import contents

    modules = dict(contents.modules("figures"))
    return dict(getattr(modules.get(lesson.name), "EXPLORERS", {}))


if __name__ == "__main__":
    print(build_site(only=sys.argv[1:], say=print))

"""What a lesson is refused for: each fault with its line, in words that say what to do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from posixpath import normpath
from urllib.parse import unquote, urlsplit

from classroom.builder.exercise_cells import exercise_faults, exercises
from classroom.builder.markdown import Link, links
from classroom.builder.source import Cell, Fault, Lesson, answer_faults, front_matter_faults

_FIGURES = re.compile(r"classroom\.display\.|lessons\.\w+\.figures")
_DESCRIBED = "draw with a function of classroom.display and show it with show(...), with alt text"


def refuse(lessons: Mapping[str, Lesson], root: Path, known: Iterable[str]) -> None:
    """Raise ValueError with every fault of the lessons, a line for each: "file:line: fault".

    `lessons` are given by slug, `root` is the folder that holds lessons/, and `known` are the names
    of the exercises that can be checked.
    """
    known = list(known)
    lines = []
    for lesson in lessons.values():
        found = {fault: None for fault in faults(lesson, lessons, root, known)}  # once each
        for fault in sorted(found, key=lambda fault: fault.line):
            lines.append(f"{lesson.path}:{fault.line}: {fault.text}")
    if lines:
        raise ValueError("\n".join(lines))


def faults(
    lesson: Lesson, lessons: Mapping[str, Lesson], root: Path, known: Iterable[str]
) -> Iterator[Fault]:
    """Yield everything that is wrong with one lesson, in no order."""
    yield from front_matter_faults(lesson)
    yield from answer_faults(lesson)
    yield from _minute_faults(lesson)
    yield from exercise_faults(lesson, known)
    yield from _name_faults(lesson, lessons)
    figures = _figure_functions(lesson)
    for cell in lesson.cells:
        if cell.kind == "code":
            yield from _code_faults(cell, figures)
        elif cell.kind == "markdown":
            yield from _link_faults(cell, lesson, lessons, root)
        tags = {"raises-exception", "skip-execution"} & set(
            map(str, cell.metadata.get("tags") or [])
        )
        if tags:
            yield Fault(cell.line, f"no cell may raise or be skipped: remove the tag {min(tags)}")


def _minute_faults(lesson: Lesson) -> Iterator[Fault]:
    """Yield headings without minutes, and minutes that do not add up."""
    sections = lesson.sections()
    for _, heading in lesson.headings():
        if heading.level == 1:
            yield Fault(heading.line, "the title comes from the front matter: begin with '##'")
    for section in sections:
        if section.minutes is None:
            yield Fault(
                section.heading.line,
                f"a section must end in its minutes: '## {section.heading.text} (10 min)'",
            )
    total, said = sum(section.minutes or 0 for section in sections), lesson.facts.get("minutes")
    if type(said) is int and said > 0 and all(s.minutes for s in sections) and total != said:
        yield Fault(
            lesson.line_of("minutes"),
            f"the sections take {total} minutes together, the front matter says {said}",
        )
    starts = [section.first_cell for section in sections]
    for section, end in zip(sections, [*starts[1:], len(lesson.cells)]):
        yield from _exercise_minutes(lesson, section.minutes, section.first_cell, end)


def _exercise_minutes(lesson: Lesson, minutes: int | None, start: int, end: int) -> Iterator[Fault]:
    spent = 0
    for exercise in exercises(lesson):
        cell = lesson.cells[exercise.cell]
        wanted = cell.metadata.get("minutes")
        if start <= exercise.cell < end and type(wanted) is int:
            spent += wanted
            if minutes and spent > minutes:
                text = f"{spent} minutes of exercises in a section of {minutes} minutes"
                yield Fault(cell.line, text)


def _name_faults(lesson: Lesson, lessons: Mapping[str, Lesson]) -> Iterator[Fault]:
    """Yield exercises that an earlier lesson has already."""
    for other in lessons.values():
        if other.number >= lesson.number:
            continue
        taken = {exercise.name for exercise in exercises(other)} - {None}
        for exercise in exercises(lesson):
            if exercise.name in taken:
                text = f"the exercise {exercise.name} is in {other.path} already"
                yield Fault(lesson.cells[exercise.cell].line, text)


def _figure_functions(lesson: Lesson) -> set[str]:
    """Return names that give a bare figure: figure functions, and what they were assigned to."""
    trees = [tree for cell in lesson.cells if cell.kind == "code" and (tree := _parsed(cell))]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    found = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and _FIGURES.match(node.module or ""):
            names = {alias.asname or alias.name for alias in node.names}
            found |= {n for n in names if n.islower() and n not in ("show", "explore", "play")}
    for node in nodes:
        if isinstance(node, ast.Assign) and _draws(node.value, found):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def _draws(node: ast.AST, figures: set[str]) -> bool:
    """Tell whether an expression is a bare figure or picture."""
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else _name(node.func)
        bare = name in figures or name.endswith("_figure") or name in ("Figure", "contact_sheet")
        return bare or (isinstance(node.func, ast.Attribute) and name == "sheet")
    return False


def _code_faults(cell: Cell, figures: set[str]) -> Iterator[Fault]:
    """Yield code that is no Python, and pictures that come without alt text."""
    try:
        tree = ast.parse(cell.source)
    except SyntaxError as error:
        yield Fault(cell.line + (error.lineno or 1) - 1, f"this cell is no Python: {error.msg}")
        return
    for node in ast.walk(tree):
        if _is_pyplot(node) or (isinstance(node, ast.Call) and _is_bare_image(node)):
            text = f"a figure without alt text ({ast.unparse(node)}): {_DESCRIBED}"
            yield Fault(cell.line + node.lineno - 1, text)
        elif isinstance(node, ast.Expr):
            value = node.value
            shown = [value] if node is tree.body[-1] else []
            if isinstance(value, ast.Call) and _name(value.func) == "display":
                shown = value.args
            for item in shown:
                if _draws(item, figures) or _name(item) in figures:
                    text = f"a bare figure has no alt text: show({ast.unparse(item)})"
                    yield Fault(cell.line + node.lineno - 1, text)
    for number, line in enumerate(cell.source.splitlines(), cell.line):
        if re.search(r"<img\b(?![^>]*\balt=)", line):
            yield Fault(number, "a picture without alt text: give <img> an alt=...")


def _is_pyplot(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(a.name in ("matplotlib.pyplot", "pylab") for a in node.names)
    if isinstance(node, ast.ImportFrom):
        pyplot = node.module == "matplotlib" and any(a.name == "pyplot" for a in node.names)
        return pyplot or node.module in ("matplotlib.pyplot", "pylab")
    return isinstance(node, ast.Attribute) and _name(node.value) in ("plt", "pyplot")


def _is_bare_image(node: ast.Call) -> bool:
    return _name(node.func) == "Image" and "alt" not in {word.arg for word in node.keywords}


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _parsed(cell: Cell) -> ast.Module | None:
    try:
        return ast.parse(cell.source)
    except SyntaxError:
        return None


def _link_faults(
    cell: Cell, lesson: Lesson, lessons: Mapping[str, Lesson], root: Path
) -> Iterator[Fault]:
    """Yield links and pictures that lead nowhere, and pictures without alt text."""
    for link in links(cell.source):
        if link.is_picture and not link.words.strip():
            yield Fault(cell.line + link.line, f"a picture without alt text: {link.target}")
        problem = _link_problem(link, lesson, lessons, root)
        if problem:
            kind = "picture" if link.is_picture else "link"
            yield Fault(cell.line + link.line, f"a {kind} that leads nowhere: {problem}")


def _link_problem(
    link: Link, lesson: Lesson, lessons: Mapping[str, Lesson], root: Path
) -> str | None:
    """Return why a link leads nowhere, None where it is sound. The web is not asked."""
    target = link.target.strip()
    try:
        url = urlsplit(target)
    except ValueError as error:
        return f"{target}: {error}"
    if not target or target == "#":
        return f"[{link.words}] has no target"
    if url.scheme or url.netloc:
        sound = url.scheme in ("http", "https") and re.fullmatch(
            r"[\w-]+(\.[\w-]+)+(:\d+)?", url.netloc
        )
        mail = url.scheme == "mailto" and re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", url.path)
        return None if sound or mail else f"{target} is no web address"
    if url.path.startswith("/"):
        return f"{target}: give the path from the notebook's folder"
    path = (
        normpath(f"notebooks/{unquote(url.path)}") if url.path else f"notebooks/{lesson.slug}.ipynb"
    )
    folder, _, name = path.rpartition("/")
    if folder in ("notebooks", "solutions") and name.endswith(".ipynb"):
        other = lessons.get(name.removesuffix(".ipynb"))
        if other is None:
            return f"there is no lesson for {target}; there are {', '.join(lessons)}"
        return _anchor_problem(unquote(url.fragment), other)
    if path.startswith("..") or not (root / path).exists():
        return f"{target} is no file, seen from notebooks/"
    return None


def _anchor_problem(anchor: str, lesson: Lesson) -> str | None:
    """Return why JupyterLab would not find an anchor in a lesson's notebook."""
    title = str(lesson.facts.get("title", "")).replace(" ", "-")
    anchors = [title, *(heading.anchor for _, heading in lesson.headings())]
    if not anchor or anchor in anchors:
        return None
    near = get_close_matches(anchor, anchors, n=1, cutoff=0.3)
    hint = f"; nearest: #{near[0]}" if near else ""
    return f"{lesson.path} has no heading for #{anchor}{hint}"

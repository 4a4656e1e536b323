"""Which sections of a lesson run without which others, read from the names in their code.

A section needs another where it uses a name that the other one set last. Names that a section
imports cost nothing: a cut of the lesson brings the import along. What code changes without naming
it (an adapter in a model) cannot be read: a run shows it, and the plans note it.
"""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache

from classroom.builder.source import Lesson

OPENING = 0
"""The number of what stands before the first section; every cut begins with it."""


@dataclass(frozen=True)
class Part:
    """A section of a lesson, or its opening: number, title, minutes, and the cells from-to."""

    number: int
    title: str
    minutes: int
    first: int
    end: int


@dataclass
class Names:
    """What a piece of code uses from outside, sets, imports (name: statement), and changes."""

    uses: set[str] = field(default_factory=set)
    sets: set[str] = field(default_factory=set)
    imports: dict[str, str] = field(default_factory=dict)
    changes: set[str] = field(default_factory=set)


def parts(lesson: Lesson) -> list[Part]:
    """Return the opening of a lesson and its sections, in order."""
    sections = lesson.sections()
    ends = [section.first_cell for section in sections[1:]] + [len(lesson.cells)]
    found = [Part(OPENING, "", 0, 0, sections[0].first_cell)]
    for number, (section, end) in enumerate(zip(sections, ends), 1):
        title = section.heading.text.rpartition(" (")[0]
        found.append(Part(number, title, section.minutes, section.first_cell, end))
    return found


def code(lesson: Lesson, part: Part) -> str:
    """Return the code of a part, its cells one after the other."""
    cells = lesson.cells[part.first : part.end]
    return "\n".join(cell.source for cell in cells if cell.kind == "code")


@cache
def names(source: str) -> Names:
    """Return what a piece of code does with names outside its functions, to be read only."""
    found = Names()
    for statement in ast.parse(source).body:
        _read(statement, found)
    return found


def needs(lesson: Lesson) -> list[dict[int, set[str]]]:
    """Return for each part the parts that it needs directly, with the names it takes from them.

    Only what stands before a part counts, and of several that set a name the last one.
    """
    last: dict[str, int] = {}
    found = []
    for part in parts(lesson):
        mine, wanted = names(code(lesson, part)), {}
        for name in (mine.uses | mine.changes) & last.keys():
            if last[name] != OPENING:
                wanted.setdefault(last[name], set()).add(name)
        found.append(wanted)
        for name in mine.imports:
            last.pop(name, None)  # an import is no need, wherever it stands
        last |= dict.fromkeys(mine.sets | mine.changes & last.keys(), part.number)
    return found


def closure(direct: list[dict[int, set[str]]], chosen: Iterable[int]) -> set[int]:
    """Return the chosen parts, the opening, and all that they need, directly or not."""
    todo, found = [OPENING, *chosen], set()
    while todo:
        number = todo.pop()
        if number not in found:
            found.add(number)
            todo += direct[number]
    return found


def imports_left_out(lesson: Lesson, chosen: Iterable[int]) -> list[str]:
    """Return the import statements of parts that are left out whose names the chosen ones use."""
    chosen = set(chosen)
    known: dict[str, str] = {}
    brought: dict[str, str] = {}
    for part in parts(lesson):
        mine = names(code(lesson, part))
        if part.number not in chosen:
            known |= mine.imports
            continue
        brought |= {name: known[name] for name in sorted(mine.uses & known.keys())}
        known = {name: line for name, line in known.items() if name not in mine.imports}
    return sorted(set(brought.values()))


def _read(node: ast.stmt, found: Names) -> None:
    """Follow one statement, in the order in which Python runs its parts."""
    match node:
        case ast.Import() | ast.ImportFrom():
            _read_import(node, found)
        case ast.For():
            _use(node.iter, found)
            _set(node.target, found)
            _read_all([*node.body, *node.orelse], found)
        case ast.While() | ast.If():
            _use(node.test, found)
            _read_all([*node.body, *node.orelse], found)
        case ast.With():
            for item in node.items:
                _use(item.context_expr, found)
                _set(item.optional_vars, found)
            _read_all(node.body, found)
        case ast.Try():
            _read_all(node.body, found)
            for handler in node.handlers:
                _use(handler.type, found)
                found.sets |= {handler.name} - {None}
                _read_all(handler.body, found)
            _read_all([*node.orelse, *node.finalbody], found)
        case _:
            _read_simple(node, found)


def _read_all(nodes: Iterable[ast.stmt], found: Names) -> None:
    for node in nodes:
        _read(node, found)


def _read_import(node: ast.Import | ast.ImportFrom, found: Names) -> None:
    for alias in node.names:
        copy = ast.Import([alias])
        if isinstance(node, ast.ImportFrom):
            copy = ast.ImportFrom(node.module, [alias], node.level)
        name = alias.asname or alias.name.partition(".")[0]
        found.imports[name] = ast.unparse(ast.fix_missing_locations(copy))


def _read_simple(node: ast.stmt, found: Names) -> None:
    """Take what a statement without others in it uses, then what it sets and changes."""
    _use(node, found)
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        _use(ast.Name(node.target.id, ast.Load()), found)
    found.sets |= set(_symbols(node, "is_assigned"))
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    for target in targets:
        _change(target, found)
    call = node.value if isinstance(node, ast.Expr) else None
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
        _change(call.func, found)  # rows.append(...) changes rows


def _set(target: ast.expr | None, found: Names) -> None:
    if target is not None:
        found.sets |= {n.id for n in ast.walk(target) if isinstance(n, ast.Name)}


def _change(target: ast.expr | None, found: Names) -> None:
    """Note the name whose item or attribute is set."""
    if isinstance(target, ast.Attribute | ast.Subscript):
        while isinstance(target, ast.Attribute | ast.Subscript | ast.Call):
            target = target.func if isinstance(target, ast.Call) else target.value
        if isinstance(target, ast.Name) and target.id not in found.imports:
            found.changes.add(target.id)


def _use(node: ast.AST | None, found: Names) -> None:
    if node is not None:
        known = found.sets | found.imports.keys() | set(dir(builtins))
        found.uses |= set(_symbols(node, "is_referenced")) - known - _only_itself(node)


def _only_itself(node: ast.AST) -> set[str]:
    """Return the name of a function, which may call itself."""
    return {node.name} if isinstance(node, ast.FunctionDef | ast.ClassDef) else set()


def _symbols(node: ast.AST, question: str) -> Iterator[str]:
    """Yield the names of a piece of code for which a question is answered yes, at the top level.

    What a function uses from outside it counts where the function stands.
    """
    todo = [symtable.symtable(ast.unparse(node), "lesson", "exec")]
    while todo:
        table = todo.pop()
        for symbol in table.get_symbols():
            outside = table.get_type() == "module" or symbol.is_global()
            if outside and getattr(symbol, question)():
                yield symbol.get_name()
        if question == "is_referenced":
            todo += table.get_children()

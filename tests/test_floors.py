"""One direction of imports, and rooms of a size that can be read: what the design asks of the code.

Floors: a module imports only its own floor and those below, no lesson imports another, floor 0
imports torch only, and no two rooms import each other. Sizes: modules of 60 to 250 lines,
functions of at most 40. `pytest -s tests/test_floors.py` also prints how far the aims are met.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("course", "classroom", "lessons", "training")
FLOORS = {
    "course": 0, "course.checks": 0, "course.temporal": 0, "course.bilateral": 0,
    "course.diffusion": 0, "course.recursion": 0, "course.attention": 0, "course.reachability": 0,
    "course.adapters": 1, "course.tokens": 1, "course.metrics": 1, "course.clips": 1,
    "course.files": 1,
    "course.methods": 2, "course.models": 2, "course.depth": 2,
    "course.editing": 3, "course.finetune": 3, "course.claims": 3,
    "course.__main__": 4, "course.commands": 4, "course.doctor": 4,
    "classroom": 5, "lessons": 6,
}  # fmt: skip
TRAINING_MAY_IMPORT = 2  # it stands beside the house

SHORTEST, LONGEST, LONGEST_FUNCTION = 60, 250, 40
SHORT_ROOMS = ("course.methods", "course.commands")  # a method is a few lines, and so is a command
CLAIMS, MOST_CHECKS = "course.claims", 0.095
MAY_BE_SHORT = ("__init__.py", "__main__.py", "shared.py")
"""Doors of packages, command lines, and what the modules of one lesson share."""


def modules() -> dict[str, Path]:
    """Return the path of each module by its dotted name."""
    found = {}
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text())


def imports(name: str) -> Iterator[str]:
    """Yield what a module imports anywhere in its code; of our own, the module that is meant."""
    package = name.split(".") if MODULES[name].name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            home = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{home}.{alias.name}"
                yield whole if whole in MODULES else home


def room(name: str) -> str:
    """Return the room of a module: the first two parts of its name, or the package itself."""
    return ".".join(name.split(".")[:2])


def floor(name: str) -> int:
    here = room(name) if name.startswith("course") else name.split(".")[0]
    assert here in FLOORS, f"{here} has no floor yet: give it one in FLOORS"
    return FLOORS[here]


def fault(importer: str, imported: str) -> str:
    """Return the rule that an import of one of our modules breaks, or nothing."""
    here, there = importer.split(".")[0], imported.split(".")[0]
    if there == "training" and here != "training":
        return "nothing imports training"
    if here == "training":
        above = there != "training" and floor(imported) > TRAINING_MAY_IMPORT
        return f"training imports floors 0 to {TRAINING_MAY_IMPORT}" if above else ""
    if floor(imported) > floor(importer):
        return f"floor {floor(importer)} does not import floor {floor(imported)}"
    other_lesson = {len(name.split(".")) > 1 and room(name) for name in (importer, imported)}
    if here == there == "lessons" and len(other_lesson) == 2:
        return "a lesson imports no other lesson"
    return ""


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_from_its_own_floor_or_below(name):
    own = [other for other in imports(name) if other in MODULES]
    faults = [f"{name} imports {other}: {fault(name, other)}" for other in own]
    assert not [line for line in faults if not line.endswith(": ")]


@pytest.mark.parametrize(
    ("importer", "imported", "rule"),
    [
        ("course.temporal", "course.clips", "floor 0 does not import floor 1"),
        ("course.__main__", "classroom.display", "floor 4 does not import floor 5"),
        ("classroom.display", "lessons.temporal_loss", "floor 5 does not import floor 6"),
        ("lessons.ledger.figures", "lessons.temporal_loss", "imports no other lesson"),
        ("course.models", "training.loop", "nothing imports training"),
        ("training.loop", "course.editing", "training imports floors 0 to 2"),
    ],
)
def test_an_import_that_leads_upward_breaks_a_rule(importer, imported, rule):
    assert rule in fault(importer, imported)


def test_floor_0_imports_torch_and_nothing_else():
    ground = [name for name in MODULES if name.startswith("course") and floor(name) == 0]
    tops = {(name, other.split(".")[0]) for name in ground for other in imports(name)}
    allowed = {"torch", "course", *sys.stdlib_module_names}
    assert {(name, top) for name, top in tops if top not in allowed} == set()


def test_no_two_rooms_import_each_other():
    edges = {
        (room(name), room(other))
        for name in MODULES
        for other in imports(name)
        if other in MODULES and room(name) != room(other)
    }
    above = {here: {there for start, there in edges if start == here} for here, _ in edges}
    while above:  # take away what imports nothing that is left; a circle never goes
        free = {here for here, others in above.items() if not others & above.keys()}
        assert free, f"a circle of imports among {', '.join(sorted(above))}"
        above = {here: others for here, others in above.items() if here not in free}


def test_no_module_of_course_imports_what_draws_or_what_jupyter_needs():
    names = [name for name in MODULES if name.startswith("course") and name != "course.__main__"]
    code = (
        f"import importlib, sys\nfor name in {names}:\n    importlib.import_module(name)\n"
        "    seen = {'matplotlib', 'ipywidgets', 'IPython'} & sys.modules.keys()\n"
        "    assert not seen, f'import {name} imports {seen}'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


# What is longer or shorter than the rule, and why. A name goes when its reason does.
OTHER_SIZES = {
    "classroom.exercises.inputs": "one table of inputs, which many exercises share",
    "classroom.exercises.pairs": "one walk over two answers at once",
    "classroom.exercises.pristine": "one thing: torch as it came",
    "classroom.site.mathjax": "which files of MathJax a page needs",
    "course.clips.captions": "one function, which needs no room beside it",
    "course.clips.video": "reading and writing mp4, and what damaged files are told",
    "course.clips.gif_blocks": "one walk along the blocks of a file",
    "course.clips.sound": "one copy of packets",
    "course.methods.task": "one task, which every method works on",
    "course.editing.measure": "the metrics of one edit, in one function",
    "course.finetune.progress": "what a step reports, without torch",
    "training.data": "one generator of batches",
    "training.export": "one command",
    "training.initial": "one copy of weights",
    "training.samples": "one sheet of samples",
}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_has_60_to_250_lines(name):
    path, n_lines = MODULES[name], len(MODULES[name].read_text().splitlines())
    short = path.name in MAY_BE_SHORT or room(name) in SHORT_ROOMS
    wanted = range(0 if short else SHORTEST, LONGEST + 1)
    assert (n_lines in wanted) is (name not in OTHER_SIZES), (
        f"{name} has {n_lines} lines; wanted are {wanted.start} to {LONGEST}, or an entry in "
        "OTHER_SIZES with a reason (and none without need)"
    )


def functions(name: str) -> Iterator[ast.FunctionDef]:
    yield from (node for node in ast.walk(tree(name)) if isinstance(node, ast.FunctionDef))


LONG_FUNCTIONS = {
    "course.clips.video.read_clip": "8 arguments with a docstring that says what each does",
    "course.editing.run.edit": "27 arguments with a docstring that says what each does",
    "course.finetune.train.finetune": "25 arguments with a docstring that says what each does",
    "lessons.attention_bounds.figures.bounds.token_error_figure": "two panels and their words",
    "lessons.lora_adapters.figures.objective.feature_map_figure": "twelve panels and their words",
    "training.loop.train": "the loop, one step after the other",
}


@pytest.mark.parametrize("name", MODULES)
def test_a_function_has_at_most_40_lines(name):
    lengths = {f"{name}.{f.name}": f.end_lineno - f.lineno + 1 for f in functions(name)}
    long = {key for key, length in lengths.items() if length > LONGEST_FUNCTION}
    excused = {key for key in LONG_FUNCTIONS if key in lengths}
    assert long == excused, {key: lengths[key] for key in long ^ excused}


def check_lines(name: str) -> set[int]:
    """Return the lines of a module that check arguments: raises, `check_...` and calls of it."""
    lines: set[int] = set()
    for node in ast.walk(tree(name)):
        called = node.func if isinstance(node, ast.Call) else node
        title = getattr(called, "id", getattr(called, "attr", getattr(called, "name", "")))
        guards = (
            isinstance(node, ast.If) and not node.orelse and isinstance(node.body[-1], ast.Raise)
        )
        if guards or isinstance(node, ast.Raise) or str(title).lstrip("_").startswith("check_"):
            lines |= set(range(node.lineno, node.end_lineno + 1))
    return lines


def test_course_is_counted_against_its_aims(capsys):
    own = [name for name in MODULES if name.split(".")[0] == "course"]
    lengths = {name: len(MODULES[name].read_text().splitlines()) for name in own}
    total, claims = sum(lengths.values()), sum(lengths[n] for n in own if room(n) == CLAIMS)
    share = sum(len(check_lines(name)) for name in own) / total
    entries = [path.name for path in (ROOT / "course").iterdir() if path.name != "__pycache__"]
    with capsys.disabled():
        print(f"\ncourse has {total} lines, {claims} of them claims (aim: 7500 or less),")
        print(f"{len(entries)} entries at its root (aim: 16 or less), and {share:.1%} of it")
        print("are checks of arguments and their messages (aim: 8 % or less)")
    assert share <= MOST_CHECKS

"""The sheets on the disk, the notebooks of a plan, and a run of every plan."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import classroom
from classroom.builder.build import read_lessons, read_measured
from classroom.builder.notebook import as_text, learner_notebook
from classroom.teaching.cut import cut, is_prefix, run
from classroom.teaching.fit import fit
from classroom.teaching.pages import invitation, overview, sections
from classroom.teaching.plans import FILE, Plan, read_plans
from classroom.teaching.sheet import NOTE, sheet
from course.files import safe_output


def write_sheets(root: Path | None = None, *, check: bool = False) -> list[Path]:
    """Write `teaching/` under `root` (default: of this repository); return the files that changed.

    With `check` nothing is written. A sheet whose plan is gone goes, too, and what somebody wrote
    by hand stays. Raises ValueError for a plan that does not work, before anything is written.
    """
    root = _root(root)
    wanted = _pages(root)
    changed = [path for path, text in wanted.items() if not _says(path, text)]
    orphans = [
        path for path in sorted((root / FILE).parent.glob("*.md"))
        if path not in wanted and path.read_text(encoding="utf-8").startswith(NOTE)
    ]  # fmt: skip
    if not check:
        for path in changed:
            with safe_output(path) as file:
                file.write(wanted[path].encode())
        for path in orphans:
            path.unlink()
    return changed + orphans


def write_notebooks(name: str, folder: Path | None = None, root: Path | None = None) -> list[Path]:
    """Write the notebooks of a plan, for learners and in `solutions/`, and a zip file; return all.

    `folder` defaults to build/class/<plan>; what it held goes. The zip file lies beside it and
    holds what learners get. Raises ValueError for a plan that is not there.
    """
    root = _root(root)
    lessons = read_lessons(root)
    plan = _named(name, read_plans(root, lessons).plans)
    folder = root / "build" / "class" / plan.name if folder is None else Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "solutions").mkdir(parents=True)
    measured, cuts, paths = read_measured(root), plan.cuts(), []
    packed = folder.with_name(f"{plan.name}.zip")
    with safe_output(packed) as file, ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for lesson in plan.run_lessons():
            solution = cut(lesson, cuts[lesson.name], measured.get(lesson.name))
            fit(solution, lesson, plan)
            for home, notebook in (("", learner_notebook(solution)), ("solutions", solution)):
                paths.append(folder / home / f"{lesson.slug}.ipynb")
                with safe_output(paths[-1]) as out:
                    out.write(as_text(notebook).encode())
            archive.write(folder / paths[-2].name, f"{plan.name}/{paths[-2].name}")
    return [*paths, packed]


def check_by_running(names: Iterable[str] = (), root: Path | None = None) -> Iterator[str]:
    """Run the cuts of plans (default: of all), and yield a line for each that ran.

    A cut that only leaves out the end of a lesson runs as the lesson does, and is not run again;
    equal cuts of two plans run once. Raises ValueError for one that does not run, with the name
    that is missing and the section that defines it.
    """
    root = _root(root)
    lessons = read_lessons(root)
    plans, names, done = read_plans(root, lessons).plans, list(names), set()
    for plan in [_named(name, plans) for name in names] or plans:
        for lesson in plan.run_lessons():
            chosen = plan.cuts()[lesson.name]
            key = (lesson.name, frozenset(chosen))
            if key not in done and not is_prefix(chosen):
                run(lesson, chosen)
                yield f"{plan.name}: {lesson.slug} runs with sections {sorted(chosen)[1:]} only"
            done.add(key)


def _pages(root: Path) -> dict[Path, str]:
    lessons = read_lessons(root)
    plans = read_plans(root, lessons)
    texts = {f"{plan.name}.md": sheet(plan, plans) for plan in plans.plans}
    texts["README.md"] = overview(plans)
    texts["sections.md"] = sections(lessons.values(), plans)
    texts["invitation.md"] = invitation(read_measured(root))
    return {(root / FILE).parent / name: text for name, text in texts.items()}


def _named(name: str, plans: Iterable[Plan]) -> Plan:
    known = {plan.name: plan for plan in plans}
    if name not in known:
        raise ValueError(f"no plan is called {name!r}; there are {', '.join(known)}")
    return known[name]


def _says(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _root(root: Path | None) -> Path:
    return Path(classroom.__file__).parents[1] if root is None else Path(root)

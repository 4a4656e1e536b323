"""pyproject.toml, requirements.lock, environment.yml and the imports say the same."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import course

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
OUR_OWN = {"course", "classroom", "lessons", "training", "benchmarks", "tests"}

# Direct dependencies that no file imports, and what they are for.
NOT_IMPORTED = {
    "ipywidgets": "the widgets of the lessons, and progress bars in notebooks",
    "jupyterlab": "make lab",
    "jupytext": "lessons become notebooks",
    "myst-nb": "pages of the site from notebooks",
    "matplotlib": "the figures of the lessons",
    "nbclient": "notebooks run from Python",
    "nbgrader": "teachers collect and grade the exercises",
    "nbmake": "pytest runs the notebooks",
    "pytest-xdist": "pytest runs on all cores",
    "ruff": "make lint",
    "sphinx-book-theme": "the theme of the site",
    "sphinx-mathjax-offline": "MathJax and its fonts, for the site",
    "sympy": "the symbolic cells of the lessons",
}


def pins() -> dict[str, str]:
    """Return the version of each package in the lock file, by its normalised name."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


PACKAGES = ("course", "classroom", "lessons")
RIVALS = {"kornia"}
"""What our filter is held against in tests and benchmarks, and is never made of."""


def direct(*extras: str) -> list[Requirement]:
    """Return the dependencies that pyproject.toml names, with those of the given extras."""
    texts = [*PROJECT["dependencies"]]
    for extra in extras:
        texts += PROJECT["optional-dependencies"][extra]
    return [Requirement(text) for text in texts]


def names(requirements: list[Requirement]) -> set[str]:
    """Return the normalised names of requirements."""
    return {canonicalize_name(requirement.name) for requirement in requirements}


def imported(*folders: str) -> set[str]:
    """Return the packages that Python files below these folders import, at any depth of code."""
    modules: set[str] = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                modules.add(node.module)
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "importorskip":
                modules |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    beside = {path.parent.name if path.stem == "__init__" else path.stem for path in files}
    tops = {module.partition(".")[0] for module in modules}
    tops -= set(sys.stdlib_module_names) | OUR_OWN | beside
    packages = metadata.packages_distributions()
    return {canonicalize_name(packages.get(top, [top])[0]) for top in tops}


def needed(requirements: list[Requirement]) -> set[str]:
    """Return the names of all packages that these requirements bring, from installed metadata."""
    todo, seen = list(requirements), set()
    while todo:
        requirement = todo.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        for child in map(Requirement, metadata.requires(requirement.name) or []):
            environments = [{"extra": extra} for extra in ("", *requirement.extras)]
            if child.marker is None or any(map(child.marker.evaluate, environments)):
                todo.append(child)
    return {name for name, _ in seen}


def installed_as_locked() -> bool:
    """Tell whether this environment has just the versions of the lock file."""
    try:
        return all(metadata.version(name).split("+")[0] == pin for name, pin in pins().items())
    except metadata.PackageNotFoundError:
        return False


@pytest.mark.parametrize("requirement", direct("lessons", "site", "dev"), ids=lambda r: r.name)
def test_the_lock_satisfies_every_direct_dependency(requirement):
    assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


def test_the_lock_satisfies_the_build():
    for text in PYPROJECT["build-system"]["requires"]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


def test_the_lock_holds_exact_versions_only():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    entries = [line for line in lines if not line.startswith("#")]
    assert [e for e in entries if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", e)] == []
    assert entries == sorted(entries, key=str.upper)
    assert len(entries) == len(pins())


def test_the_lock_names_torch_without_a_build():
    assert pins()["torch"] == "2.13.0"


@pytest.mark.skipif(not installed_as_locked(), reason="other versions than the lock's are here")
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the lock is made with Python 3.11")
@pytest.mark.skipif(sys.platform != "linux", reason="the lock is made on Linux")
def test_the_lock_holds_what_is_needed_and_nothing_more():
    builds = re.compile(r"nvidia-|cuda-|triton$")  # what only CUDA builds of torch bring
    wanted = {name for name in needed(direct("lessons", "site", "dev")) if not builds.match(name)}
    wanted |= names([Requirement(text) for text in PYPROJECT["build-system"]["requires"]])
    assert set(pins()) == wanted


def test_conda_users_get_the_same_lock():
    lines = (ROOT / "environment.yml").read_text().splitlines()
    entries = [line.strip() for line in lines if line.lstrip().startswith("-")]
    assert entries == ["- python=3.11", "- pip", "- pip:", "- -r requirements.lock", "- -e ."]


def test_the_oldest_python_is_the_one_that_conda_users_get():
    assert PROJECT["requires-python"] == ">=3.11"
    assert sys.version_info >= (3, 11)


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("course", []),
        ("classroom", ["lessons", "site"]),
        ("lessons", ["lessons"]),
        ("training", []),
        ("benchmarks", ["lessons", "dev"]),
        ("tests", ["lessons", "site", "dev"]),
    ],
)
def test_every_import_is_a_direct_dependency(folder, extras):
    assert imported(folder) - names(direct(*extras)) == set()


def test_the_rivals_of_the_filter_are_never_needed():
    assert imported(*PACKAGES, "training") & RIVALS == set()


def test_every_direct_dependency_is_used():
    used = imported("course", "classroom", "lessons", "training", "benchmarks", "tests") | set(
        NOT_IMPORTED
    )
    assert names(direct("lessons", "site", "dev")) - used == set()


def test_learners_get_no_runner_of_tests():
    assert needed(direct("lessons")) & {"pytest", "nbmake"} == set()


def test_every_exception_is_still_a_dependency():
    assert set(NOT_IMPORTED) - names(direct("lessons", "site", "dev")) == set()


@pytest.mark.parametrize("name", PACKAGES)
def test_every_data_file_of_a_package_is_in_the_wheel(name):
    package = ROOT / name
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"].get(name, [])
    shipped = {path for pattern in patterns for path in package.glob(pattern)}
    data = {path for path in package.rglob("*") if path.is_file() and path.suffix != ".py"}
    assert {path for path in data if "__pycache__" not in path.parts} - shipped == set()


def test_every_folder_with_code_is_a_package_of_the_wheel():
    folders = {path.parent for name in PACKAGES for path in (ROOT / name).rglob("*.py")}
    assert {folder for folder in folders if not (folder / "__init__.py").exists()} == set()


def test_the_version_is_one():
    citation = (ROOT / "CITATION.cff").read_text()
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert f"\nversion: {course.__version__}\n" in citation
    assert f"\n## {course.__version__}" in changes

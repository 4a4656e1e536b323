"""The wheel by itself, away from the repository: all three packages, and a notebook that runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("course", "classroom", "lessons")
NOTEBOOK = "01_cosine_similarity.ipynb"


def run(*arguments: str | Path, **options: object) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """Return a folder with nothing but what the wheel holds."""
    folder, pip = tmp_path_factory.mktemp("wheel"), ("-m", "pip", "--no-input", "-q")
    source = folder / "source"  # setuptools leaves a build folder in the tree it builds
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source)
    (wheel,) = folder.glob("*.whl")
    run(*pip, "install", "--no-deps", "--no-index", "--target", folder / "target", wheel)
    return folder / "target"


def elsewhere(installed: Path, folder: Path) -> dict:
    return {"cwd": folder, "env": os.environ | {"PYTHONPATH": str(installed)}}


def test_the_wheel_carries_all_three_packages_and_the_checks_of_the_doctor(installed, tmp_path):
    code = (
        f"import importlib\nfor name in {PACKAGES}: print(importlib.import_module(name).__file__)"
    )
    homes = run("-c", code, **elsewhere(installed, tmp_path)).split()
    assert [Path(home).parent for home in homes] == [installed / name for name in PACKAGES]
    points = next(installed.glob("*.dist-info")) / "entry_points.txt"
    assert "[steady_frames.doctor]" in points.read_text()


def test_a_notebook_runs_from_any_folder_with_the_wheel_alone(installed, tmp_path):
    shutil.copy(ROOT / "notebooks" / NOTEBOOK, tmp_path)
    code = (
        "import nbformat, nbclient\n"
        f"notebook = nbformat.read({NOTEBOOK!r}, 4)\n"
        "last = nbformat.v4.new_code_cell('import course; print(course.__file__)')\n"
        "notebook.cells.append(last)\n"
        "nbclient.NotebookClient(notebook, timeout=300).execute()\n"
        "print(notebook.cells[-1].outputs[0].text)"
    )
    assert str(installed) in run("-c", code, **elsewhere(installed, tmp_path))

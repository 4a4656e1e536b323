"""The limit of a lesson is for its whole notebook, however its cells share the time."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NAP = "import time; time.sleep(3)"
APART = "import os; assert os.environ['HF_HUB_OFFLINE'] == '1'\n"
APART += "assert os.path.isdir(os.environ['STEADY_FRAMES_PROGRESS'])"
NOTEBOOKS = {
    "apart": (300, APART),
    "slow": (5, NAP, NAP),  # neither cell takes as long alone
    "endless": (4, NAP.replace("3", "600")),
    "raising": (300, "1 / 0"),
    "boundless": (None, "print('it ran')"),
}


def run(folder: Path, notebooks: dict, n_workers: int = 1) -> tuple[set[str], str]:
    """Run notebooks under the course's conftest; return which failed and what was printed."""
    environment = os.environ | {"PYTEST_XDIST_WORKER_COUNT": str(n_workers)}
    shutil.copy(ROOT / "conftest.py", folder)
    for name, (limit, *cells) in notebooks.items():
        facts = {} if limit is None else {"steady_frames": {"limit_seconds": limit}}
        notebook = nbformat.v4.new_notebook(metadata=facts)
        notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
        nbformat.write(notebook, folder / f"{name}.ipynb")
    command = [sys.executable, "-m", "pytest", "-q", "--nbmake", "--rootdir", str(folder), "."]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env=environment
    )
    failed = {name for name in notebooks if f"FAILED {name}.ipynb" in done.stdout}
    assert f"{len(notebooks) - len(failed)} passed" in done.stdout or failed == set(notebooks)
    assert done.returncode == bool(failed), done.stdout
    return failed, done.stdout


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> tuple[set[str], str]:
    return run(tmp_path_factory.mktemp("notebooks"), NOTEBOOKS)


def test_a_notebook_runs_offline_and_apart_from_ones_own_progress(ran):
    assert "apart" not in ran[0], ran[1]


def test_cells_that_together_take_longer_than_the_limit_fail(ran):
    assert "slow" in ran[0]


def test_a_cell_that_does_not_end_is_stopped(ran):
    assert "endless" in ran[0]


def test_a_cell_that_raises_fails_its_notebook(ran):
    assert "raising" in ran[0] and "ZeroDivisionError" in ran[1]


def test_a_notebook_without_a_limit_does_not_run(ran):
    assert "boundless" in ran[0] and "has no limit" in ran[1] and "it ran" not in ran[1]


def test_a_notebook_that_shares_two_cores_gets_twice_the_time(tmp_path):
    failed, text = run(tmp_path, {"shared": (8, NAP.replace("3", "9"))}, n_workers=2)
    assert not failed, text


def test_notebooks_come_last_and_the_longest_of_them_first(tmp_path):
    found = runpy.run_path(str(ROOT / "conftest.py"))["pytest_collection_modifyitems"]
    items = [SimpleNamespace(nbmake=True, filename=tmp_path / f"{limit}") for limit in (60, 400)]
    for item in items:
        facts = {"steady_frames": {"limit_seconds": int(item.filename.name)}}
        item.filename.write_text(json.dumps({"metadata": facts}))
    test = SimpleNamespace()
    found(order := [*items, test])
    assert order == [test, *items[::-1]]

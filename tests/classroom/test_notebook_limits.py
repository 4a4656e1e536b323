"""The limit of a lesson is for its whole notebook, however its cells share the time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[2]
NAP = "import time; time.sleep(4)"


def run(folder: Path, limit: int | None, *cells: str, n_workers: int = 1) -> tuple[int, str]:
    """Run a notebook under the course's conftest; return the exit code and what was printed."""
    environment = os.environ | {"PYTEST_XDIST_WORKER_COUNT": str(n_workers)}
    shutil.copy(ROOT / "conftest.py", folder)
    facts = {} if limit is None else {"steady_frames": {"limit_seconds": limit}}
    notebook = nbformat.v4.new_notebook(metadata=facts)
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(notebook, folder / "lesson.ipynb")
    command = [sys.executable, "-m", "pytest", "-q", "--nbmake", "--rootdir", str(folder), "."]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env=environment
    )
    return done.returncode, done.stdout


def test_a_notebook_runs_offline_and_apart_from_ones_own_progress(tmp_path):
    wanted = "import os; assert os.environ['HF_HUB_OFFLINE'] == '1'\n"
    wanted += "assert os.path.isdir(os.environ['STEADY_FRAMES_PROGRESS'])"
    status, text = run(tmp_path, 300, wanted)
    assert status == 0, text


def test_cells_that_together_take_longer_than_the_limit_fail(tmp_path):
    status, text = run(tmp_path, 6, NAP, NAP.replace("4", "600"))
    assert status == 1 and "1 failed" in text


def test_a_notebook_that_shares_two_cores_gets_twice_the_time(tmp_path):
    status, text = run(tmp_path, 8, NAP.replace("4", "9"), n_workers=2)
    assert status == 0, text


def test_a_cell_that_raises_fails_its_notebook(tmp_path):
    status, text = run(tmp_path, 300, "1 / 0")
    assert status == 1 and "ZeroDivisionError" in text


def test_a_notebook_without_a_limit_does_not_run(tmp_path):
    status, text = run(tmp_path, None, "print('it ran')")
    assert status == 1 and "has no limit" in text and "it ran" not in text

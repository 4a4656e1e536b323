"""What make would do, without doing it: a class is set up from a folder, learners without tools."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="needs make")


def planned(*arguments: str) -> str:
    """Return the commands that make would run to set up a folder without an environment."""
    command = ["make", "-n", "--no-print-directory", *arguments, "VENV=/no/such/folder"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def installs(*arguments: str) -> list[str]:
    plan = planned("setup", *arguments).replace("\\\n", "").splitlines()
    return [line for line in plan if " install " in line and "sudo" not in line]


def test_a_set_up_from_a_folder_asks_no_network():
    lines = installs("OFFLINE=/a/folder")
    assert lines and all('--no-index --find-links "/a/folder"' in line for line in lines)


def test_a_set_up_without_a_folder_asks_the_network():
    assert not any("--no-index" in line for line in installs())


def test_learners_get_locked_versions_and_no_tools_of_developers():
    lines = installs("LEARNER=1")
    assert all("-c requirements.lock" in line for line in lines)
    assert '".[lessons]"' in lines[-1] and not any("-r requirements.lock" in x for x in lines)


def test_learners_see_no_menu_of_teachers():
    assert "labextension disable" in planned("setup", "LEARNER=1")
    assert "labextension disable" not in planned("setup")


def test_the_lab_opens_the_first_lesson_and_reaches_the_solutions():
    command = planned("lab").replace("\\\n", "")
    root = ROOT / re.search(r"--ServerApp.root_dir=(\S+)", command)[1]
    first = root / re.search(r"default_url=/lab/tree/(\S+)", command)[1]
    assert first.is_file() and (root / "solutions" / first.name).is_file()


@pytest.mark.parametrize("learner", ["", "1"])
def test_the_folder_holds_what_the_set_up_installs(learner):
    wanted = '".[lessons]"' if learner else "-r requirements.lock"
    assert wanted in planned("wheelhouse", f"LEARNER={learner}")

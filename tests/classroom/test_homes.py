"""Properties of the ways to open a lesson elsewhere: Colab, Binder, a devcontainer."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import pytest
from lesson_texts import KNOWN, write_course

from classroom.builder import build
from classroom.builder.colab import KEPT, buttons, colab_code, repository

ROOT = Path(__file__).parents[2]
GITHUB = "https://github.com/someone/steady-frames"
BINDER = ROOT / ".binder"


def built(folder: Path, address: str) -> list[dict]:
    """Build a lesson under a `pyproject.toml` with this address; return the learner's cells."""
    write_course(folder)
    (folder / "pyproject.toml").write_text(f'[tool.steady-frames]\nrepository = "{address}"\n')
    build(folder, known=KNOWN)
    return json.loads((folder / "notebooks" / "00_tiny.ipynb").read_text())["cells"]


@pytest.fixture
def asked(monkeypatch) -> list:
    """Catch what would be run, and let the course look as if it were missing."""
    calls: list = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: calls.append(command))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    return calls


@pytest.mark.parametrize("address", ["", GITHUB])
def test_the_cell_does_nothing_outside_colab(address, asked):
    exec(colab_code(address), {})
    assert asked == []


def test_in_colab_the_cell_installs_the_course_and_keeps_what_is_there(asked, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    exec(colab_code(GITHUB), {})
    ((*_, source, torch, numpy, ipython),) = asked
    assert source == f"git+{GITHUB}"
    assert [each.partition("==")[0] for each in (torch, numpy, ipython)] == list(KEPT)


def test_without_an_address_the_cell_takes_a_wheel_or_says_that_it_wants_one(
    asked, monkeypatch, tmp_path
):
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError, match=r"Upload the course's wheel, steady_frames-\*.whl"):
        exec(colab_code(""), {})
    (tmp_path / "steady_frames-1.whl").touch()
    exec(colab_code(""), {})
    assert "steady_frames-1.whl" in asked[0]


def test_buttons_and_address_are_left_out_until_the_address_is_known(tmp_path):
    cells = built(tmp_path, "")
    assert cells[1]["metadata"]["tags"] == ["colab", "remove-cell"]
    text = json.dumps(cells)
    assert "git+" not in text and "colab.research" not in text and "mybinder" not in text


def test_one_setting_makes_the_buttons_and_the_address(tmp_path):
    cells = built(tmp_path, GITHUB)
    assert f"git+{GITHUB}" in "".join(cells[1]["source"])
    path = "someone/steady-frames/blob/main/notebooks/00_tiny.ipynb"
    assert f"colab.research.google.com/github/{path}" in "".join(cells[0]["source"])


def test_the_cell_moves_no_id_by_which_saved_work_is_known(tmp_path):
    ids = [cell["id"] for cell in built(tmp_path, "")]
    assert ids == ["00-tiny-00", "00-tiny-colab", *(f"00-tiny-{n:02d}" for n in range(1, 7))]


def test_places_that_colab_does_not_know_get_no_buttons():
    assert buttons("https://example.org/a/b", "notebooks/x.ipynb") == ""


def test_an_address_that_is_none_is_refused(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.steady-frames]\nrepository = "my place"\n')
    with pytest.raises(ValueError, match="repository is 'my place'; wanted an address"):
        repository(tmp_path)


def test_the_package_needs_nothing_of_jupyter():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert not [n for n in project["dependencies"] if n.startswith(("ipython", "ipy", "jup", "nb"))]


def test_binder_installs_the_locked_torch_then_the_course_and_no_menu_for_teachers(tmp_path):
    """Run postBuild with a python that only writes down what it is asked."""
    fake = tmp_path / "python"
    fake.write_text(f'#!/bin/sh\necho "$@" >>"{tmp_path}/asked"\n')
    fake.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run([BINDER / "postBuild"], env=os.environ | {"PATH": path}, check=True)
    torch, course, menu = (tmp_path / "asked").read_text().splitlines()
    lock = (ROOT / "requirements.lock").read_text()
    assert "whl/cpu" in torch and torch.split()[4] in lock and course.endswith(".[lessons]")
    assert "labextension disable" in menu and menu.endswith("@jupyter/nbgrader")


def test_binder_and_the_devcontainer_lead_to_files_that_are_there():
    start = (BINDER / "start").read_text()
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    first = container["customizations"]["codespaces"]["openFiles"][0]
    assert (ROOT / first).is_file() and first in start
    assert (ROOT / container["postCreateCommand"].split()[1]).is_file()

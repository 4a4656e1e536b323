"""The set-up check: what is broken is named with what to do, and the rest is checked too."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from types import SimpleNamespace

import pytest

import course
from classroom import doctor as of_notebooks
from classroom import server
from course import doctor

VERSION = metadata.version


def problems() -> list[str]:
    text, healthy = doctor.report()
    found = [line for line in text.splitlines() if line.startswith("PROBLEM")]
    assert healthy is not bool(found) and len(text.splitlines()) == 8
    return found


def without(monkeypatch, *missing: str, **others: str) -> None:
    """Hide packages, or give them other versions."""

    def version(name: str) -> str:
        if name in missing:
            raise metadata.PackageNotFoundError(name)
        return others.get(name) or VERSION(name)

    monkeypatch.setattr(metadata, "version", version)


def kernel(monkeypatch, command: str | None) -> None:
    """Let Jupyter know one kernel python3 with this command, or none."""
    spec = SimpleNamespace(argv=[command, "-m", "ipykernel_launcher"], resource_dir="/kernels/p3")
    manager = "jupyter_client.kernelspec.KernelSpecManager"
    found = {} if command is None else {"python3": "/kernels/p3"}
    monkeypatch.setattr(f"{manager}.find_kernel_specs", lambda self: found)
    monkeypatch.setattr(f"{manager}.get_kernel_spec", lambda self, name: spec)


def test_a_sound_set_up_has_no_problem():
    assert problems() == []


def test_the_report_names_versions_clip_device_kernel_widgets_and_disk():
    text, _ = doctor.report()
    words = "Python 3", f"torch {VERSION('torch')}", f"a clip opens (av {VERSION('av')})", "device"
    assert [word for word in (*words, "kernel", "widgets", "disk") if word not in text] == []


def test_an_old_python_is_told_which_one_is_wanted(monkeypatch):
    monkeypatch.setattr(doctor, "_OLDEST_PYTHON", (4, 0))
    (line,) = problems()
    assert "4.0" in line and "make setup PYTHON=" in line


def test_missing_packages_are_all_named(monkeypatch):
    without(monkeypatch, "peft", "av")
    (line,) = problems()
    assert "peft, av" in line and "make setup" in line


def test_a_clip_that_does_not_open_is_told_with_what_came(monkeypatch):
    def broken(path):
        raise AttributeError("'Type' object has no attribute 'type'")  # as of another PyAV

    monkeypatch.setattr("course.clips.read_clip", broken)
    (line,) = problems()
    assert "AttributeError: 'Type' object" in line and "make setup" in line


def test_a_pyav_that_cannot_be_loaded_is_told_with_what_came(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    (line,) = problems()
    assert "does not open (ModuleNotFoundError" in line and "make setup" in line


def test_a_clip_and_a_model_that_are_not_there_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor.resources, "files", lambda package: tmp_path)
    clip, model = problems()
    assert str(tmp_path / "samples") in clip and "make setup" in clip
    assert str(tmp_path) in model and "install" in model


@pytest.mark.parametrize("command", ["python", "python3", sys.executable])
def test_a_kernel_of_this_environment_is_right(monkeypatch, command):
    kernel(monkeypatch, command)
    assert problems() == []


def test_a_kernel_of_another_python_is_named_with_its_folder(monkeypatch):
    kernel(monkeypatch, "/elsewhere/bin/python3")
    (line,) = problems()
    assert all(part in line for part in ("/elsewhere/bin/python3", sys.executable, "/kernels/p3"))


def test_a_jupyter_without_kernel_is_told_the_command(monkeypatch):
    kernel(monkeypatch, None)
    (line,) = problems()
    assert "ipykernel install" in line


def test_a_notebook_in_a_foreign_kernel_is_told_to_change_it(monkeypatch):
    monkeypatch.setattr(of_notebooks, "_inside_a_kernel", lambda: True)
    assert problems() == []
    without(monkeypatch, "steady-frames")
    (line,) = problems()
    assert sys.executable in line and "Change Kernel" in line


@pytest.mark.parametrize("half", ["ipywidgets", "jupyterlab_widgets"])
def test_half_of_the_widgets_is_a_problem(monkeypatch, half):
    without(monkeypatch, half)
    assert any(half in line and "make setup" in line for line in problems())


def test_widgets_that_do_not_fit_each_other_are_named(monkeypatch):
    without(monkeypatch, ipywidgets="8.1.5", jupyterlab_widgets="1.1.1")
    (line,) = problems()
    assert "8.1.5" in line and "1.1.1" in line and "3.x" in line


def test_widgets_without_their_files_are_a_problem(monkeypatch, tmp_path):
    gone = metadata.PackagePath("share", of_notebooks._EXTENSION)
    gone.dist = SimpleNamespace(locate_file=lambda path: tmp_path / path)
    monkeypatch.setattr(metadata, "files", lambda name: [gone])
    (line,) = problems()
    assert "not on the disk" in line


@pytest.mark.parametrize("listed", [True, False])
def test_widgets_that_are_switched_off_are_told_how_to_come_back(monkeypatch, tmp_path, listed):
    name = "@jupyter-widgets/jupyterlab-manager"
    path = tmp_path / "etc" / "jupyter" / "labconfig" / "page_config.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"disabledExtensions": [name] if listed else {name: True}}))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    (line,) = problems()
    assert f"labextension enable {name}" in line


NAME = "@jupyter-widgets/jupyterlab-manager"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({NAME: True}, "has its part"),
        ({NAME: False}, "labextension enable"),
        ({}, "jupyterlab_widgets is missing in its environment"),
        (None, "cannot be asked"),
    ],
)
def test_the_running_server_is_asked_for_its_half_of_the_widgets(monkeypatch, found, said):
    monkeypatch.setattr(of_notebooks, "_inside_a_kernel", lambda: True)
    monkeypatch.setattr(server, "of_this_kernel", lambda: server.Server("http://here/", ""))
    monkeypatch.setattr(server, "extensions", lambda running: found)
    assert any(said in line for line in doctor.report()[0].splitlines())


def test_a_server_that_cannot_be_reached_is_not_seen():
    assert server.extensions(server.Server("http://127.0.0.1:9/", "")) is None


def test_without_a_clone_the_advice_is_the_wheel_and_no_name_on_an_index(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "__file__", str(tmp_path / "course" / "doctor.py"))
    wanted = doctor.repair().partition('pip install --force-reinstall "')[2]
    assert wanted == f'steady_frames-{course.__version__}-py3-none-any.whl[lessons]"'


def test_a_full_disk_is_told_what_to_remove(monkeypatch):
    monkeypatch.setattr(doctor, "_DISK_MIB", 10**12)
    (line,) = problems()
    assert "make clean" in line


def test_an_installation_without_the_checks_of_notebooks_is_told_to_renew_itself(monkeypatch):
    monkeypatch.setattr(doctor, "_FURTHER", "no.such.group")
    text, healthy = doctor.report()
    assert not healthy and "not registered" in text and "make setup" in text


def test_a_check_that_cannot_be_imported_is_a_line_of_the_report(monkeypatch):
    broken = metadata.EntryPoint("broken", "no_such_package:check", doctor._FURTHER)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [broken])
    text, healthy = doctor.report()
    assert not healthy and "no_such_package" in text and "disk" in text

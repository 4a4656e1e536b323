"""The set-up check: versions, a clip, device, model and disk, each with what to do.

Packages above this one add checks of theirs (`classroom` those of kernel and widgets) as entry
points of the group "steady_frames.doctor": functions that return a line or raise what to do.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from importlib import metadata, resources
from pathlib import Path

from course import __version__

_PACKAGES = (
    "torch", "diffusers", "transformers", "peft", "accelerate", "av", "jupyterlab", "ipywidgets",
    "matplotlib",
)  # fmt: skip
_OLDEST_PYTHON = (3, 11)
_DISK_MIB = 500
_FURTHER = "steady_frames.doctor"  # entry points: checks of what stands above this package


def report() -> tuple[str, bool]:
    """Return the check as lines of text, and whether everything needed is there.

    Each line starts with "ok" or "PROBLEM"; a problem says what to do.
    """
    lines: list[str] = []
    healthy = True
    for check in (_python, _packages, _clip, _device, _model, *_further(), _disk):
        try:
            lines.append(f"ok       {check()}")
        except Exception as error:  # whatever is broken, the other checks must still be shown
            lines.append(f"PROBLEM  {error}")
            healthy = False
    return "\n".join(lines), healthy


def repair() -> str:
    """Return how to put an installation right: by make in a clone, with the wheel elsewhere."""
    if (Path(__file__).parents[1] / "Makefile").is_file():
        return "Run: rm -f .venv/.installed && make setup"  # make takes what is marked for whole
    # A file and no name: on an index of packages the name could be somebody else's.
    wheel = f"steady_frames-{__version__}-py3-none-any.whl"
    return f'Install the wheel of the course anew: pip install --force-reinstall "{wheel}[lessons]"'


def _python() -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < _OLDEST_PYTHON:
        wanted = ".".join(map(str, _OLDEST_PYTHON))
        raise RuntimeError(
            f"Python {version} is too old, {wanted} or newer is wanted. Install it, then run: "
            f"rm -rf .venv && make setup PYTHON=python{wanted}"
        )
    return f"Python {version} in {sys.prefix}"


def _packages() -> str:
    found, missing = [], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        raise RuntimeError(f"missing packages: {', '.join(missing)}. {repair()}")
    return ", ".join(found)


def _clip() -> str:
    try:
        import av

        from course.clips import read_clip

        read_clip(str(resources.files("course") / "samples" / "red_circle.mp4"))
    except Exception as error:  # as in report; what came is told, whatever it is
        came = f"{type(error).__name__}: {error}"
        raise RuntimeError(f"the clip that ships does not open ({came}). {repair()}") from error
    return f"a clip opens (av {av.__version__})"


def _device() -> str:
    import torch

    import course

    threads = torch.get_num_threads()
    return f"device {course.device()}, {threads} threads; a CPU is enough for every lesson"


def _model() -> str:
    folder = Path(str(resources.files("course") / "embedded"))
    parts = list(folder.glob("*/*.safetensors"))
    if not (folder / "model_index.json").is_file() or len(parts) < 3:
        raise RuntimeError(f"the embedded model is not whole in {folder}: install the package anew")
    size = sum(part.stat().st_size for part in parts) / 2**20
    return f"embedded model, {size:.1f} MiB"


def _further() -> list[Callable[[], str]]:
    """Return the checks that installed packages add, in the order of their names."""
    # Loaded when called, so that one that cannot be imported is a line of the report.
    found = [lambda entry=entry: entry.load()() for entry in metadata.entry_points(group=_FURTHER)]
    return found or [_no_further]


def _no_further() -> str:
    raise RuntimeError(
        "the checks of Jupyter's kernel and widgets are not registered: the installation is older "
        f"than the code. {repair()}"
    )


def _disk() -> str:
    free = shutil.disk_usage(Path.cwd()).free / 2**20
    if free < _DISK_MIB:
        raise RuntimeError(
            f"{free:.0f} MiB of disk left in {Path.cwd()}: free {_DISK_MIB} MiB, for example with "
            "make clean, which removes outputs/ and caches"
        )
    return f"{free / 1024:.0f} GiB of disk left in {Path.cwd()}"

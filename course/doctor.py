"""The set-up check: versions, device, model, kernel, widgets and disk, each with what to do."""

from __future__ import annotations

import json
import os
import shutil
import sys
from importlib import metadata, resources
from pathlib import Path

_PACKAGES = (
    "torch", "diffusers", "transformers", "peft", "accelerate", "av", "jupyterlab", "ipywidgets",
    "matplotlib",
)  # fmt: skip
_OLDEST_PYTHON = (3, 11)
_DISK_MIB = 500
_WIDGET_MAJORS = {"8": "3", "7": "1"}  # of ipywidgets, and of jupyterlab_widgets that fits it
_EXTENSION = "@jupyter-widgets/jupyterlab-manager/package.json"


def report() -> tuple[str, bool]:
    """Return the check as lines of text, and whether everything needed is there.

    Each line starts with "ok" or "PROBLEM"; a problem says what to do.
    """
    lines: list[str] = []
    healthy = True
    for check in (_python, _packages, _device, _model, _kernel, _widgets, _disk):
        try:
            lines.append(f"ok       {check()}")
        except Exception as error:  # whatever is broken, the other checks must still be shown
            lines.append(f"PROBLEM  {error}")
            healthy = False
    return "\n".join(lines), healthy


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
        raise RuntimeError(f"missing packages: {', '.join(missing)}. Run: make setup")
    return ", ".join(found)


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


def _kernel() -> str:
    """Check that the notebooks' kernel is this interpreter, from inside it or from a terminal."""
    from jupyter_client.kernelspec import KernelSpecManager

    if _inside_a_kernel():
        return _running_kernel()
    manager = KernelSpecManager()
    if "python3" not in manager.find_kernel_specs():
        raise RuntimeError("no python3 kernel for Jupyter. Run: python -m ipykernel install --user")
    spec = manager.get_kernel_spec("python3")
    # Jupyter puts its own interpreter where a kernel only says "python".
    started = sys.executable if not os.path.dirname(spec.argv[0]) else spec.argv[0]
    if Path(started).absolute().parent != Path(sys.executable).absolute().parent:
        raise RuntimeError(
            f"Jupyter's kernel python3 is {started}, and the course is installed for "
            f"{sys.executable}. Remove the folder {spec.resource_dir}, or run: "
            f"{sys.executable} -m ipykernel install --user"
        )
    return f"Jupyter kernel python3 is {started}"


def _running_kernel() -> str:
    try:
        metadata.version("steady-frames")
    except metadata.PackageNotFoundError:
        raise RuntimeError(
            f"this notebook runs in {sys.executable}, where the course is not installed. Choose "
            "Kernel, Change Kernel and the course's environment, or close JupyterLab and run: "
            "make lab"
        ) from None
    return f"this notebook's kernel is {sys.executable}"


def _inside_a_kernel() -> bool:
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


def _widgets() -> str:
    """Check that the kernel's half of the widgets and JupyterLab's half are there and fit."""
    again = "Run: make setup, then close JupyterLab and start it again"
    try:
        kernel_half = metadata.version("ipywidgets")
        lab_half = metadata.version("jupyterlab_widgets")
    except metadata.PackageNotFoundError as error:
        raise RuntimeError(f"no sliders in notebooks: {error.name} is missing. {again}") from None
    pair = f"ipywidgets {kernel_half} with jupyterlab_widgets {lab_half}"
    wanted = _WIDGET_MAJORS.get(kernel_half.partition(".")[0])
    if wanted and lab_half.partition(".")[0] != wanted:
        raise RuntimeError(f"{pair} do not fit ({wanted}.x is wanted). {again}")
    files = metadata.files("jupyterlab_widgets") or []
    extension = [file.locate() for file in files if str(file).endswith(_EXTENSION)]
    if files and not any(path.is_file() for path in map(Path, extension)):
        raise RuntimeError(f"{pair}: JupyterLab's part is not on the disk. {again}")
    name = _EXTENSION.removesuffix("/package.json")
    if _switched_off(name):
        raise RuntimeError(f"JupyterLab's {name} is off. Run: jupyter labextension enable {name}")
    return f"widgets: {pair}"


def _switched_off(extension: str) -> bool:
    """Tell whether a page setting of this environment disables an extension of JupyterLab."""
    path = Path(sys.prefix) / "etc" / "jupyter" / "labconfig" / "page_config.json"
    if not path.is_file():
        return False
    disabled = json.loads(path.read_text()).get("disabledExtensions", {})
    switches = dict.fromkeys(disabled, True) if isinstance(disabled, list) else disabled
    return switches.get(extension) is True


def _disk() -> str:
    free = shutil.disk_usage(Path.cwd()).free / 2**20
    if free < _DISK_MIB:
        raise RuntimeError(
            f"{free:.0f} MiB of disk left in {Path.cwd()}: free {_DISK_MIB} MiB, for example with "
            "make clean, which removes outputs/ and caches"
        )
    return f"{free / 1024:.0f} GiB of disk left in {Path.cwd()}"

"""The set-up check: versions, device, model, kernel, widgets and disk, each with what to do."""

from __future__ import annotations

import shutil
import sys
from importlib import metadata, resources
from pathlib import Path

_PACKAGES = (
    "torch", "diffusers", "transformers", "peft", "accelerate", "av", "jupyterlab", "ipywidgets",
    "matplotlib",
)  # fmt: skip
_DISK_MIB = 500


def report() -> tuple[str, bool]:
    """Return the check as lines of text, and whether everything needed is there.

    Each line starts with "ok" or "PROBLEM"; a problem says what to do.
    """
    lines: list[str] = []
    healthy = True
    for check in (_python, _packages, _device, _model, _kernel, _disk):
        try:
            lines.append(f"ok       {check()}")
        except Exception as error:  # whatever is broken, the other checks must still be shown
            lines.append(f"PROBLEM  {error}")
            healthy = False
    return "\n".join(lines), healthy


def _python() -> str:
    return "Python " + ".".join(map(str, sys.version_info[:3]))


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
    from jupyter_client.kernelspec import KernelSpecManager

    kernels = KernelSpecManager().find_kernel_specs()
    if "python3" not in kernels:
        raise RuntimeError("no python3 kernel for Jupyter. Run: python -m ipykernel install --user")
    return "Jupyter kernel python3"


def _disk() -> str:
    free = shutil.disk_usage(Path.cwd()).free / 2**20
    if free < _DISK_MIB:
        raise RuntimeError(f"{free:.0f} MiB of disk left here: free {_DISK_MIB} MiB")
    return f"{free / 1024:.0f} GiB of disk left here"

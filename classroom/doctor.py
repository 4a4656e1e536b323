"""What notebooks need of the set-up: Jupyter's kernel, and both halves of the widgets.

`course.doctor` finds these checks as entry points and shows them in its report.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import metadata
from pathlib import Path

from classroom import server
from course.doctor import repair

_WIDGET_MAJORS = {"8": "3", "7": "1"}  # of ipywidgets, and of jupyterlab_widgets that fits it
_EXTENSION = "@jupyter-widgets/jupyterlab-manager/package.json"


def kernel() -> str:
    """Check that the notebooks' kernel is this interpreter, from inside it or from a terminal.

    Returns a line for the report; raises RuntimeError with what to do.
    """
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


def widgets() -> str:
    """Check that the kernel's half of the widgets and JupyterLab's half are there and fit.

    In a notebook the running server is asked, whose environment may be another one. Returns a line
    for the report; raises RuntimeError with what to do.
    """
    again = f"{repair()}, then close JupyterLab and start it again"
    try:
        kernel_half = metadata.version("ipywidgets")
    except metadata.PackageNotFoundError:
        raise RuntimeError(f"no sliders in notebooks: ipywidgets is missing. {again}") from None
    if _inside_a_kernel():
        return f"widgets: ipywidgets {kernel_half} in this kernel; {_in_the_page(again)}"
    return _beside_the_kernel(kernel_half, again)


def _in_the_page(again: str) -> str:
    """Say whether the running JupyterLab has its half of the widgets, or that it is not seen."""
    running = server.of_this_kernel()
    found = None if running is None else server.extensions(running)
    if found is None:
        return "the page that shows this notebook cannot be asked whether it shows sliders"
    name = _EXTENSION.removesuffix("/package.json")
    if name not in found:
        raise RuntimeError(
            f"the JupyterLab at {running.url} shows no sliders: jupyterlab_widgets is missing in "
            f"its environment, which is another one than this kernel's. Install it there, or: "
            f"{again}"
        )
    if not found[name]:
        raise RuntimeError(
            f"the JupyterLab at {running.url} has {name} off. Run there: "
            f"jupyter labextension enable {name}"
        )
    return f"JupyterLab at {running.url} has its part"


def _beside_the_kernel(kernel_half: str, again: str) -> str:
    """Check JupyterLab's half in this environment, from a terminal."""
    try:
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
    return f"widgets: {pair}; a JupyterLab of another environment is not seen from here"


def _switched_off(extension: str) -> bool:
    """Tell whether a page setting of this environment disables an extension of JupyterLab."""
    path = Path(sys.prefix) / "etc" / "jupyter" / "labconfig" / "page_config.json"
    if not path.is_file():
        return False
    disabled = json.loads(path.read_text()).get("disabledExtensions", {})
    switches = dict.fromkeys(disabled, True) if isinstance(disabled, list) else disabled
    return switches.get(extension) is True

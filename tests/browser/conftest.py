"""JupyterLab as a learner starts it, but with files, settings and progress of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = {
    # All cells stand in the page at once, not only those in sight.
    "notebook-extension/tracker": {"windowingMode": "none"},
    "codemirror-extension/plugin": {"defaultConfig": {"autoClosingBrackets": False}},
    "apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def write_settings(folder: Path) -> None:
    for name, values in SETTINGS.items():
        path = folder / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))


def wait_for_server(url: str, process: subprocess.Popen, log: Path, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/api/status", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def site_folder(tmp_path_factory) -> Path:
    """Where the site is built: one folder for all processes, so that a lesson runs once."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "site"


@pytest.fixture(scope="module")
def jupyterlab(tmp_path_factory, request):
    """Run JupyterLab on a free port, with NOTEBOOK as the module builds it; give its address."""
    folder = tmp_path_factory.mktemp("lab")
    work, settings, log = folder / "work", folder / "settings", folder / "server.log"
    work.mkdir()
    (work / request.module.NOTEBOOK.name).write_bytes(request.module.built())
    write_settings(settings)
    port = free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--ServerApp.port={port}"]
    command += ["--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1", "--allow-root"]
    command += ["--IdentityProvider.token=", f"--ServerApp.root_dir={work}"]
    command += ["--expose-app-in-browser"]  # for the theme
    own = {
        "JUPYTER_CONFIG_DIR": folder / "config",
        "JUPYTER_DATA_DIR": folder / "data",
        "JUPYTER_RUNTIME_DIR": folder / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": settings,
        "JUPYTERLAB_WORKSPACES_DIR": folder / "workspaces",
        "IPYTHONDIR": folder / "ipython",
        # What the test passes must not count among what the tester has done.
        "STEADY_FRAMES_PROGRESS": folder / "progress.json",
        "PYTHONPATH": ROOT,
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=os.environ | {k: str(v) for k, v in own.items()}, cwd=work,
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            wait_for_server(f"http://127.0.0.1:{port}", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()  # which ends the kernels too
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()

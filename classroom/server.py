"""Asks the Jupyter server that shows this notebook which extensions its pages have.

The server may live in another environment than the kernel; what is installed beside the kernel says
nothing about it.
"""

from __future__ import annotations

import json
import os
import re
import urllib.request
from dataclasses import dataclass

_SECONDS = 5.0
_CONFIG = re.compile(r'id="jupyter-config-data"[^>]*>(.*?)</script>', re.DOTALL)


@dataclass(frozen=True)
class Server:
    """A running Jupyter server: its address, and the token that it asks for."""

    url: str
    token: str


def of_this_kernel() -> Server | None:
    """Return the server that started this kernel, or None where none can be seen.

    None too in an editor that starts kernels itself, and on a machine that only lends a kernel.
    """
    from jupyter_server.serverapp import list_running_servers

    parent = int(os.environ.get("JPY_PARENT_PID") or os.getppid())
    servers = (each for each in list_running_servers() if each.get("pid") == parent)
    found = next(servers, None)
    return None if found is None else Server(found["url"], found.get("token", ""))


def extensions(server: Server) -> dict[str, bool] | None:
    """Return the extensions of a server's JupyterLab, each with whether it is on.

    None where the page cannot be read: it wants a password, or it is no JupyterLab.
    """
    page = _page(server)
    if page is None:
        return None
    config = json.loads(page)
    switches = config.get("disabledExtensions", [])
    off = {name for name in switches if not isinstance(switches, dict) or switches[name]}
    off = {name.partition(":")[0] for name in off}  # one plug-in of an extension has its own name
    return {each["name"]: each["name"] not in off for each in config["federated_extensions"]}


def _page(server: Server) -> str | None:
    """Return the settings that a server's JupyterLab page carries, None where there is none."""
    headers = {"Authorization": f"token {server.token}"} if server.token else {}
    request = urllib.request.Request(f"{server.url}lab", headers=headers)
    # The server is on this machine: no proxy knows it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_SECONDS) as answer:
            found = _CONFIG.search(answer.read().decode())
    except (OSError, ValueError):
        return None
    return None if found is None else found.group(1)

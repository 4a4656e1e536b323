"""A JupyterHub on this machine's loopback, with the configuration that ships and five learners.

Takes minutes, and packages that the course itself does not need: it runs only where HUB names a
folder with them. deploy/hub/README.md says how such a folder is made; then
`HUB=folder python -m pytest -s tests/test_hub.py`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HUB = os.environ.get("HUB", "")
LEARNERS = ("ann", "ben", "cho", "dia", "eli")
LESSON = "00_start_here.ipynb"
PATIENCE = 900
CONFIG = """
import os
load_subconfig({shipped!r})
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {homes!r} + "/{{username}}"
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub_port}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.ConfigurableHTTPProxy.command = {proxy!r}
c.JupyterHub.services += [{{"name": "tester", "api_token": {token!r}}}]
c.JupyterHub.load_roles += [{{"name": "tester", "services": ["tester"], "scopes":
    ["admin:users", "admin:servers", "access:servers", "tokens"]}}]
c.Spawner.args = ["--allow-root"]
c.Spawner.environment |= {{
    "PYTHONPATH": {root!r},
    # The hub's environment sees the course's packages, and JupyterLab's files lie beside these.
    "JUPYTERLAB_DIR": {course!r} + "/share/jupyter/lab",
    "JUPYTER_PATH": {course!r} + "/share/jupyter",
    "JUPYTER_CONFIG_PATH": {course!r} + "/etc/jupyter",
}}
c.JupyterHub.allow_root = True
"""
pytestmark = pytest.mark.skipif(not HUB, reason="slow, and needs JupyterHub: set HUB (see above)")


def free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """Start the hub; give its address and a token that may do everything."""
    folder = tmp_path_factory.mktemp("hub")
    (folder / "homes").mkdir()
    port, token = free_port(), uuid.uuid4().hex
    text = CONFIG.format(
        shipped=str(ROOT / "deploy" / "hub" / "jupyterhub_config.py"),
        homes=str(folder / "homes"),
        port=port,
        hub_port=free_port(),
        api_port=free_port(),
        proxy=str(Path(HUB) / "node_modules" / ".bin" / "configurable-http-proxy"),
        token=token,
        root=str(ROOT),
        course=sys.prefix,
    )
    (folder / "config.py").write_text(text)
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [f"{HUB}/venv/bin/jupyterhub", "-f", "config.py"],
            cwd=folder, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{port}", token, log, process
    finally:
        process.send_signal(signal.SIGINT)  # which ends the servers too
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


async def asked(url: str, token: str, method: str = "GET", body: object = None, **more) -> object:
    """Ask the hub or a learner's server; return what came."""
    from tornado.httpclient import AsyncHTTPClient, HTTPRequest

    data = None if method == "GET" else json.dumps(body or {})
    request = HTTPRequest(
        url, method=method, body=data, headers={"Authorization": f"token {token}"},
        request_timeout=300, connect_timeout=300, **more,
    )  # fmt: skip
    answer = await AsyncHTTPClient().fetch(request)
    text = answer.body.decode()
    return json.loads(text) if text.startswith(("{", "[")) else text


async def started(url: str, token: str, name: str) -> str:
    """Log a learner in and start their server; return its address."""
    await asked(f"{url}/hub/api/users/{name}", token, "POST")
    await asked(f"{url}/hub/api/users/{name}/server", token, "POST")
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if (await asked(f"{url}/hub/api/users/{name}", token))["servers"].get("", {}).get("ready"):
            return f"{url}/user/{name}"
        await asyncio.sleep(0.5)
    raise TimeoutError(f"the server of {name} did not start")


async def run_cells(server: str, token: str, sources: list[str]) -> list[str]:
    """Run cells in a new kernel of a learner's server; return the errors."""
    from tornado.httpclient import HTTPRequest
    from tornado.websocket import websocket_connect

    kernel = await asked(f"{server}/api/kernels", token, "POST", {"name": "python3"})
    address = f"{server}/api/kernels/{kernel['id']}/channels".replace("http", "ws", 1)
    request = HTTPRequest(address, headers={"Authorization": f"token {token}"})
    socket = await websocket_connect(request, max_message_size=10**8)
    errors = []
    for source in sources:
        number = uuid.uuid4().hex
        content = {"code": source, "silent": False, "store_history": True, "allow_stdin": False}
        header = {"msg_id": number, "msg_type": "execute_request", "version": "5.3"}
        header |= {"session": number, "username": "learner"}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        await socket.write_message(json.dumps(message | {"channel": "shell"}))
        replied = False
        while not replied:
            heard = json.loads(await asyncio.wait_for(socket.read_message(), PATIENCE))
            if heard["parent_header"].get("msg_id") == number and heard["channel"] == "shell":
                replied = True
                if heard["content"]["status"] != "ok":
                    errors.append(f"{source[:80]}: {heard['content'].get('evalue')}")
    return errors


def memory_of(name: str) -> float:
    """Return the MiB that a learner's processes take, pages that several share counted by share."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"JUPYTERHUB_USER={name}\0".encode() in (folder / "environ").read_bytes():
                lines = (folder / "smaps_rollup").read_text().splitlines()
                total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except OSError:  # it has ended, or belongs to somebody else
            continue
    return total / 1024


async def lesson_for(url: str, token: str, name: str) -> tuple[float, list[str], str]:
    """Open the lesson as one learner and run it; return seconds, errors and the page."""
    server = await started(url, token, name)
    notebook = json.loads((ROOT / "notebooks" / LESSON).read_text())
    body = {"type": "notebook", "format": "json", "content": notebook}
    await asked(f"{server}/api/contents/{LESSON}", token, "PUT", body)
    page = await asked(f"{server}/lab/tree/{LESSON}", token)
    begin = time.monotonic()
    sources = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    return time.monotonic() - begin, await run_cells(server, token, sources), page


async def class_of(url: str, token: str) -> tuple[list, dict[str, float]]:
    """Let all learners take the lesson at once; return what came, and each one's peak of memory."""
    from tornado.httpclient import HTTPError

    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            await asked(f"{url}/hub/api/", token)
            break
        except (OSError, HTTPError):  # nobody there yet, or only the proxy
            await asyncio.sleep(0.5)
    lessons = asyncio.gather(*(lesson_for(url, token, name) for name in LEARNERS))
    peaks = dict.fromkeys(LEARNERS, 0.0)
    while not lessons.done():
        await asyncio.sleep(1)
        peaks = {name: max(peak, memory_of(name)) for name, peak in peaks.items()}
    return await lessons, peaks


def test_five_learners_run_lesson_00_at_once(hub):
    url, token, log, _ = hub
    begin = time.monotonic()
    try:
        lessons, peaks = asyncio.run(class_of(url, token))
    except BaseException:
        print(log.read_text()[-5000:])
        raise
    print(f"\nall five: {time.monotonic() - begin:.0f} seconds with the start of their servers")
    print("MiB at the peak:", {name: round(peak) for name, peak in peaks.items()})
    assert [errors for _, errors, _ in lessons] == [[]] * len(LEARNERS)
    assert all("jupyter-config-data" in page for _, _, page in lessons)
    assert max(peaks.values()) < 2048

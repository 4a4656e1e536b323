"""What tests and notebooks share: no hub, no trace in one's own progress, a limit for a notebook.

`pytest --nbmake` limits each cell. A lesson's `limit_seconds` is for the whole notebook, with the
start of its kernel, so each cell gets the time that is left. It is the time on two cores: where
several processes share them (`pytest -n`), a notebook has one and gets twice the time.
"""

from __future__ import annotations

import functools
import json
import math
import os
import tempfile
import time

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"

_NOWHERE = "http://127.0.0.1:9"  # the discard port: whoever asks the network is told no


def pytest_configure(config: pytest.Config) -> None:
    """Keep the progress of those who run the tests apart from what the tests do."""
    folder = tempfile.TemporaryDirectory()
    os.environ["STEADY_FRAMES_PROGRESS"] = folder.name
    config.add_cleanup(folder.cleanup)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put notebooks last and the longest of them first: so all processes end together."""
    items.sort(key=lambda item: -_limit(item) if _is_notebook(item) else -math.inf)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item):
    """Run a notebook under its limit; other tests as they are."""
    if not _is_notebook(item):
        return (yield)
    limit, start = _limit(item), time.monotonic()
    if not limit:
        raise pytest.UsageError(f"{item.filename} has no limit: make notebooks sets it")
    limit *= min(2, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1)))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            patch.setenv(name, _NOWHERE)
        _give_cells_what_is_left(patch, start + limit)
        result = yield
    took = time.monotonic() - start
    item.add_report_section("call", "time", f"{took:.1f} of {limit} seconds")
    if took > limit:
        raise AssertionError(f"{item.name} took {took:.1f} seconds; its limit is {limit}")
    return result


def _is_notebook(item: pytest.Item) -> bool:
    return getattr(item, "nbmake", False)


def _limit(item: pytest.Item) -> int:
    """Return the seconds that a notebook may take, 0 where it says none."""
    with open(item.filename, encoding="utf-8") as file:
        return json.load(file)["metadata"].get("steady_frames", {}).get("limit_seconds", 0)


def _give_cells_what_is_left(patch: pytest.MonkeyPatch, end: float) -> None:
    from nbmake import nb_run

    def seconds_left(cell: object) -> int:
        return max(1, math.ceil(end - time.monotonic()))

    limited = functools.partial(nb_run.NotebookClient, timeout_func=seconds_left)
    patch.setattr(nb_run, "NotebookClient", limited)

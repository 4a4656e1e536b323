"""What all tests share: no network, two threads at most, seeded random numbers."""

from __future__ import annotations

import os
import signal
from pathlib import Path

# Before any test imports diffusers or transformers, which read these once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(min(2, torch.get_num_threads()))

# No deadline: a slow machine is no failure. Where CI is set, the same examples in every run.
settings.register_profile("course", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("course")


@pytest.fixture
def generator() -> torch.Generator:
    """Return a CPU generator with seed 0, new for each test."""
    return torch.Generator().manual_seed(0)


@pytest.fixture
def signals_come():
    """Take signals as a terminal gives them, also where nohup or `&` has them ignored."""
    plain = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    plain[signal.SIGHUP] = signal.SIG_DFL
    before = {number: signal.signal(number, handler) for number, handler in plain.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def embedded():
    """Return the embedded model, loaded once: whoever changes it takes the change back."""
    from course import models

    return models.load("embedded", device="cpu")


@pytest.fixture
def pipe(embedded):
    """Return the embedded model; an adapter that the test adds goes out after it."""
    from course import adapters

    yield embedded
    adapters.remove_lora(embedded.unet)


@pytest.fixture(autouse=True)
def progress_path(tmp_path, monkeypatch) -> Path:
    """Keep the progress of a check in the test's own folder; return the path of the file."""
    monkeypatch.setenv("STEADY_FRAMES_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    return tmp_path / "progress.json"

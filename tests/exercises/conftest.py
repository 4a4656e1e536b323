"""Checks in tests keep their progress in a folder of the test, never in the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def progress_path(tmp_path, monkeypatch) -> Path:
    """Return the path of this test's progress file."""
    monkeypatch.setenv("STEADY_FRAMES_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    return tmp_path / "progress.json"

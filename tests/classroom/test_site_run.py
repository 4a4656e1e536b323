"""How a run of a lesson for its page ends where it does not end well."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient

from classroom.site.run import run

NOTEBOOK = nbformat.v4.new_notebook(metadata={"steady_frames": {"limit_seconds": 60}})


def test_a_run_that_was_stopped_by_hand_is_no_fault_of_the_lesson(monkeypatch):
    def stopped(client: NotebookClient) -> None:
        assert client.km is not None  # as nbclient does once it has ended the kernel

    monkeypatch.setattr(NotebookClient, "execute", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(NOTEBOOK, "00_start_here")

"""Checks in a plain kernel, as JupyterLab runs it: cells out of order, exit(), many figures."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient

CHECK = 'check("neighbour_pairs")'
RIGHT = "def neighbour_pairs(n_frames):\n    {first}\n    return n_frames - 1"
FLOOD = "for _ in range(9): display('shown'); plt.figure(); plt.show()"
CELLS = {
    "imports": "import matplotlib.pyplot as plt\nfrom classroom import check",
    "too early": CHECK,
    "answer": RIGHT.format(first="pass"),
    "right": CHECK,
    "slip": "def neighbour_pairs(n_frames:",
    "after a slip": CHECK,
    "answer that ends": RIGHT.format(first="exit()"),
    "ends": CHECK,
    "answer that shows": RIGHT.format(first=FLOOD),
    "shows": CHECK,
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory) -> dict[str, list]:
    """What each of the cells shows, when they run one after the other in one kernel."""
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS.values()]
    notebook = nbformat.v4.new_notebook(cells=cells)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEADY_FRAMES_PROGRESS", str(tmp_path_factory.mktemp("progress")))
        NotebookClient(notebook, timeout=300, allow_errors=True).execute()
    return {name: cell.outputs for name, cell in zip(CELLS, notebook.cells, strict=True)}


def card(outputs: list) -> str:
    (result,) = (each for each in outputs if each.output_type == "execute_result")
    return result.data["text/plain"]


def test_a_check_before_its_cell_says_that_there_is_nothing_yet(outputs):
    assert "There is no neighbour_pairs yet" in card(outputs["too early"])


def test_a_check_after_a_slip_does_not_judge_the_function_of_before(outputs):
    assert "Passed" in card(outputs["right"])
    assert "stopped before it had done so: SyntaxError" in card(outputs["after a slip"])


def test_exit_in_an_answer_is_told_and_leaves_the_kernel_alive(outputs):
    assert "exit() would end the notebook" in card(outputs["ends"])
    assert "Passed" in card(outputs["shows"])


def test_an_answer_that_shows_much_shows_two_things_beside_its_card(outputs):
    shown = [each for each in outputs["shows"] if each.output_type == "display_data"]
    assert len(shown) == 2

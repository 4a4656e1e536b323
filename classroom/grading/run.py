"""Runs a submission to its end, whatever a cell does to the kernel.

nbgrader gives up a whole notebook when its kernel dies (no memory left, os._exit, a crash below
Python), gives full points to a check that never ran, and waits out its limit at every further cell
when a loop cannot be interrupted. Here the cell that took the kernel is left out, the others run
again, and a check without a result earns nothing.
"""

from __future__ import annotations

from queue import Empty

from nbclient.exceptions import DeadKernelError
from nbclient.util import run_sync
from nbformat import NotebookNode
from nbgrader.preprocessors import Execute

_MOST_RUNS = 4
_PATIENCE = 5  # seconds in which an interrupted kernel answers, else it is as good as dead
_TOOK_IT = "this cell ended the kernel (no memory left, or a crash), or could not be stopped"
_NOT_RUN = "this cell did not run, since cells before it ended the kernel"


class Run(Execute):
    """nbgrader's `Execute`, which goes on without the cells that end the kernel."""

    def preprocess(
        self, nb: NotebookNode, resources: dict | None = None, km: object = None
    ) -> tuple[NotebookNode, dict]:
        self._left_out: set[int] = set()
        for _ in range(_MOST_RUNS):
            self._at = 0
            try:
                return super().preprocess(nb, resources, km)
            except DeadKernelError:
                self.log.error("cell %d ended the kernel; running the others", self._at + 1)
                self._left_out.add(self._at)
        for cell in nb.cells[self._at :]:
            _fail(cell, _NOT_RUN)
        return nb, resources

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict, index: int
    ) -> tuple[NotebookNode, dict]:
        self._at = index
        if index in self._left_out:
            _fail(cell, _TOOK_IT)
            return cell, resources
        if cell.cell_type == "code":
            cell.outputs = []  # of the run before
        cell, resources = super().preprocess_cell(cell, resources, index)
        if _ran_out_of_time(cell) and not self._kernel_answers():
            raise DeadKernelError("the kernel does not answer")
        return cell, resources

    def _kernel_answers(self) -> bool:
        asked, heard = self.kc.kernel_info(), None
        try:
            while heard != asked:  # before it comes the reply of the cell that was interrupted
                message = run_sync(self.kc.get_shell_msg)(timeout=_PATIENCE)
                heard = message["parent_header"].get("msg_id")
        except Empty:
            return False
        return True


def _ran_out_of_time(cell: NotebookNode) -> bool:
    return any(output.get("ename") == "CellTimeoutError" for output in cell.get("outputs", []))


def _fail(cell: NotebookNode, reason: str) -> None:
    """Give a code cell the output of an error: nbgrader gives it no points."""
    if cell.cell_type == "code":
        error = {"output_type": "error", "ename": "DeadKernelError", "evalue": reason}
        cell.outputs = [NotebookNode(error | {"traceback": [f"DeadKernelError: {reason}"]})]

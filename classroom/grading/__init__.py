"""What nbgrader needs to grade this course: limits, and two steps of our own in its chain.

`deploy/nbgrader_config.py` calls `configure`; teaching/grading.md tells the whole way.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from traitlets.config import Config

SECONDS = 180  # for one cell; the slowest of the course takes a tenth of it on two idle cores
# In the kernel, before the first cell of a submission: see `keep_the_kernel`.
_FIRST = "[\"__import__('classroom.exercises.capture').exercises.capture.keep_the_kernel()\"]"


def configure(config: Config) -> None:
    """Set what grading this course needs in the configuration of an nbgrader course.

    `Autograde` gets `Tidy` before its own clean-up and `Run` in place of its `Execute`, and names
    first the notebooks that it will skip. What is set afterwards in the same file wins.
    """
    from nbgrader.converters import Autograde
    from nbgrader.preprocessors import DeduplicateIds, Execute

    from classroom.grading.names import tell
    from classroom.grading.run import Run
    from classroom.grading.tidy import Tidy

    programs_first()
    clean = Autograde.sanitize_preprocessors.default()
    steps = Autograde.autograde_preprocessors.default()
    clean.insert(clean.index(DeduplicateIds), Tidy)
    config.Autograde.sanitize_preprocessors = clean
    config.Autograde.autograde_preprocessors = [Run if step is Execute else step for step in steps]
    config.Autograde.pre_convert_hook = tell
    config.Execute.timeout = SECONDS
    config.Execute.extra_arguments = [f"--IPKernelApp.exec_lines={_FIRST}"]


def programs_first() -> None:
    """Bring this environment's programs to the front of PATH: nbgrader calls one by its name."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

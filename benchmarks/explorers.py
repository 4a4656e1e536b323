"""``python -m benchmarks.explorers``: how long each widget of the lessons takes to redraw.

A redraw is the figure function and its PNG, at every corner of the ranges, in turn. Stands for no
figure of the paper.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch

from benchmarks.edit_figures import markdown
from classroom.display import Explorer, explorers

LIMIT = 100.0
"""Milliseconds that a redraw may take (median, two cores): above, a picture lags its slider."""


def redraw_times(
    explorer: Explorer, n_rounds: int, clock: Callable = time.perf_counter
) -> list[float]:
    """Return the milliseconds of every redraw, `n_rounds` of every corner, after one to warm up."""
    explorer.picture(**explorer.settings())
    times = []
    for _ in range(n_rounds):
        for settings in explorer.corners():
            start = clock()
            explorer.picture(**settings)
            times.append(1000 * (clock() - start))
    return times


def main(arguments: list[str] | None = None) -> int:
    """Print a table, and return 1 where an explorer is slower than the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="redraws of each corner")
    parser.add_argument("--threads", type=int, default=2, help="threads that torch may use")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    rows, slow = [], 0
    for name, explorer in explorers().items():
        times = redraw_times(explorer, options.rounds)
        median = statistics.median(times)
        slow += median > LIMIT
        verdict = "pass" if median <= LIMIT else "FAIL"
        rows.append([name, str(len(times)), f"{median:.0f}", f"{max(times):.0f}", verdict])
    print(markdown(["explorer", "redraws", "median, ms", "slowest, ms", f"{LIMIT:.0f} ms"], rows))
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())

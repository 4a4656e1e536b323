"""``python -m benchmarks.methods_memory``: does a method's memory grow with the number of frames?

Each method edits a short and a long clip in chunks of eight frames, each in a process of its own.
Those whose attention needs all frames at once (reach "clip") get chunks as long as the clip: their
memory grows, and the table says by how much a frame.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import torch
from tqdm import tqdm

from benchmarks.edit_figures import markdown
from benchmarks.methods_table import entry, reach
from benchmarks.speed import peak_memory
from course.clips import Scene, render
from course.methods import METHODS

CHUNK, SHORT, LONG = 8, 16, 64
_ROOT = Path(__file__).resolve().parent.parent


def one(name: str, n_frames: int, model: str) -> dict[str, float]:
    """Edit one clip by one method; return the most that this process has held, in MiB."""
    from course.editing import edit
    from course.models import load

    torch.set_num_threads(1)
    clip, pipe = render(Scene(), n_frames=n_frames), load(model)
    edit(
        clip, clip.caption, clip.caption.replace("red", "green"), pipe=pipe, n_steps=3,
        chunk_size=n_frames if reach(name) == "clip" else CHUNK, finetune_steps=0,
        reconstruct=False, baselines=False, progress=False, **entry(name),
    )  # fmt: skip
    return {"peak": peak_memory()}


def measured(name: str, n_frames: int, model: str) -> dict[str, float]:
    """Return what `one` finds in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.methods_memory", "--one", name, "--model", model]
    command += ["--frames", str(n_frames)]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the process that measures {name!r} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def row(name: str, short: dict[str, float], long: dict[str, float]) -> list[str]:
    """Return a line of the table: peaks and their growth a frame, in MiB."""
    growth = (long["peak"] - short["peak"]) / (LONG - SHORT)
    return [name, reach(name), *(f"{each['peak']:.0f}" for each in (short, long)), f"{growth:.2f}"]


def main() -> None:
    """Measure every method and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.methods_memory", description=__doc__
    )
    parser.add_argument("--model", default="embedded", help="embedded or a folder")
    parser.add_argument("--methods", nargs="+", default=[*METHODS, "the default"])
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--frames", type=int, default=SHORT, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one, options.frames, options.model)))
        return
    header = ["method", "reach", f"{SHORT} frames", f"{LONG} frames", "MiB a frame"]
    rows = []
    for name in tqdm(options.methods, desc="methods", disable=None):
        short, long = (measured(name, count, options.model) for count in (SHORT, LONG))
        rows.append(row(name, short, long))
    print(f"peak memory in MiB, chunks of {CHUNK} frames (reach clip: all), 3 steps\n")
    print(markdown(header, rows))


if __name__ == "__main__":
    main()

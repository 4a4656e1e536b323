"""``python -m benchmarks.speed``: time and memory of an edit beside plain diffusers.

Stands for the chain of Fig. 1 on a CPU, in float32. Times of all variants are taken in turn in one
process, after a short warm-up; memory in a process of its own for each. That the variants give the
same frames is checked first, for a faster way to something else would prove nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tqdm import tqdm

from benchmarks.edit_figures import markdown
from benchmarks.speed_variants import (
    VARIANTS,
    bare_edit,
    diffusers_edit,
    noise_reading,
    same_work,
    twin,
    variant,
    whole_edit,
)

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

TOLERANCE = 1e-3
SECONDS, SECONDS_FINETUNED, MIB = 6, 60, 1536
"""What an edit of eight frames may cost on two cores."""

_ROOT = Path(__file__).resolve().parent.parent


def differences(
    pipe: StableDiffusionPipeline, n_frames: int, n_steps: int, guidance: float
) -> dict[str, float]:
    """Return the largest difference of a pixel, in [0, 1], between variants that must agree."""
    other, given = twin(pipe), (n_frames, n_steps, guidance)
    batch = diffusers_edit(other, *given, batch_size=n_frames)
    one_by_one = diffusers_edit(other, *given, batch_size=1)
    whole, bare = same_work(pipe, *given), bare_edit(pipe, *given)
    at_source = bare_edit(pipe, *given, velocity_level="source")
    with noise_reading(other) as options:
        noise = diffusers_edit(other, *given, batch_size=n_frames, **options)
    pairs = {
        "diffusers frame by frame, diffusers in one batch": (one_by_one, batch),
        "edit(), its functions called one by one": (whole, bare),
        "edit(), diffusers with a UNet that answers with noise": (whole, noise),
        "our chains with velocities read as diffusers does, plain diffusers": (at_source, batch),
    }
    return {name: float((a - b).abs().max()) for name, (a, b) in pairs.items()}


def in_turn(
    jobs: Mapping[str, Callable[[], object]], n_rounds: int, clock: Callable = time.perf_counter
) -> dict[str, list[float]]:
    """Time the jobs in turn, so that what else the machine does falls on all; seconds by name.

    Each round starts with the next job, for the first one of a round may find cold caches.
    """
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    names = list(jobs)
    for index in range(n_rounds):
        first = index % len(names)
        for name in names[first:] + names[:first]:
            start = clock()
            jobs[name]()
            seconds[name].append(clock() - start)
    return seconds


def peak_memory() -> float:
    """Return the most memory that this process has held, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # ru_maxrss of a child begins with the memory of the parent that started it; this does not.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def memory_of(name: str, n_frames: int, options: argparse.Namespace) -> dict[str, float]:
    """Run one variant in a process of its own; {"loaded": MiB before it, "peak": MiB}."""
    command = [sys.executable, "-m", "benchmarks.speed", "--only", name, "--frames", str(n_frames)]
    for option in ("model", "steps", "guidance", "threads"):
        command += [f"--{option}", str(getattr(options, option))]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the process that measures {name!r} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(pipe: StableDiffusionPipeline, options: argparse.Namespace) -> dict:
    """Return the differences, the seconds of every round and the memory of every variant."""
    given = (options.frames, options.guidance)
    apart = differences(pipe, options.frames, options.steps, options.guidance)
    functions = {name: variant(pipe, name, *given) for name in VARIANTS}
    for function in functions.values():
        function(2)
    bar = tqdm(total=options.rounds * len(functions), desc="rounds")

    def job(function: Callable) -> Callable[[], None]:
        return lambda: (function(options.steps), bar.update())

    seconds = in_turn({name: job(f) for name, f in functions.items()}, options.rounds)
    bar.close()
    finetuned = time_default(pipe, options) if options.finetune else None
    runs = [(name, options.frames) for name in VARIANTS]
    runs += [("edit", 8 * options.frames), ("batch", 8 * options.frames)]
    memory = [
        {"variant": name, "frames": n, **memory_of(name, n, options)}
        for name, n in tqdm(runs, desc="memory")
    ]
    return {
        "frames": options.frames, "steps": options.steps, "guidance": options.guidance,
        "threads": options.threads, "differences": apart, "seconds": seconds,
        "median": {name: statistics.median(values) for name, values in seconds.items()},
        "finetune": options.finetune, "seconds_finetuned": finetuned, "memory": memory,
    }  # fmt: skip


def time_default(pipe: StableDiffusionPipeline, options: argparse.Namespace) -> float:
    """Return the seconds of one edit with fine-tuning and all baselines, as `edit` does it."""
    start = time.perf_counter()
    whole_edit(
        pipe, options.frames, options.steps, options.guidance,
        finetune_steps=options.finetune, reconstruct=True, baselines=True,
    )  # fmt: skip
    return time.perf_counter() - start


def text(figures: dict) -> str:
    """Write the figures as tables, and which goals they meet."""
    median = figures["median"]
    lines = [f"{figures['frames']} frames, {figures['steps']} steps, guidance "
             f"{figures['guidance']:g}, float32, {figures['threads']} threads; "
             f"median of {len(figures['seconds']['edit'])}\n"]  # fmt: skip
    rows = [
        [what, median[name], min(figures["seconds"][name]), max(figures["seconds"][name]),
         median[name] / median["edit"], median[name] / median["default"]]
        for name, what in VARIANTS.items()
    ]  # fmt: skip
    header = ["variant", "seconds", "fastest", "slowest", "x the same work", "x edit()"]
    lines += [markdown(header, rows), ""]
    if figures["seconds_finetuned"]:
        lines.append(f"edit() with {figures['finetune']} steps of fine-tuning and all baselines: "
                     f"{figures['seconds_finetuned']:.1f} s\n")  # fmt: skip
    rows = [[row["variant"], row["frames"], row["loaded"], row["peak"]]
            for row in figures["memory"]]  # fmt: skip
    lines.append(markdown(["peak memory", "frames", "model loaded [MiB]", "peak [MiB]"], rows))
    rows = [[name, f"{value:.1e}"] for name, value in figures["differences"].items()]
    lines += ["", markdown(["largest difference of a pixel in [0, 1]", ""], rows), ""]
    lines += [f"{'met   ' if met else 'MISSED'} {what}" for what, met in goals(figures).items()]
    return "\n".join(lines)


def goals(figures: dict) -> dict[str, bool]:
    """Hold the figures against what an edit may cost; {what: whether it does}."""
    median = figures["median"]
    peak = {(row["variant"], row["frames"]): row["peak"] for row in figures["memory"]}
    n = figures["frames"]
    met = {
        f"outputs agree to {TOLERANCE:g}": max(figures["differences"].values()) <= TOLERANCE,
        f"edit() under {SECONDS} s": median["default"] < SECONDS,
        "edit() 3 times faster than (a)": median["frames"] >= 3 * median["default"],
        "same work 3 times faster than (a)": median["frames"] >= 3 * median["edit"],
        "same work not slower than (b)": median["batch"] >= median["edit"],
        "same work 1.5 times faster than (b)": median["batch"] >= 1.5 * median["edit"],
        f"edit() under {MIB} MiB": peak["edit", n] < MIB,
        # The clips themselves are held whole: a few MiB; a frame in flight takes far more.
        f"peak of {8 * n} frames within 10 % of that of {n}":
            peak["edit", 8 * n] <= 1.1 * peak["edit", n],
    }  # fmt: skip
    if figures["seconds_finetuned"]:
        met[f"edit() with fine-tuning under {SECONDS_FINETUNED} s"] = (
            figures["seconds_finetuned"] < SECONDS_FINETUNED
        )
    return met


def main() -> None:
    """Measure and print the tables; ``--json`` also writes them; exit code 1 if outputs differ."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--model", default="embedded", help="embedded or a folder")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--finetune", type=int, default=60, help="0 leaves the fine-tuned edit out")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--only", choices=VARIANTS, help="run one variant, print its peak memory")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    from course.models import load

    pipe = load(options.model, device="cpu")
    if options.only:
        loaded = peak_memory()
        variant(pipe, options.only, options.frames, options.guidance)(options.steps)
        print(json.dumps({"loaded": loaded, "peak": peak_memory()}))
        return
    figures = measure(pipe, options)
    print(text(figures))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    if max(figures["differences"].values()) > TOLERANCE:
        sys.exit(1)


if __name__ == "__main__":
    main()

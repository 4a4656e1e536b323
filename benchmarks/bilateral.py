"""``python -m benchmarks.bilateral``: time and memory of the bilateral filter beside its peers.

Stands for Eq. 9 to 11. Every variant filters each channel by itself, on the CPU in float32, with
reflected borders and the same two threads. Kornia computes the same numbers; OpenCV takes a round
window, a table of exponentials, and has no gradient. "compiled" is torch.compile of our filter, an
option that needs a C++ compiler and is for use without gradient; its first call is told apart.
Times are taken in turn in one process and are medians; memory is what a process of its own adds to
what it held before, at its peak.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from course.bilateral import bilateral_filter

SHAPES = ((8, 4, 16, 16), (8, 4, 64, 64), (8, 4, 128, 128), (1, 3, 512, 512))
WINDOWS = (5, 9)
SIGMA_SPATIAL, SIGMA_INTENSITY = 1.5, 0.1
PEERS = {"kornia": "kornia", "opencv": "cv2"}
COLUMNS = ("image", "window", "ours ms", "of floor", "compiled ms", "kornia ms", "x ours")
COLUMNS += ("x compiled", "OpenCV ms", "x ours")
COLUMNS += ("ours MiB", "compiled MiB", "kornia MiB", "OpenCV MiB")
COLUMNS_WITH_GRADIENT = ("image", "window", "ours ms", "kornia ms", "x ours")
COLUMNS_WITH_GRADIENT += ("ours MiB", "kornia MiB", "x ours")

# What the forward pass moves for a pair of neighbours, in numbers: far and near in, difference
# out; difference in, exponent out; in and out of 2^; two in, one out of the product; four sums.
_NUMBERS_PER_PAIR = 3 + 2 + 2 + 3 + 4
_ROOT = Path(__file__).resolve().parent.parent


def ours(image: Tensor, window: int) -> Tensor:
    return bilateral_filter(image, window, SIGMA_SPATIAL, SIGMA_INTENSITY)


def kornia(image: Tensor, window: int) -> Tensor:
    from kornia.filters import bilateral_blur

    channels = image.flatten(0, 1).unsqueeze(1)  # otherwise it mixes channels in one distance
    sigmas = (SIGMA_INTENSITY, (SIGMA_SPATIAL, SIGMA_SPATIAL))
    return bilateral_blur(channels, (window, window), *sigmas, "reflect").view(image.shape)


def opencv(image: Tensor, window: int) -> Tensor:
    import cv2

    result = torch.empty_like(image)
    sigmas = (SIGMA_INTENSITY, SIGMA_SPATIAL)
    for source, target in zip(image.flatten(0, 1).numpy(), result.flatten(0, 1).numpy()):
        cv2.bilateralFilter(source, window, *sigmas, target, cv2.BORDER_REFLECT_101)
    return result


@functools.cache
def _compiled_filter() -> Callable[..., Tensor]:
    return torch.compile(bilateral_filter, dynamic=False)


def compiled(image: Tensor, window: int) -> Tensor:
    return _compiled_filter()(image, window, SIGMA_SPATIAL, SIGMA_INTENSITY)


VARIANTS = {"ours": ours, "compiled": compiled, "kornia": kornia, "opencv": opencv}
WITH_GRADIENT = ("ours", "kornia")


def job(name: str, shape: tuple[int, ...], window: int, gradient: bool) -> Callable[[], None]:
    """Return a function that filters one image, and with `gradient` pulls a gradient back."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(shape, generator=generator).requires_grad_(gradient)

    def run() -> None:
        filtered = VARIANTS[name](image, window)
        if gradient:
            torch.autograd.grad(filtered, image, torch.ones_like(filtered))

    return run


def set_threads(n_threads: int) -> None:
    torch.set_num_threads(n_threads)
    if importlib.util.find_spec("cv2"):
        import cv2

        cv2.setNumThreads(n_threads)


def time_in_turn(jobs: dict[str, Callable[[], None]], n_rounds: int) -> dict[str, float]:
    """Return median milliseconds; each job once a round, so that disturbances fall on all."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for index in range(n_rounds + 1):
        for name, run in jobs.items():
            start = time.perf_counter()
            run()
            if index:  # the first round only warms up
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def floor(shape: tuple[int, ...], window: int) -> dict[str, Callable[[], None]]:
    """Return jobs that only compute the exponentials, and only move the bytes, of all pairs.

    They work in one buffer that stays in the cache, on pixels without padding.
    """
    pairs = torch.Size(shape).numel() * (window**2 // 2)
    size = min(pairs, 1 << 18)
    buffer, other = torch.zeros(size), torch.zeros(size)

    def exponentials() -> None:
        for _ in range(pairs // size):
            torch.exp2(buffer, out=other)

    def moves() -> None:
        for _ in range(_NUMBERS_PER_PAIR * pairs // (2 * size)):
            torch.neg(buffer, out=other)  # one number in, one out

    return {"exponentials": exponentials, "moves": moves}


def peak_of(run: Callable[[], None]) -> float | None:
    """Return how far one run raises this process's memory, in MiB; None where that is not told."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")

    def held(field: str) -> float:
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))

    try:
        reset.write_text("5")  # the peak so far becomes what is held now
        before = held("VmRSS:")
        run()
        return held("VmHWM:") - before
    except OSError:
        return None


def memory_of(name: str, shape: tuple[int, ...], window: int, gradient: bool) -> float | None:
    """Measure one variant in a process of its own, after a run on a small image; MiB."""
    what = json.dumps([name, shape, window, gradient])
    command = [sys.executable, "-m", "benchmarks.bilateral", "--memory", what]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the process that measures {what} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def known(gradient: bool) -> list[str]:
    """Return the variants that can run here."""
    names = [n for n in VARIANTS if n not in PEERS or importlib.util.find_spec(PEERS[n])]
    if not (shutil.which("g++") or shutil.which("clang++")):
        names.remove("compiled")
    return [n for n in names if not gradient or n in WITH_GRADIENT]


def measure(shape: tuple[int, ...], window: int, gradient: bool, n_rounds: int) -> dict:
    """Return median milliseconds and MiB of every variant that can run, and the floor's times."""
    names = known(gradient)
    jobs = {name: job(name, shape, window, gradient) for name in names}
    start = time.perf_counter()
    if "compiled" in jobs:
        jobs["compiled"]()
    first = time.perf_counter() - start
    times = time_in_turn(jobs | floor(shape, window), n_rounds)
    memory = {name: memory_of(name, shape, window, gradient) for name in names}
    case = {"shape": shape, "window": window, "gradient": gradient, "first call s": first}
    return case | {"ms": times, "MiB": memory}


def row(case: dict) -> str:
    """Return one line of the Markdown table; x: a peer's time or memory in units of ours."""
    times, memory = case["ms"], case["MiB"]

    def told(value: float | None, digits: int = 1) -> str:
        return "" if value is None else f"{value:.{digits}f}"

    def ratio(values: dict, over: str, under: str) -> str:
        known = values.get(over) is not None and bool(values.get(under))
        return told(values[over] / values[under]) if known else ""

    floor = times["exponentials"] + times["moves"]
    cells = [" x ".join(map(str, case["shape"])), str(case["window"]), told(times["ours"], 2)]
    if case["gradient"]:
        cells += [told(times.get("kornia")), ratio(times, "kornia", "ours")]
        cells += [told(memory.get(name)) for name in WITH_GRADIENT]
        return "| " + " | ".join([*cells, ratio(memory, "kornia", "ours")]) + " |"
    cells += [told(times["ours"] / floor), told(times.get("compiled"), 2)]
    cells += [told(times.get("kornia")), ratio(times, "kornia", "ours")]
    cells += [ratio(times, "kornia", "compiled"), told(times.get("opencv"))]
    cells += [ratio(times, "opencv", "ours")]
    cells += [told(memory.get(name)) for name in VARIANTS]
    return "| " + " | ".join(cells) + " |"


def table(gradient: bool, n_rounds: int) -> list[dict]:
    """Measure every image and window, print each line when it is there, and return the figures."""
    columns, cases = COLUMNS_WITH_GRADIENT if gradient else COLUMNS, []
    print(f"\n{'With' if gradient else 'Without'} gradient\n")
    print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns), flush=True)
    for shape in SHAPES:
        for window in WINDOWS:
            cases.append(measure(shape, window, gradient, n_rounds))
            print(row(cases[-1]), flush=True)
    return cases


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bilateral", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    set_threads(options.threads)
    if options.memory:
        name, shape, window, gradient = json.loads(options.memory)
        small = (1, 1, 16, 16)
        job(name, shape if name == "compiled" else small, window, gradient)()  # warms up
        print(json.dumps(peak_of(job(name, shape, window, gradient))))
        return
    missing = [name for name, module in PEERS.items() if not importlib.util.find_spec(module)]
    if missing:
        print(f"left out: {', '.join(missing)} (make setup installs them)")
    print(f"torch {torch.__version__}, {options.threads} threads, {options.rounds} rounds")
    with tempfile.TemporaryDirectory() as folder:
        # A cache of their own: what was compiled before would make the first calls look quick.
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        without = table(False, options.rounds)
    seconds = [case["first call s"] for case in without]
    floors = [case["ms"]["exponentials"] / case["ms"]["moves"] for case in without]
    print(
        "\nx: time or memory of a peer in units of ours. Of floor: our time over the time for the "
        "exponentials of all pairs and the numbers that the forward pass moves, alone; the "
        f"exponentials are {min(floors):.2f} to {max(floors):.2f} of the moves."
        f"\nFirst call of the compiled filter, which compiles it for one size and window: "
        f"{min(seconds):.0f} to {max(seconds):.0f} s."
    )
    cases = without + table(True, options.rounds)
    if options.json:
        options.json.write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    main()

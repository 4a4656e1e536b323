"""``python -m benchmarks.temporal``: time and memory of the temporal loss and its gradient.

The closed-form gradient (Lemma 4.3, Eq. 60) beside autograd on the same loss, and the loss beside
a loop over pairs of frames with ``torch.nn.functional.cosine_similarity``, differentiated by
autograd too. Times are taken in turn in one process; peak memory in a process of its own for each.
That all give the same numbers is checked first.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity
from tqdm import tqdm

from benchmarks.edit_figures import markdown
from benchmarks.speed import in_turn, peak_memory
from course.temporal import temporal_loss, temporal_loss_gradient

TOLERANCE = 1e-12
"""Of the largest entry of the gradient, in float64."""

_ROOT = Path(__file__).resolve().parent.parent


def loop_loss(features: Tensor) -> Tensor:
    """Return Eq. 19 as it is often written: one pair of frames after another."""
    similarities = [
        cosine_similarity(f.flatten(), g.flatten(), dim=0)
        for f, g in zip(features[:-1], features[1:])
    ]
    total = sum((b - a).square() for a, b in zip(similarities[:-1], similarities[1:]))
    return total / len(similarities)


def differentiated(loss: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return the function that gives the gradient of this loss by autograd."""

    def gradient(features: Tensor) -> Tensor:
        features = features.detach().requires_grad_()
        return torch.autograd.grad(loss(features), features)[0]

    return gradient


GRADIENTS = {
    "closed": ("closed form", temporal_loss_gradient),
    "autograd": ("autograd", differentiated(temporal_loss)),
    "loop": ("loop over pairs, autograd", differentiated(loop_loss)),
}
LOSSES = {
    "loss": ("temporal_loss", temporal_loss),
    "loop_loss": ("loop over pairs", loop_loss),
}
VARIANTS = GRADIENTS | LOSSES


def differences(shape: tuple[int, ...]) -> dict[str, float]:
    """Return the largest difference from the closed form, relative to its largest entry."""
    features = draw(shape, torch.float64)
    closed = temporal_loss_gradient(features)
    scale = closed.abs().max()
    return {
        GRADIENTS[name][0]: ((GRADIENTS[name][1](features) - closed).abs().max() / scale).item()
        for name in ("autograd", "loop")
    }


def draw(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
    """Return random features of this shape, always the same ones."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


def memory_of(name: str, options: argparse.Namespace) -> float:
    """Run one variant in a process of its own; return the MiB that it takes beyond its input."""
    command = [sys.executable, "-m", "benchmarks.temporal", "--only", name]
    command += ["--threads", str(options.threads), "--shape", *map(str, options.shape)]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the process that measures {name!r} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def extra_memory(name: str, shape: tuple[int, ...]) -> float:
    """Return by how much one call raises this process's peak, in MiB, beyond the features."""
    function, features = VARIANTS[name][1], draw(shape)
    function(draw((3, 8)))  # what a first call loads is not the features' doing
    before = peak_memory()
    function(features)
    return peak_memory() - before


def measure(options: argparse.Namespace) -> dict:
    """Return the differences, the seconds of every round and the memory of every variant."""
    shape = tuple(options.shape)
    apart = differences((8, *shape[1:]))
    features = draw(shape)
    bar = tqdm(total=(options.rounds + 1) * len(VARIANTS), desc="rounds")

    def job(function: Callable) -> Callable[[], None]:
        return lambda: (function(features), bar.update())

    jobs = {name: job(function) for name, (_, function) in VARIANTS.items()}
    in_turn(jobs, 1)  # warm-up
    seconds = in_turn(jobs, options.rounds)
    bar.close()
    return {
        "shape": shape, "threads": options.threads, "differences": apart, "seconds": seconds,
        "median": {name: statistics.median(values) for name, values in seconds.items()},
        "features": features.numel() * features.element_size() / 2**20,
        "memory": {name: memory_of(name, options) for name in tqdm(VARIANTS, desc="memory")},
    }  # fmt: skip


def text(figures: dict) -> str:
    """Write the figures as tables: each variant beside the first one of its group."""
    shape, rounds = figures["shape"], len(figures["seconds"]["closed"])
    lines = [f"features {shape}, float32, {figures['features']:.0f} MiB, "
             f"{figures['threads']} threads; median of {rounds}\n"]  # fmt: skip
    for what, group in (("gradient", GRADIENTS), ("loss", LOSSES)):
        first = figures["median"][next(iter(group))]
        rows = [
            [name, figures["median"][key], min(figures["seconds"][key]),
             max(figures["seconds"][key]), figures["median"][key] / first,
             figures["memory"][key], figures["memory"][key] / figures["features"]]
            for key, (name, _) in group.items()
        ]  # fmt: skip
        header = [what, "seconds", "fastest", "slowest", "x the first",
                  "beyond the features [MiB]", "x the features"]  # fmt: skip
        lines += [markdown(header, rows), ""]
    rows = [[name, f"{value:.1e}"] for name, value in figures["differences"].items()]
    lines += [markdown(["largest difference of a gradient, float64, 8 frames", ""], rows), ""]
    lines += [f"{'met   ' if met else 'MISSED'} {what}" for what, met in goals(figures).items()]
    return "\n".join(lines)


def goals(figures: dict) -> dict[str, bool]:
    """Hold the figures against what the closed form is for; {what: whether it does}."""
    median, memory = figures["median"], figures["memory"]
    return {
        f"gradients agree to {TOLERANCE:g}": max(figures["differences"].values()) <= TOLERANCE,
        "closed form faster than autograd": median["closed"] < median["autograd"],
        "closed form faster than the loop": median["closed"] < median["loop"],
        "the result and one temporary at the most": memory["closed"] < 2.1 * figures["features"],
    }


def main() -> None:
    """Measure and print the tables; ``--json`` also writes them; exit code 1 if numbers differ."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.temporal", description=__doc__)
    parser.add_argument("--shape", type=int, nargs="+", default=[64, 320, 32, 32])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--only", choices=VARIANTS, help="run one variant, print its memory")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.only:
        print(json.dumps(extra_memory(options.only, tuple(options.shape))))
        return
    figures = measure(options)
    print(text(figures))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    if max(figures["differences"].values()) > TOLERANCE:
        sys.exit(1)


if __name__ == "__main__":
    main()

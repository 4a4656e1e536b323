"""``python -m benchmarks.stable_diffusion``: the memory that Stable Diffusion 1.5 needs, computed.

No weights are needed and nothing is run: `course.editing.memory` counts tensors that have shapes
and no values. ``--check`` holds two rows against real runs on the CPU, with random weights of full
size, at 256 x 256: each in a process of its own, by the memory that the system gave it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.speed import peak_memory
from course.editing.memory import Meter, Need, needs, table
from course.editing.works import STABLE_DIFFUSION_1_5, Work, build, decoding, edit_step

CHECKED = {"edit step": "unet", "decoding": "vae"}
_SIDE, _GUIDANCE = 256, 7.5
_ROOT = Path(__file__).resolve().parent.parent


def check(
    work: str, n_frames: int = 8, parts: Mapping[str, Mapping] = STABLE_DIFFUSION_1_5,
    side: int = _SIDE,
) -> dict[str, float]:  # fmt: skip
    """Run a work on real random weights in float32; return GiB counted, metered and resident.

    "counted": by fake tensors; "metered": by the same meter around the real run; "resident": what
    the process held at most beyond what it held before the weights were there.
    """
    given = {"size": side, "chunk": n_frames, "decode_chunk": n_frames, "guidance": _GUIDANCE}
    rows = needs(torch.float32, parts=parts, **given)
    counted = next(row.at_work for row in rows if row.work.startswith(work))
    before = _resident()
    real = _real(work, n_frames, parts, side)
    with Meter(real.part.parameters()) as meter:
        real.run()
    figures = {"counted": counted, "metered": meter.peak}
    gib = {name: value / 2**30 for name, value in figures.items()}
    return gib | {"resident": peak_memory() / 2**10 - before}


def _real(work: str, n_frames: int, parts: Mapping[str, Mapping], side: int) -> Work:
    with torch.device("meta"):
        made = dict(zip(("unet", "vae"), build(parts)))
    # Only the part at work takes room; its numbers are small, so that nothing overflows.
    part = made[CHECKED[work]].to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    for parameter in part.parameters():
        parameter.data.normal_(0, 0.02, generator=generator)
    factor = 2 ** (len(parts["vae"]["block_out_channels"]) - 1)
    shape = n_frames, 4, side // factor, side // factor
    latents = torch.randn(shape, generator=generator)
    if work == "decoding":
        return decoding(part, latents)
    width = part.config.cross_attention_dim
    text = torch.randn(1, 77, width, generator=generator)
    return edit_step(part, latents, text, "paper", _GUIDANCE)


def _resident() -> float:
    """Return what this process holds, in GiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**30


def checks() -> list[dict]:
    """Return what the works that are checked take, each in a process of its own."""
    rows = []
    for work in CHECKED:
        command = [sys.executable, "-m", "benchmarks.stable_diffusion", "--only", work]
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the process that checks {work!r} failed:\n{done.stderr[-2000:]}")
        rows.append({"work": work, "size": _SIDE, **json.loads(done.stdout.splitlines()[-1])})
    return rows


def check_table(rows: list[dict]) -> str:
    """Return a Markdown table of checks."""
    lines = ["| float32, 256 x 256, 8 frames | GiB computed | metered in a run | resident |",
             "|---|---:|---:|---:|"]  # fmt: skip
    for row in rows:
        cells = " | ".join(f"{row[name]:.2f}" for name in ("counted", "metered", "resident"))
        lines.append(f"| {row['work']} | {cells} |")
    return "\n".join(lines)


def plan(options: argparse.Namespace) -> list[Need]:
    """Return the needs that the options ask for, a dtype after the other."""
    given = {"chunk": options.chunk, "decode_chunk": options.decode_chunk}
    given |= {"window": options.window, "method": options.method, "guidance": options.guidance}
    return [
        row
        for name in options.dtype
        for size in options.size
        for row in needs(getattr(torch, name), size=size, **given)
    ]


def main() -> None:
    """Print the plan as a table, or as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dtype", nargs="+", default=["float32", "float16"],
                        choices=["float32", "float16", "bfloat16"])  # fmt: skip
    parser.add_argument("--size", type=int, nargs="+", default=[512], help="sides in pixels")
    parser.add_argument("--chunk", type=int, default=8, help="frames in the UNet at once")
    parser.add_argument("--decode-chunk", type=int, default=8, help="frames in the VAE at once")
    parser.add_argument("--window", type=int, default=8, help="frames in a training step")
    parser.add_argument("--guidance", type=float, default=_GUIDANCE)
    parser.add_argument("--method", default="paper", help="of the edit step")
    parser.add_argument("--check", action="store_true", help="also run two rows (4.3 GB, minutes)")
    parser.add_argument("--only", choices=CHECKED, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(check(options.only)))
        return
    rows, checked = plan(options), checks() if options.check else []
    if options.json:
        print(json.dumps({"computed": [asdict(row) for row in rows], "checked": checked}))
        return
    print("Computed, not run:\n\n" + table(rows))
    if checked:
        print("\nTwo rows beside real runs with random weights:\n\n" + check_table(checked))


if __name__ == "__main__":
    main()

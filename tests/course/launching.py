"""Runs under accelerate's own launcher, and the tasks of all methods that such a run computes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import torch
from method_tasks import random, still_motion, tiny_pipe, tiny_task

from course.editing.processes import share_of
from course.finetune.processes import Team, launched
from course.methods import METHODS, recipe

N_FRAMES, CHUNK = 7, 2
SPLIT = [name for name, method in METHODS.items() if method.reach != "clip"]
WHOLE = [name for name, method in METHODS.items() if method.reach == "clip"]


def launch(n_processes: int, arguments: list[str]) -> subprocess.CompletedProcess:
    """Run `python` with these arguments in several processes on the CPU."""
    with started(n_processes, arguments) as process:
        out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def started(n_processes: int, arguments: list[str]) -> subprocess.Popen:
    """Begin to run `python` with these arguments in several processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    launcher += ["--num_processes", str(n_processes), "--num_machines", "1"]
    launcher += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    launcher += ["--main_process_port", str(port)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(
        [*launcher, *arguments], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def kill(launcher: int) -> None:
    """Kill a launcher and its processes at once, and wait until they are gone.

    Each of these has a session of its own, so that no signal to a group would reach it.
    """
    parent = psutil.Process(launcher)
    running = [parent, *parent.children(recursive=True)]
    for process in running:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(running)


def outcomes(team: Team) -> dict[str, torch.Tensor]:
    """Return what every method makes of seven frames, and how many images its UNet saw here."""
    torch.set_num_threads(1)
    pipe, found = tiny_pipe(), {}
    seen = []
    pipe.unet.register_forward_pre_hook(lambda unet, given: seen.append(len(given[0])))
    for name in METHODS:
        task = tiny_task(
            pipe, latents=random(N_FRAMES, 4, 8, 8, seed=4), motion=still_motion(N_FRAMES),
            chunk_size=N_FRAMES if name in WHOLE else 4 if name == "grid_shuffle" else CHUNK,
            share=share_of(team),
        )  # fmt: skip
        seen.clear()
        way = recipe(name)
        with torch.inference_mode():
            found[name] = way.run(way.prepare(task)).latents.clone()
        found[f"{name}: images"] = torch.tensor(sum(seen))
    return found


if __name__ == "__main__":
    with launched() as accelerator:
        team = Team(accelerator)
        torch.save(outcomes(team), Path(sys.argv[1]) / f"{team.index}.pt")

"""Runs in several processes, and the tasks of all methods that such a run computes.

Most are forked from one process that has imported what takes seconds to import, and are told what a
launcher would tell them; `launch` goes through accelerate's own.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from method_tasks import random, still_motion, tiny_pipe, tiny_task

from course.commands.stopping import leave
from course.editing.processes import share_of
from course.finetune.processes import Team, launched
from course.methods import METHODS, recipe

N_FRAMES, CHUNK = 7, 2
SPLIT = [name for name, method in METHODS.items() if method.reach != "clip"]
WHOLE = [name for name, method in METHODS.items() if method.reach == "clip"]
SAID = ("out", "err")
FORKS = multiprocessing.get_context("forkserver")
HEAVY = (
    "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion",
    "transformers.models.clip.modeling_clip",
    *("accelerate", "kornia", "matplotlib.figure", "peft"),
)
FORKS.set_forkserver_preload(list(HEAVY))


def launch(n_processes: int, arguments: list[str]) -> subprocess.CompletedProcess:
    """Run `python` with these arguments under accelerate's own launcher, on the CPU."""
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    launcher += ["--num_processes", str(n_processes), "--num_machines", "1"]
    launcher += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    launcher += ["--main_process_port", str(free_port())]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [*launcher, *arguments], env=environment, text=True, capture_output=True, check=False
    )


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def started(n_processes: int, told: Path, work: Callable, *given: object) -> list[BaseProcess]:
    """Begin to run work(*given) in several processes that print into the folder `told`."""
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    place |= {"WORLD_SIZE": str(n_processes), "CUDA_VISIBLE_DEVICES": ""}
    told.mkdir()
    processes = []
    for rank in map(str, range(n_processes)):
        environment = {**os.environ, **place, "RANK": rank, "LOCAL_RANK": rank}
        arguments = environment, told / rank, work, *given
        processes.append(FORKS.Process(target=_run, args=arguments, daemon=True))
        processes[-1].start()
    return processes


def _run(environment: dict[str, str], told: Path, work: Callable, *given: object) -> None:
    os.environ.clear()
    os.environ.update(environment)
    torch.set_num_threads(1)
    for number, name in enumerate(SAID, 1):
        os.dup2(os.open(f"{told}.{name}", os.O_WRONLY | os.O_CREAT), number)
    leave(work(*given))


def ended(processes: list[BaseProcess], told: Path) -> tuple[list[int], list[str], list[str]]:
    """Return exit code, output and errors of each process; none waits for one that has failed."""
    while alive := [process.sentinel for process in processes if process.is_alive()]:
        failed = any(process.exitcode for process in processes)
        if not connection.wait(alive, timeout=60 if failed else None):
            for process in processes:
                process.kill()
    said = [[(told / f"{n}.{name}").read_text() for n in range(len(processes))] for name in SAID]
    return [process.exitcode for process in processes], *said


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


def save_outcomes(folder: Path) -> int:
    """Write what every method makes into a file of this process; return 0."""
    with launched() as accelerator:
        team = Team(accelerator)
        torch.save(outcomes(team), folder / f"{team.index}.pt")
    return 0

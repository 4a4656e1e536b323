"""A tiny random UNet and tasks on it: what the tests of the methods share."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel

from course.methods import Motion, Task, Texts, recipe

N_FRAMES, SIDE = 4, 8
STEPS = {"n_steps": 4, "chunk_size": N_FRAMES}


def tiny_pipe(seed: int = 0) -> SimpleNamespace:
    """Return what a task needs of a pipeline, with 32 and 64 channels and random weights."""
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=SIDE,
        block_out_channels=(32, 64),
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        layers_per_block=1,
        norm_num_groups=8,
        cross_attention_dim=16,
        attention_head_dim=2,
    )
    scheduler = DDIMScheduler(set_alpha_to_one=False, steps_offset=1, clip_sample=False)
    return SimpleNamespace(unet=unet.requires_grad_(False).eval(), scheduler=scheduler)


def random(*shape: int, seed: int) -> torch.Tensor:
    """Return normal numbers from a seed."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def still_motion(n_frames: int = N_FRAMES, size: tuple[int, int] = (SIDE, SIDE)) -> Motion:
    """Return the motion of a clip in which nothing moves and nothing is hidden."""
    flow, share = torch.zeros(n_frames - 1, 2, *size), torch.zeros(n_frames - 1, 1, *size)
    return Motion(flow, flow, share, share)


def tiny_task(pipe: SimpleNamespace, **changes: object) -> Task:
    """Return a task of four different frames; `changes` as for `dataclasses.replace`."""
    texts = Texts(*(random(1, 5, 16, seed=seed) for seed in (1, 2, 3)))
    task = Task(
        pipe,
        random(N_FRAMES, 4, SIDE, SIDE, seed=4),
        texts,
        motion=still_motion(),
        generator=torch.Generator().manual_seed(5),
        **STEPS,
    )
    return replace(task, **changes)


def sized_task(pipe: SimpleNamespace, size: tuple[int, int], n_frames: int = N_FRAMES) -> Task:
    """Return a task on a grid of another size, or of more frames."""
    latents = random(n_frames, 4, *size, seed=4)
    return tiny_task(pipe, latents=latents, motion=still_motion(n_frames, size))


def frozen_latents(size: tuple[int, int] = (SIDE, SIDE)) -> torch.Tensor:
    """Return four equal frames."""
    return random(1, 4, *size, seed=6).repeat(N_FRAMES, 1, 1, 1)


def linked(task: Task, name: str, **settings: object) -> Task:
    """Return the task with a method's link in place."""
    return recipe(name).prepare(task, settings)


def edited(task: Task, name: str, **settings: object) -> torch.Tensor:
    """Return the latents that a method makes of a task."""
    way = recipe(name)
    return way.run(way.prepare(task, settings), settings).latents


def state_of(unet: torch.nn.Module) -> dict[str, object]:
    """Return what a method must leave as it is: weights, and hooks and modes of every module."""
    state: dict[str, object] = {"processors": unet.attn_processors}
    for name, weight in unet.state_dict().items():
        state[f"weight {name}"] = weight.numpy().tobytes()
    for name, module in unet.named_modules():
        own = vars(module)
        hooks = {key: list(own[key].values()) for key in own if key.endswith("_hooks") and own[key]}
        state[f"module {name}"] = module.training, sorted(own), hooks
    return state


def on_meta(task: Task) -> Task:
    """Return the task with a UNet and tensors that have shapes and no values."""
    import copy

    pipe = SimpleNamespace(unet=copy.deepcopy(task.pipe.unet).to("meta"))
    pipe.scheduler = task.pipe.scheduler
    return replace(
        task,
        pipe=pipe,
        latents=task.latents.to("meta"),
        texts=Texts(*(text.to("meta") for text in task.texts)),
        motion=Motion(*(part.to("meta") for part in vars(task.motion).values())),
    )

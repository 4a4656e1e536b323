"""What an edit or a fine-tuning step needs of memory, counted without computing or allocating.

Fake tensors have shapes and no values, so a UNet of 860 M parameters costs nothing here; a meter
adds up the storages that are alive while a step runs on them. What it counts is tensors: no
allocator's blocks, no library's workspace, no driver.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from course.adapters import add_lora
from course.checks import check_multiple

from .works import STABLE_DIFFUSION_1_5, build, decoding, edit_step, finetuning


class Meter(TorchDispatchMode):
    """A context that counts the bytes of all storages alive: `now`, and at most `peak`."""

    def __init__(self, given: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._alive: set[int] = set()
        for tensor in given:
            self._count(tensor)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        output = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(output):
            if isinstance(tensor, Tensor):
                self._count(tensor)
        return output

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()  # views share one
        key, size = storage._cdata, storage.nbytes()
        if key not in self._alive:
            self._alive.add(key)
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._release, key, size)

    def _release(self, key: int, size: int) -> None:
        self._alive.discard(key)
        self.now -= size


@dataclass(frozen=True)
class Need:
    """The bytes that one kind of work needs: `at_work` of the part that does it, `loaded` of all.

    `at_work` are the weights of that part and what it computes; `loaded` adds the weights of the
    others, which stay where they are unless they are moved away.
    """

    work: str
    dtype: str
    size: tuple[int, int]
    frames: int
    at_work: int
    loaded: int


def needs(
    dtype: torch.dtype,
    *,
    size: int | tuple[int, int] = 512,
    chunk: int = 8,
    decode_chunk: int = 8,
    window: int = 8,
    rank: int = 4,
    method: str = "paper",
    guidance: float = 7.5,
    parts: Mapping[str, Mapping[str, object]] = STABLE_DIFFUSION_1_5,
) -> Iterator[Need]:
    """Yield what a step of an edit, decoding and fine-tuning need, this with and without
    checkpointing.

    `size` is a side or (height, width) in pixels; `chunk` frames go through the UNet at once,
    `decode_chunk` through the VAE, `window` through a training step. `method` is as in `edit`.
    Raises ValueError for a size that the VAE's factor does not divide.
    """
    sides = (size, size) if isinstance(size, int) else tuple(size)
    shapes = _shapes(dtype, parts, sides)
    unet, text, rows = shapes.unet, shapes.text, shapes.rows
    works = (
        (f"edit step, guidance {guidance:g}", "unet", chunk,
         lambda: edit_step(shapes.fake(unet), rows(chunk), text, method, guidance)),
        ("decoding", "vae", decode_chunk,
         lambda: decoding(shapes.fake(shapes.vae), rows(decode_chunk))),
        ("fine-tuning", "unet", window,
         lambda: finetuning(shapes.fake(unet, rank), rows(window), text)),
        ("fine-tuning, checkpointing", "unet", window,
         lambda: finetuning(shapes.fake(unet, rank), rows(window), text, checkpointing=True)),
    )  # fmt: skip
    for name, part, frames, prepare in works:
        work = prepare()
        with Meter(work.part.parameters()) as meter:
            work.run()
        others = sum(count for other, count in shapes.weights.items() if other != part)
        numbers = str(dtype).removeprefix("torch.")
        yield Need(name, numbers, sides, frames, meter.peak, meter.peak + others)


def table(rows: Iterable[Need]) -> str:
    """Return a Markdown table of needs, in GiB."""
    lines = [
        "| work | numbers | frames | pixels | GiB at work | GiB with all parts loaded |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        gib = " | ".join(f"{count / 2**30:.1f}" for count in (row.at_work, row.loaded))
        pixels = f"{row.size[1]} x {row.size[0]}"
        lines.append(f"| {row.work} | {row.dtype} | {row.frames} | {pixels} | {gib} |")
    return "\n".join(lines)


@dataclass(frozen=True)
class _Shapes:
    """A model without values: its parts on "meta", where a fake tensor takes no room either."""

    unet: nn.Module
    vae: nn.Module
    weights: dict[str, int]
    latents: Tensor
    text: Tensor
    mode: FakeTensorMode

    def rows(self, n_frames: int) -> Tensor:
        return self.latents.repeat(n_frames, 1, 1, 1)

    def fake(self, module: nn.Module, rank: int = 0) -> nn.Module:
        """Return a copy on fake tensors, which know a device as real ones do; with LoRA, if so."""
        module = copy.deepcopy(module)
        if rank:
            add_lora(module, rank)
        with self.mode:
            for part in module.modules():
                for name, old in list(part.named_parameters(recurse=False)):
                    new = nn.Parameter(torch.empty(old.shape, dtype=old.dtype), old.requires_grad)
                    setattr(part, name, new)
                for name, old in list(part.named_buffers(recurse=False)):
                    setattr(part, name, torch.empty(old.shape, dtype=old.dtype))
        return module


def _shapes(dtype: torch.dtype, parts: Mapping, sides: tuple[int, int]) -> _Shapes:
    with torch.device("meta"):
        made = [nn.Module.to(part, dtype) for part in build(parts)]
    unet, vae, text_encoder = made
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    for side in sides:
        check_multiple("size", side, factor)
    sizes = [sum(p.numel() * p.element_size() for p in part.parameters()) for part in made]
    mode = FakeTensorMode(allow_non_fake_inputs=True)  # the schedule's numbers, which are few
    with mode:
        height, width = (side // factor for side in sides)
        latents = torch.empty(1, unet.config.in_channels, height, width, dtype=dtype)
        context = text_encoder.config.max_position_embeddings
        text = torch.empty(1, context, unet.config.cross_attention_dim, dtype=dtype)
    weights = dict(zip(("unet", "vae", "text_encoder"), sizes))
    return _Shapes(unet, vae, weights, latents, text, mode)

"""Which model works in which numbers on which device, how much of it at once, and what if it fails.

The options that `edit` and `finetune` share, the line that says what was chosen, and the one line
that an end of memory or a missing operation becomes.
"""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .stopping import is_memory
from .values import number, whole

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline

DTYPES = ("float32", "float16", "bfloat16")


def add_model_options(parser: ArgumentParser) -> None:
    """Add the model, its numbers, its device and how much of the clip goes through it at once."""
    group = parser.add_argument_group("the model, and how much of it at once")
    group.add_argument("--model", default="embedded", help="embedded, a folder or a hub id")
    group.add_argument(
        "--dtype", choices=DTYPES, default="float32",
        help="of the frozen weights; float16 and bfloat16 take half the memory",
    )  # fmt: skip
    group.add_argument("--device", type=device, help="such as cpu or cuda:0 (default: the best)")
    group.add_argument(
        "--decode-chunk", type=whole(1), help="frames in the autoencoder (default: the model's)"
    )


def add_training_options(parser: ArgumentParser) -> None:
    """Add what fine-tuning takes, also where it is a part of an edit."""
    group = parser.add_argument_group("fine-tuning")
    group.add_argument("--learning-rate", type=number(0, above=True), help="(default: the model's)")
    group.add_argument("--rank", type=whole(1), default=4, help="of the low-rank layers")
    group.add_argument("--window", type=whole(1), default=8, help="neighbouring frames in a window")
    group.add_argument(
        "--tokens", type=whole(0), nargs=2, default=(0, 0), metavar=("SHARED", "FRAME"),
        help="prompt tokens for all frames and for each",
    )  # fmt: skip
    group.add_argument(
        "--checkpointing", action="store_true",
        help="compute activations again instead of keeping them: slower, half the memory",
    )  # fmt: skip


def device(text: str) -> str:
    """Return the name of a device; whether it is there is asked when torch is imported anyway."""
    kind, _, index = text.partition(":")
    if kind not in ("cpu", "cuda", "mps", "xpu") or (index and not index.isdigit()):
        raise ArgumentTypeError(f"{text!r} is no device; wanted cpu, cuda, cuda:0, mps or xpu")
    return text


def chosen_device(options: Namespace) -> torch.device:
    """Return the device that the options name, or the best; raises ValueError if it is missing."""
    import torch

    import course

    if options.device is None:
        return course.device()
    wanted = torch.device(options.device)
    backend = getattr(torch, wanted.type)
    count = 1 if wanted.type in ("cpu", "mps") else backend.device_count()
    if not backend.is_available() or (wanted.index or 0) >= count:
        raise ValueError(
            f"--device {options.device}: there is none here; leave it out (then {course.device()} "
            "is taken), or install a build of torch that knows it"
        )
    return wanted


def load(options: Namespace, at: torch.device | None = None) -> StableDiffusionPipeline:
    """Return the model that the options name, in their numbers, on their device (or `at`)."""
    import torch

    from course import models

    at = chosen_device(options) if at is None else at
    return models.load(options.model, device=at, dtype=getattr(torch, options.dtype))


def check_adapter(place: Path) -> None:
    """Raise OSError or ValueError for a place that can hold no adapter, without reading it."""
    wanted = "wanted the folder that finetune wrote, or the file in it"
    if not place.exists():
        raise FileNotFoundError(f"--adapter {place} does not exist; {wanted}")
    if not (place.is_dir() or place.is_file()):
        raise ValueError(f"--adapter {place} is a pipe or a device; {wanted}")
    if place.is_dir() and not any(file.is_file() for file in place.glob("*.safetensors")):
        raise FileNotFoundError(f"--adapter {place} holds no safetensors file; {wanted}")


def training_settings(options: Namespace) -> dict[str, object]:
    """Return the options of `add_training_options` as arguments of `finetune`, but for tokens."""
    settings: dict[str, object] = {"rank": options.rank, "window": options.window}
    if options.learning_rate is not None:
        settings["learning_rate"] = options.learning_rate
    return settings | ({"gradient_checkpointing": True} if options.checkpointing else {})


@contextmanager
def told_in_words(options: Namespace, *, training: bool) -> Iterator[None]:
    """Turn an end of memory, or an operation that the device lacks, into a ValueError of a line."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or is_memory(error):
            reason = str(error).strip().splitlines()[:1]
            raise ValueError(
                f"out of memory ({''.join(reason)}); what helps most, in this order: "
                f"{', '.join(cures(options, training=training))}"
            ) from error
        if "not implemented for" in str(error):
            reason = str(error).strip().splitlines()[0]
            raise ValueError(
                f"this device cannot compute in {options.dtype} ({reason}); take --dtype bfloat16 "
                "or float32, or a GPU"
            ) from error
        raise


def cures(options: Namespace, *, training: bool) -> list[str]:
    """Return the three settings that save most memory, of those that are not used up, in order.

    Orders of Stable Diffusion 1.5 at 512 x 512 with 8 frames (``benchmarks.stable_diffusion``): a
    training step falls from 15.1 GiB to 6.8 with checkpointing and to 8.2 in float16; an edit step
    from 5.2 to 2.6 in float16 and to 3.5 with one frame at a time.
    """
    half = "float16" if "cuda" in str(options.device or _best()) else "bfloat16"
    found = []
    if training and not options.checkpointing:
        found.append("--checkpointing")
    if options.dtype == "float32":
        found.append(f"--dtype {half}")
    if training and options.window > 3:
        found.append("--window 3")
    if not training and options.chunk > 1:
        found.append(f"--chunk {options.chunk // 2}")
    found.append("a smaller --size")
    if options.decode_chunk != 1:
        found.append("--decode-chunk 1")
    return [*found, "fewer --frames"][:3]


def _best() -> str:
    import course

    return str(course.device())

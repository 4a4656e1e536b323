"""Where frozen weights come from, and where they compute (Fig. 1).

They come from a folder in this package, any folder, or a hub id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def locate(name: str | Path, *, inside: str, marker: str, wanted: str, layout: str) -> str:
    """Return a folder that holds the file `marker`, or a hub id as it is.

    "embedded" stands for the folder `inside` of this package. `wanted` says what is looked for,
    `layout` what a folder that lacks the marker is not. Raises FileNotFoundError for a folder that
    does not exist, ValueError for one without the marker.
    """
    own = Path(str(resources.files("course") / inside))
    folder = own if name == "embedded" else Path(name).expanduser()
    if (folder / marker).is_file():
        return str(folder)
    if folder.exists():
        raise ValueError(f"{folder} {layout}; give the folder that holds its {marker}")
    if isinstance(name, str) and _HUB_ID.fullmatch(name):
        return name
    raise FileNotFoundError(
        f"there is no {wanted} folder {folder}; give another, a hub id of the "
        'form owner/name, or "embedded" (missing? install the package again)'
    )


def read(source: str, wanted: str, load: Callable[[], object]) -> object:
    """Return `load()` from a source that `locate` gave, with the libraries' notes silenced.

    Raises ValueError for a folder that does not hold all of it, OSError for a hub id that can be
    had neither from the hub nor from its cache.
    """
    is_folder = Path(source).is_dir()
    try:
        # Downloads may take minutes, so the hub keeps its progress bars.
        with quiet(bars=not is_folder):
            return load()
    except Exception as error:  # every library below raises kinds of its own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if is_folder:
            raise ValueError(f"{source} does not hold a whole {wanted}: {reason}") from error
        raise OSError(
            f"{source} is no folder here, and the hub did not provide it ({reason}); "
            "check the name, connect once to cache it, or give a folder"
        ) from error


def execution_device(pipe: StableDiffusionPipeline) -> torch.device:
    """Return where a pipeline computes, which is not where offloaded weights lie meanwhile."""
    if hasattr(pipe, "_execution_device"):  # diffusers' own answer; its hooks know
        return pipe._execution_device
    return pipe.unet.device


@contextmanager
def quiet(*, bars: bool) -> Iterator[None]:
    """Silence the libraries' notes (and bars) while a pipeline loads, then restore them."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    libraries = [
        (library, library.get_verbosity(), library.is_progress_bar_enabled())
        for library in (diffusers_logging, transformers_logging)
    ]
    for library, _, _ in libraries:
        library.set_verbosity_error()
        if not bars:
            library.disable_progress_bar()
    try:
        yield
    finally:
        for library, verbosity, had_bars in libraries:
            library.set_verbosity(verbosity)
            if had_bars and not bars:
                library.enable_progress_bar()

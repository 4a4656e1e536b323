"""Files that are written whole or not at all, and that keep what a user has made of them."""

from __future__ import annotations

import errno
import os
import stat
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def safe_output(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file that takes its name only when its block ends well, and else vanishes.

    A link is followed and stays; a file that was there keeps its rights, a new one gets those of
    the umask. Raises what `check_output` raises before the block runs, and OSError when the disk
    is full.
    """
    target = check_output(path)
    temporary = target.parent / f".{uuid.uuid4().hex}.part"
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # some file systems report a full disk only here
        if target.exists():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(OSError):  # where it could not be made it cannot be removed either
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(
                error.errno,
                f"{path} could not be written ({error.strerror}) and nothing of it was left "
                "behind. Free some room, or choose a folder that you may write to",
            ) from error
        raise


def save_tensors(
    tensors: Mapping[str, Tensor],
    path: str | os.PathLike[str],
    metadata: dict[str, str] | None = None,
) -> None:
    """Write tensors as safetensors, whole or not at all; raises as `safe_output` does."""
    from safetensors.torch import save

    with safe_output(path) as file:
        file.write(save(dict(tensors), metadata))


def check_output(path: str | os.PathLike[str]) -> Path:
    """Return the file that a path leads to, links followed, if it can be written.

    Raises FileNotFoundError or NotADirectoryError for its folder, IsADirectoryError, ValueError
    for a pipe or device, PermissionError for a file that is write-protected, OSError for a name
    that is too long or a circle of links.
    """
    path = _possible(path)
    try:
        target = Path(os.path.realpath(path))
        if target.is_symlink():
            raise OSError(
                errno.ELOOP, f"{path} is a link that leads in a circle; choose another name"
            )
        status = target.stat() if target.exists() else None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise
        raise OSError(
            error.errno, f"{path} cannot be written ({error.strerror}); choose another name"
        ) from error
    if status is not None and stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(f"{path} is a folder; wanted the name of a file in it.")
    if not target.parent.exists():
        raise FileNotFoundError(
            f"{path} cannot be written: create the folder {target.parent} first."
        )
    if not target.parent.is_dir():
        raise NotADirectoryError(f"{path} cannot be written: {target.parent} is a file, no folder.")
    _check_name(target.name, target.parent, path)
    if status is not None and not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path} is a pipe or a device; wanted the name of a file.")
    # The rights are looked at, not tried: an administrator may write whatever they say.
    if status is not None and not status.st_mode & 0o222:
        raise PermissionError(f"{path} is write-protected; choose another name or change its mode.")
    return target


def _possible(path: str | os.PathLike[str]) -> Path:
    """Return a path that the system can be asked about."""
    path = _text(path)
    if "\0" in path:
        raise ValueError(f"{path!r} has a null character in it; no file can have one")
    return Path(path)


def _text(path: object) -> str:
    try:
        return os.fsdecode(path)
    except TypeError:
        wanted = "the name of a file, as text or pathlib.Path"
        raise TypeError(f"a path came as {type(path).__name__}; wanted {wanted}") from None


def longest_name(folder: Path) -> int:
    """Return how many bytes a name in a folder may have; 255 where the system does not say."""
    return os.pathconf(folder, "PC_NAME_MAX") if hasattr(os, "pathconf") else 255


def _check_name(name: str, folder: Path, path: Path) -> None:
    longest = longest_name(folder)
    found = len(os.fsencode(name))
    if found > longest:
        raise OSError(
            errno.ENAMETOOLONG, f"{path} has a name of {found} letters; at most {longest} fit here"
        )


def check_input(path: str | os.PathLike[str], wanted: str = "video file") -> Path:
    """Return the path of a regular file that is not empty, without opening it.

    Raises FileNotFoundError, IsADirectoryError, or ValueError for a pipe, a device, an empty file
    or an address in the network.
    """
    if "://" in _text(path):
        raise ValueError(f"{path} is an address; wanted a {wanted}. Download it first.")
    path = _possible(path)
    try:
        status = path.stat()  # opening a pipe would wait for its other end
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(
            f"{path} does not exist; wanted a {wanted}. Check the name."
        ) from error
    except OSError as error:
        raise type(error)(error.errno, f"{path} cannot be read: {error.strerror}") from error
    such = ", such as clip.mp4" if wanted == "video file" else ""
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(f"{path} is a folder; wanted a {wanted}{such}.")
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path} is a pipe or a device; wanted a {wanted}. Save it first.")
    if status.st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes); wanted a {wanted}. Copy it again.")
    return path

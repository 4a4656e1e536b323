"""reveal.js on the disk: fetched from npm once, checked, and copied beside the slides.

reveal.js is by Hakim El Hattab and contributors, MIT licence. Of its package the slides need the
script, two style sheets and the letters of one theme.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

VERSION = "5.2.1"
SHA256 = "359b575dd51bbda32f89b2fd4c7dc46ad7389a805572158916c29252f7a27333"
FOLDER = "reveal"
_WANTED = (
    "LICENSE",
    "dist/reveal.css",
    "dist/reveal.js",
    "dist/theme/white.css",
    "dist/theme/fonts/source-sans-pro/",
)


def copy(target: Path, kept: Path) -> None:
    """Unpack what slides need of reveal.js below `target`; its package stays in `kept`.

    Raises FileNotFoundError where npm is missing and the package is not kept, ValueError where npm
    cannot fetch it or it is not the one that is known.
    """
    package = kept / f"reveal.js-{VERSION}.tgz"
    if not package.is_file():
        fetch(kept)
    found = hashlib.sha256(package.read_bytes()).hexdigest()
    if found != SHA256:
        raise ValueError(
            f"{package} has the digest {found[:12]}..., not {SHA256[:9]}...: remove it, try again"
        )
    with tarfile.open(package) as archive:
        for member in archive.getmembers():
            name = member.name.removeprefix("package/")
            if member.isfile() and name.startswith(_WANTED):
                path = target / FOLDER / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.extractfile(member).read())


def fetch(folder: Path) -> None:
    """Let npm put the package into a folder. Raises as `copy` does."""
    npm, folder = shutil.which("npm"), Path(folder).resolve()
    if npm is None:
        raise FileNotFoundError(
            f"slides need reveal.js {VERSION}, which npm fetches once, and npm is missing: install "
            f"Node.js, or put reveal.js-{VERSION}.tgz of npm's registry into {folder}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [npm, "pack", "--silent", f"reveal.js@{VERSION}"],
        cwd=folder,
        text=True,
        capture_output=True,
    )
    if done.returncode:
        raise ValueError(f"npm could not fetch reveal.js {VERSION}: {done.stderr.strip()[-300:]}")

"""MathJax on the site itself: the one script and the fonts that its pages need.

The package `sphinx-mathjax-offline` carries the files of MathJax 3.2.2 (Apache License 2.0). As a
Sphinx extension it would copy all of them, 15 MB; a page needs 2.
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

SCRIPT = "tex-chtml-full.js"
FOLDER = "mathjax"
_FONTS = "output/chtml/fonts/woff-v2"

CONFIG = {
    "tex": {"inlineMath": [["\\(", "\\)"]], "displayMath": [["\\[", "\\]"]]},
    "options": {"enableMenu": True, "menuOptions": {"settings": {"assistiveMml": True}}},
}
"""What every page tells MathJax: TeX only where it was marked, and words for screen readers."""


def copy(static: Path) -> None:
    """Copy MathJax below a static folder. Raises ModuleNotFoundError with what to install."""
    source = _source()
    target = static / FOLDER
    (target / _FONTS).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / SCRIPT, target / SCRIPT)
    for font in sorted((source / _FONTS).glob("*.woff")):
        shutil.copyfile(font, target / _FONTS / font.name)


def _source() -> Path:
    """Return the folder of MathJax in the installed package.

    Its name has hyphens, so that no import statement can name it.
    """
    package = find_spec("sphinx-mathjax-offline")
    folder = Path(package.origin).parent / "static" / "mathjax" if package else None
    if folder is None or not (folder / SCRIPT).is_file():
        raise ModuleNotFoundError(
            "the site needs MathJax, and sphinx-mathjax-offline is not installed: run make setup, "
            "or pip install sphinx-mathjax-offline"
        )
    return folder


def path() -> str:
    """Return where pages find the script, from the static folder."""
    return f"{FOLDER}/{SCRIPT}"

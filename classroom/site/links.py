"""Links of texts that were written for the repository, made to lead somewhere on the site."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

_SKIPPED = r"(?P<skip>^```.*?^```|`[^`\n]+`|\$\$.*?\$\$)"
_LINK = re.compile(
    _SKIPPED
    + r"|(?P<picture>!?)\[(?P<words>[^\[\]]*)\]\((?P<target>[^()\s]+(?:\([^()]*\))?[^()\s]*)\)",
    re.M | re.S,
)

PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "docs/measurements.md": "measurements.md",
    "benchmarks/README.md": "measurements.md",
}
"""Files of the repository that have a page."""


def resolved(text: str, source: str, page: str, pages: Mapping[str, str], address: str) -> str:
    """Return Markdown whose relative links lead to pages, or to the repository at `address`.

    `source` is the file that the text comes from, `page` the page that it becomes; `pages` maps
    files of the repository to pages. Without an address such a link is left out and its words stay.
    """
    from_folder, to_folder = posixpath.dirname(source), posixpath.dirname(page)

    def changed(found: re.Match) -> str:
        target = found["target"]
        if found["skip"] or found["picture"] or re.match(r"[a-z]+:|#", target):
            return found[0]
        path, _, anchor = target.partition("#")
        file = posixpath.normpath(posixpath.join(from_folder, path))
        if file in pages:
            new = posixpath.relpath(pages[file], to_folder or ".")
            anchor = f"#{anchor}" if anchor and pages[file].endswith(".ipynb") else ""
            return f"[{found['words']}]({new}{anchor})"
        return f"[{found['words']}]({address}/blob/main/{file})" if address else found["words"]

    return _LINK.sub(changed, text)


def anchor(title: str) -> str:
    """Return a heading's anchor as JupyterLab makes it: links in the notebooks lead there."""
    return title.replace(" ", "-")


def lesson_pages(slugs: Mapping[str, object]) -> dict[str, str]:
    """Return the pages of the lessons by their notebooks' paths, of either folder."""
    return {
        f"{folder}/{slug}.ipynb": f"notebooks/{slug}.ipynb"
        for folder in ("notebooks", "solutions")
        for slug in slugs
    }

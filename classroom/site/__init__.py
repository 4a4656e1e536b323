"""The course as a static site: read the lessons, with all that they print and draw, in a browser.

`run` runs each lesson once and remembers what came; `explorers` and `answers` draw and judge what a
kernel would do for a reader; `page` makes a page of a notebook, `book` the other pages, and `build`
hands all of it to Sphinx. A site can be made in a clone only: it takes texts from outside the
packages.
"""

from __future__ import annotations

from classroom.site.build import build_site

__all__ = ["build_site"]

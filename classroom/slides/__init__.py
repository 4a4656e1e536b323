"""The lessons as slides for a projector: their figures, their questions, and the verdicts.

`choose` picks from a lesson as it ran and says which cell is a slide; nbconvert makes reveal.js of
it with the template in `docs/slides`. `reveal` fetches reveal.js once, and `build` brings all
to the disk. As the site, slides can be made in a clone only.
"""

from __future__ import annotations

from classroom.slides.build import build_slides

__all__ = ["build_slides"]

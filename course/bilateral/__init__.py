"""Section 4.2 of the paper: the bilateral filter (Eqs. 9 to 11, 34) and what is true of it.

`filter` holds the filter, its matrix and its bounds; `kernel` computes it fast, `taps` tap by tap,
and `sinkhorn` balances its weights.
"""

from __future__ import annotations

from course.bilateral.filter import (
    bilateral_filter,
    bilateral_weights,
    displacement_bound,
    lipschitz_bound,
)

__all__ = ["bilateral_filter", "bilateral_weights", "displacement_bound", "lipschitz_bound"]

"""Figures of lesson 06: the factor C_t, three bounds on the error, and a filter inside the chain.

Theorem 4.6 and Lemmas 4.8 and 4.9, with Stable Diffusion's schedule. Errors are drawn for each
number of a latent, that is divided by sqrt(d), so that 1 is as large as the noise itself.
"""

from __future__ import annotations

from lessons.error_recursion.figures import chain, filter
from lessons.error_recursion.figures.chain import (
    bound_curves,
    real_chain_figure,
    step_constant_figure,
    three_bounds_figure,
)
from lessons.error_recursion.figures.filter import (
    filter_growth_figure,
    filtered_chain,
    filtered_chain_figure,
)

__all__ = [
    "EXPLORERS",
    "bound_curves",
    "filter_growth_figure",
    "filtered_chain",
    "filtered_chain_figure",
    "real_chain_figure",
    "step_constant_figure",
    "three_bounds_figure",
]

EXPLORERS = chain.EXPLORERS | filter.EXPLORERS

"""Figures of lesson 09: what a rank can say, vanishing features, losses without gradient, maps.

Eq. 2 (low-rank adapters), Eq. 3 on single numbers, the two terms of Eq. 6, and the counterpart of
the paper's Fig. 3.
"""

from __future__ import annotations

from lessons.lora_adapters.figures import low_rank, objective
from lessons.lora_adapters.figures.low_rank import (
    CHANGES,
    collapse_figure,
    rank_errors,
    rank_figure,
    wanted_change,
)
from lessons.lora_adapters.figures.objective import (
    cosine_of_numbers_figure,
    feature_map_figure,
    gradient_terms_figure,
    loss_and_gradient_figure,
)

__all__ = [
    "CHANGES",
    "EXPLORERS",
    "collapse_figure",
    "cosine_of_numbers_figure",
    "feature_map_figure",
    "gradient_terms_figure",
    "loss_and_gradient_figure",
    "rank_errors",
    "rank_figure",
    "wanted_change",
]

EXPLORERS = low_rank.EXPLORERS | objective.EXPLORERS

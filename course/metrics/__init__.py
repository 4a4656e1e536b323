"""What the course measures on a clip, each with its definition and the trap that goes with it."""

from __future__ import annotations

from .consistency import flicker, similarity_summary, warp, warping_error
from .fidelity import background_psnr, psnr, ssim
from .truth import TRUTH_COLUMNS, against_target

__all__ = [
    "TRUTH_COLUMNS",
    "against_target",
    "background_psnr",
    "flicker",
    "psnr",
    "similarity_summary",
    "ssim",
    "warp",
    "warping_error",
]

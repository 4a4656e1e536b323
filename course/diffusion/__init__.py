"""Section 3.3 of the paper: noise schedules, diffusion steps and chains (Eqs. 1, 5, 8, 9, 12, 33).

`schedule` holds the levels of noise, `steps` one step each way, `chains` walks from noise to data
and back.
"""

from __future__ import annotations

from course.diffusion.chains import DiffusionStep, invert, sample
from course.diffusion.schedule import (
    NoiseSchedule,
    add_noise,
    noise_to_velocity,
    predicted_original,
    velocity_to_noise,
)
from course.diffusion.steps import ancestral_step, ddim_inverse_step, ddim_step

__all__ = [
    "DiffusionStep",
    "NoiseSchedule",
    "add_noise",
    "ancestral_step",
    "ddim_inverse_step",
    "ddim_step",
    "invert",
    "noise_to_velocity",
    "predicted_original",
    "sample",
    "velocity_to_noise",
]

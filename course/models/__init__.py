"""Diffusion pipelines: the embedded one, a folder or a hub id, and what the course asks of them.

`pipeline` loads one, encodes, decodes and predicts; `pretrained` finds and reads files;
`text_cache` keeps what a text gives from step to step.
"""

from __future__ import annotations

from course.models.pipeline import (
    decode_latents,
    encode_frames,
    encode_prompt,
    load,
    noise_predictor,
)
from course.models.pretrained import execution_device

__all__ = [
    "decode_latents",
    "encode_frames",
    "encode_prompt",
    "execution_device",
    "load",
    "noise_predictor",
]

"""LoRA in the UNet's attention, and taps on its features: Eqs. 2 and 6, Figs. 1 and 3.

`lora` puts the low-rank layers in and out, `files` keeps them on disk, `formats` reads what other
programs wrote, `taps` looks at features, `switches` knows what a user may have switched on before.
"""

from __future__ import annotations

from course.adapters.files import (
    ADAPTER_FILE,
    TOKENS_FILE,
    load_adapter,
    lora_file,
    save_adapter,
)
from course.adapters.lora import (
    adapter_disabled,
    add_lora,
    has_adapter,
    lora_parameters,
    remove_lora,
)
from course.adapters.taps import FeatureTap, default_taps

__all__ = [
    "ADAPTER_FILE",
    "TOKENS_FILE",
    "FeatureTap",
    "adapter_disabled",
    "add_lora",
    "default_taps",
    "has_adapter",
    "load_adapter",
    "lora_file",
    "lora_parameters",
    "remove_lora",
    "save_adapter",
]

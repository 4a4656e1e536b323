"""Fine-tune adapter and prompt tokens on one clip: Eqs. 4, 5, 6 and 17.

Each step noises windows of neighbouring frames, lets the UNet predict, and takes an AdamW step on
lambda_temporal L_temporal + lambda_diffusion L_diffusion. The temporal term sees features inside
the UNet (Fig. 3), not frames: it can fall while the edited clip flickers as before.
"""

from __future__ import annotations

from .checkpoint import CHECKPOINT_FILE
from .objective import WEIGHTS
from .progress import FinetuneStep
from .train import finetune

__all__ = ["CHECKPOINT_FILE", "WEIGHTS", "FinetuneStep", "finetune"]

"""Taps on a UNet's features: what the temporal loss of the course looks at (Eq. 2, Fig. 3)."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from .switches import plain_module


class FeatureTap:
    """A context manager that captures the outputs of named modules, with their gradients.

    It yields a dictionary {name: features (T, N, C)}, renewed at each forward pass: maps
    (T, C, H, W) come as N = H W positions, of a tuple the first tensor counts. `names` are module
    paths such as "up_blocks.1.attentions.0.transformer_blocks.0.attn1"; raises ValueError for one
    that does not exist, with its nearest neighbours. Source: F_{l,b}^t of Eq. 2, Fig. 3.
    """

    def __init__(self, unet: nn.Module, names: str | Sequence[str]) -> None:
        self.names = [names] if isinstance(names, str) else list(names)
        modules = dict(plain_module(unet).named_modules())
        for name in self.names:
            if name not in modules or not name:
                near = difflib.get_close_matches(name, modules, n=5, cutoff=0.4)
                raise ValueError(
                    f"the UNet has no module {name!r}; near it: {', '.join(near) or 'nothing'}"
                )
        self._modules = {name: modules[name] for name in self.names}
        self._hooks: list = []
        self.features: dict[str, Tensor] = {}

    def __enter__(self) -> dict[str, Tensor]:
        self._hooks = [
            module.register_forward_hook(partial(self._keep, name))
            for name, module in self._modules.items()
        ]
        return self.features

    def __exit__(self, *error: object) -> None:
        while self._hooks:
            self._hooks.pop().remove()

    def _keep(self, name: str, module: nn.Module, inputs: tuple, output: object) -> None:
        tensor = output if isinstance(output, Tensor) else output[0]
        self.features[name] = tensor.flatten(2).mT if tensor.ndim == 4 else tensor


def default_taps(unet: nn.Module) -> list[str]:
    """Return the self-attention modules of the up blocks whose outputs the course compares.

    They are those of the last two thirds of the up blocks' layers: in Stable Diffusion 1.5 exactly
    blocks 4 to 11, as in Fig. 3 and in the code that He et al. 2025 released. Raises ValueError
    for a UNet without attention there.
    """
    unet = plain_module(unet)
    layers = [
        (f"up_blocks.{b}.attentions.{i}.", hasattr(block, "attentions"))
        for b, block in enumerate(unet.up_blocks)
        for i in range(len(block.resnets))
    ]
    late = tuple(prefix for prefix, attends in layers[len(layers) // 3 :] if attends)
    names = [
        name
        for name, _ in unet.named_modules()
        if name.startswith(late or "-") and name.endswith(".attn1")
    ]
    if not names:
        raise ValueError("the UNet has no self-attention in its up blocks; name the modules to tap")
    return names

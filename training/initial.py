"""Initial weights that make a deep network start as a nearly linear one.

With PyTorch's defaults the colour of a frame is lost in the noise of a dozen random layers, and
training spends its first thousand steps getting it through. Residual branches that start at zero
let it through at once.
"""

from __future__ import annotations

from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.resnet import ResnetBlock2D
from torch import nn

_CARRIERS = ("sampler", "conv_in", "conv_out", "shortcut", "quant")


def start_residuals_at_zero(model: nn.Module) -> None:
    """Zero the last layer of every residual branch, in place."""
    for module in model.modules():
        if isinstance(module, ResnetBlock2D):
            _zero(module.conv2)
        elif isinstance(module, BasicTransformerBlock):
            _zero(module.attn1.to_out[0])
            _zero(module.attn2.to_out[0])
            _zero(module.ff.net[2])


def start_carriers_orthogonal(model: nn.Module) -> None:
    """Make the convolutions outside of residual branches orthogonal, without bias, in place."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d) and any(part in name for part in _CARRIERS):
            nn.init.orthogonal_(module.weight)
            nn.init.zeros_(module.bias)


def _zero(layer: nn.Module) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)

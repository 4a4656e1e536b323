"""High dynamic range (PQ, HLG) and wide colours (BT.2020, P3) on an ordinary screen.

The wheels of PyAV hold no zscale, FFmpeg's filter for this. Sources: Rec. ITU-R BT.2100 (the two
transfer functions), BT.2408 (reference white at 203 cd/m2), BT.2087 (BT.2020's matrix); P3's
follows from the primaries of SMPTE EG 432-1.
"""

from __future__ import annotations

import torch

HIGH_RANGE = {16: "high dynamic range (PQ)", 18: "high dynamic range (HLG)"}
"""The transfer functions of H.273 that reach beyond an ordinary screen's white."""

WIDE_PRIMARIES = {
    9: "wide colours (BT.2020)",
    11: "wide colours (P3)",  # its own white is a cinema's; files that say so mean white by it
    12: "wide colours (Display P3)",
}
"""The primaries of H.273 that reach beyond BT.709's, as phones store them."""

_REFERENCE_WHITE = 203.0  # cd/m2
_SCREEN_GAMMA = 2.4  # BT.1886
_KNEE = 0.75  # up to here light stays as it is; what is brighter is pressed into the rest
_BT2020_TO_BT709 = (
    (1.6605, -0.5876, -0.0728),
    (-0.1246, 1.1329, -0.0083),
    (-0.0182, -0.1006, 1.1187),
)
_P3_TO_BT709 = (
    (1.2249, -0.2249, 0.0),
    (-0.0421, 1.0421, 0.0),
    (-0.0196, -0.0786, 1.0983),
)


def to_standard(colours: torch.Tensor, transfer: int, primaries: int) -> torch.Tensor:
    """Return colours (3, H, W) in [0, 1] as an ordinary screen shows them, BT.709, in [0, 1].

    transfer, primaries: code points of H.273. Reference white becomes nearly white; what is
    brighter keeps its colour and is pressed in between.
    """
    light = _light(colours, transfer)
    if primaries in WIDE_PRIMARIES:
        matrix = torch.tensor(
            _BT2020_TO_BT709 if primaries == 9 else _P3_TO_BT709, dtype=light.dtype
        )
        light = torch.einsum("ij,jhw->ihw", matrix, light).clamp(min=0)
    if transfer in HIGH_RANGE:
        brightest = light.amax(0, keepdim=True).clamp(min=1e-6)
        room = 1 - _KNEE
        pressed = _KNEE + room * (1 - torch.exp((_KNEE - brightest) / room))
        light = light * torch.where(brightest > _KNEE, pressed, brightest) / brightest
    return light.clamp(0, 1).pow(1 / _SCREEN_GAMMA)


def _light(signal: torch.Tensor, transfer: int) -> torch.Tensor:
    """Return light as a multiple of reference white."""
    if transfer == 16:  # BT.2100, Table 4
        power = signal.pow(32 / 2523)
        base = (power - 0.8359375).clamp(min=0) / (18.8515625 - 18.6875 * power)
        return base.pow(8192 / 1305) * (10000 / _REFERENCE_WHITE)
    if transfer == 18:  # BT.2100, Table 5, on a screen of 1000 cd/m2
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = torch.where(signal <= 0.5, signal**2 / 3, (((signal - c) / a).exp() + b) / 12)
        weights = torch.tensor((0.2627, 0.6780, 0.0593), dtype=scene.dtype).view(3, 1, 1)
        brightness = (weights * scene).sum(0, keepdim=True).clamp(min=1e-6)
        return brightness.pow(0.2) * scene * (1000 / _REFERENCE_WHITE)
    return signal.pow(_SCREEN_GAMMA)

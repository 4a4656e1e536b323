"""Depth control (Fig. 1): a ControlNet beside the UNet that says where things stand.

The paper draws depth as an input of the denoiser and gives no equation for it; the released code
uses a frozen ControlNet, and so does the course. Source: ControlNet, arXiv 2302.05543.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from course import device as best_device
from course.checks import check_number, check_real, check_shape, check_values
from course.models.pretrained import locate, read

if TYPE_CHECKING:
    from diffusers import ControlNetModel, StableDiffusionPipeline

STABLE_DIFFUSION = "lllyasviel/control_v11f1p_sd15_depth"
"""Hub id of a depth ControlNet for Stable Diffusion 1.5."""

_SHARED = ("in_channels", "block_out_channels", "layers_per_block", "cross_attention_dim")
_STABLE_DIFFUSION_WIDTH = 768  # of the text tokens of versions 1.1 to 1.5


def load_depth(
    name: str | Path = "embedded",
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> ControlNetModel:
    """Return a depth `ControlNetModel` of diffusers, frozen and in evaluation mode.

    `name` is "embedded" (for the small model inside this package), a folder that holds a
    ControlNet, or a hub id such as `STABLE_DIFFUSION`. `device` defaults to `course.device()`,
    `dtype` to float32. Raises FileNotFoundError for a folder that does not exist, ValueError for
    one that holds no ControlNet, OSError for a hub id that cannot be had.
    """
    source = locate(
        name,
        inside="embedded_depth",
        marker="config.json",
        wanted="ControlNet",
        layout="holds no ControlNet",
    )

    def load() -> ControlNetModel:
        from diffusers import ControlNetModel

        return ControlNetModel.from_pretrained(source, torch_dtype=dtype or torch.float32)

    network = read(source, "ControlNet", load)
    return network.requires_grad_(False).eval().to(best_device() if device is None else device)


def depth_picture(depth: Tensor) -> Tensor:
    """Return what a depth ControlNet looks at, (T, 3, H, W) in [0, 1]: grey, near is bright.

    Takes depth (T, 1, H, W) in [0, 1], the distance from the camera. Raises TypeError for depth
    that is not floating point, ValueError for another shape or, on the CPU, values outside [0, 1].
    """
    check_real(depth=depth)
    check_shape("depth", depth, "T", 1, "H", "W", least=1)
    hint = "near is small: divide by the largest distance (where near is bright: take 1 - map)"
    check_values("depth", depth, 0, 1, hint)
    return (1 - depth).expand(-1, 3, -1, -1)


class DepthControl:
    """A depth ControlNet together with the depth of T frames: `control` of `noise_predictor`.

    `control(latents, timestep, text)` returns what the UNet adds to the features of its down path,
    a list, and of its middle block. `strength` multiplies them: 0 changes nothing. `control[a:b]`
    keeps some of the frames. Raises as `depth_picture` does, and ValueError for a strength that
    is not finite.
    """

    def __init__(self, network: ControlNetModel, depth: Tensor, strength: float = 1.0) -> None:
        check_number("strength", strength, hint="1 is usual")
        self.network, self.depth, self.strength = network, depth, float(strength)
        self._picture = depth_picture(depth).to(network.device, network.dtype)

    def __len__(self) -> int:
        return len(self.depth)

    def __getitem__(self, frames: slice) -> DepthControl:
        return DepthControl(self.network, self.depth[frames], self.strength)

    def __call__(
        self, latents: Tensor, timestep: int | Tensor, text: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        """Return residuals for a batch: the T frames once, or once for each half of guidance."""
        repeats, rest = divmod(len(latents), len(self))
        if rest:
            raise ValueError(
                f"depth has {len(self)} frames and the batch has {len(latents)}; cut the depth as "
                "you cut the frames: control[a:b]"
            )
        down, middle = self.network(
            latents, timestep, text, self._picture.repeat(repeats, 1, 1, 1),
            conditioning_scale=self.strength, return_dict=False,
        )  # fmt: skip
        return list(down), middle


def control_for(
    pipe: StableDiffusionPipeline, frames: Tensor, depth: Tensor | DepthControl
) -> DepthControl:
    """Return the control of `frames` (T, 3, H, W) for this pipeline, checked against both.

    Depth that is a tensor gets the ControlNet that belongs to the pipeline: the embedded one, or
    `STABLE_DIFFUSION`. Raises as `load_depth` and `depth_picture` do, and ValueError for depth of
    another length or size than the frames and for a ControlNet made for another model.
    """
    wanted = (len(frames), 1, *frames.shape[2:])
    given = depth.depth if isinstance(depth, DepthControl) else depth
    if isinstance(given, Tensor):
        check_shape("depth", given, *wanted, hint="it must go with the frames")
    if not isinstance(depth, DepthControl):
        depth_picture(depth)  # fail before loading
        is_large = pipe.unet.config.cross_attention_dim == _STABLE_DIFFUSION_WIDTH
        name = STABLE_DIFFUSION if is_large else "embedded"
        depth = DepthControl(load_depth(name, device=pipe.device, dtype=pipe.unet.dtype), depth)
    _check_fits(depth.network, pipe)
    return depth


def _check_fits(network: ControlNetModel, pipe: StableDiffusionPipeline) -> None:
    ours, theirs = network.config, pipe.unet.config
    wrong = {
        key: (ours[key], theirs[key])
        for key in _SHARED
        if _as_plain(ours[key]) != _as_plain(theirs[key])
    }
    factor = 2 ** (len(ours.conditioning_embedding_out_channels) - 1)
    vae_factor = 2 ** (len(pipe.vae.config.block_out_channels) - 1)
    if factor != vae_factor:
        wrong["pixels for each latent"] = factor, vae_factor
    if wrong:
        faults = "; ".join(f"{key} is {a}, wanted {b}" for key, (a, b) in wrong.items())
        raise ValueError(
            f"the ControlNet was made for another model ({faults}); give "
            "DepthControl(load_depth(name), depth) with one that was trained for yours"
        )


def _as_plain(value: object) -> object:
    return list(value) if isinstance(value, (list, tuple)) else value  # JSON knows no tuples

"""A short video and what is exactly known about it: the input of every part of the paper.

The paper speaks of T frames (Section 3); a `Clip` holds them together with their frame rate,
a caption and, for rendered scenes, the depth, mask and motion that real footage never gives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy
import torch

# name -> (channels, how many fewer than the frames)
_PARTS = {"depth": (1, 0), "mask": (1, 0), "flow": (2, 1), "occlusion": (1, 1)}


@dataclass(frozen=True, eq=False)
class Clip:
    """A video clip of T frames, with exact depth, mask and motion where they are known.

    frames: (T, 3, H, W), floating, red-green-blue in [0, 1]. fps: frames per second, above 0.
    caption: what is seen, in words. depth: (T, 1, H, W) in (0, 1], distance from the camera.
    mask: (T, 1, H, W), coverage of the object in [0, 1]. flow: (T-1, 2, H, W) in pixels, x to
    the right and then y down, from frame t to frame t+1. occlusion: (T-1, 1, H, W), 1 where the
    point seen in frame t is hidden or outside in frame t+1. estimated: whether flow and occlusion
    are an estimate (`with_estimated_motion`) and no fact.

    Only shapes, dtypes and devices are checked: a look at the values would wait for the device.
    Raises TypeError for a wrong type or dtype, ValueError for a wrong shape, device or rate.
    """

    frames: torch.Tensor
    fps: float
    caption: str = ""
    depth: torch.Tensor | None = None
    mask: torch.Tensor | None = None
    flow: torch.Tensor | None = None
    occlusion: torch.Tensor | None = None
    estimated: bool = False

    def __post_init__(self) -> None:
        _require_floating("frames", self.frames)
        if self.frames.ndim != 4 or self.frames.shape[1] != 3 or 0 in self.frames.shape:
            raise ValueError(
                f"frames have shape {tuple(self.frames.shape)}; wanted (T, 3, H, W) with at least "
                "one frame. Put the time first and the three colours second."
            )
        object.__setattr__(self, "fps", _checked_rate(self.fps))
        if not isinstance(self.caption, str):
            raise TypeError(f"caption is a {type(self.caption).__name__}; wanted a str.")
        for name, (channels, fewer) in _PARTS.items():
            self._check_part(name, channels, self.n_frames - fewer)

    def _check_part(self, name: str, channels: int, length: int) -> None:
        part = getattr(self, name)
        if part is None:
            return
        _require_floating(name, part)
        wanted = (length, channels, *self.size)
        if tuple(part.shape) != wanted:
            raise ValueError(
                f"{name} has shape {tuple(part.shape)}; wanted {wanted} to go with frames of "
                f"shape {tuple(self.frames.shape)}."
            )
        if part.device != self.frames.device:
            raise ValueError(
                f"{name} is on {part.device} and frames are on {self.frames.device}; "
                "put both on one device."
            )

    @property
    def n_frames(self) -> int:
        """The number of frames, T."""
        return self.frames.shape[0]

    @property
    def size(self) -> tuple[int, int]:
        """The size of a frame in pixels: (height, width)."""
        return self.frames.shape[2], self.frames.shape[3]

    @property
    def seconds(self) -> float:
        """How long the clip plays, in seconds: each frame is shown for 1 / fps."""
        return self.n_frames / self.fps

    def __len__(self) -> int:
        return self.n_frames

    def __getitem__(self, index: slice) -> Clip:
        """Cut out neighbouring frames, `clip[a:b]`, with all that is known about them.

        Flow and occlusion of the cut stay one shorter than its frames. Raises TypeError for
        anything but a slice, ValueError for a step other than 1 or an empty cut.
        """
        if not isinstance(index, slice):
            raise TypeError(
                f"a clip is cut with a slice such as clip[0:4], not with {index!r}; "
                "one frame is clip.frames[i]."
            )
        start, stop, step = index.indices(self.n_frames)
        if step != 1:
            raise ValueError(f"step {step} in a cut; wanted 1, because flow joins neighbours.")
        if stop <= start:
            raise ValueError(f"clip[{start}:{stop}] is empty; the clip has {self.n_frames} frames.")
        parts = {"frames": self.frames[start:stop]}
        for name, (_, fewer) in _PARTS.items():
            part = getattr(self, name)
            parts[name] = None if part is None else part[start : stop - fewer]
        return replace(self, **parts)

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Clip:
        """Move every tensor of the clip to a device, a dtype, or both; None keeps what is there."""
        if isinstance(device, torch.dtype):  # clip.to(torch.float16), as tensors allow it
            device, dtype = None, device
        parts = {
            name: getattr(self, name).to(device=device, dtype=dtype)
            for name in ("frames", *_PARTS)
            if getattr(self, name) is not None
        }
        return replace(self, **parts)

    def to_uint8(self) -> numpy.ndarray:
        """Round the frames to bytes (T, H, W, 3) for files and pictures; moves them to the host.

        Values outside [0, 1] are clipped. Raises ValueError for values that are not finite.
        """
        frames = self.frames.detach().to("cpu", torch.float32)
        if not bool(torch.isfinite(frames).all()):
            raise ValueError("frames hold values that are not finite; wanted numbers in [0, 1].")
        rounded = frames.clamp(0, 1).mul(255).round().to(torch.uint8)
        return rounded.permute(0, 2, 3, 1).contiguous().numpy()

    def frozen(self) -> Clip:
        """Repeat the first frame: the baseline that wins every measure of consistency.

        Depth, mask, flow and occlusion are dropped: they describe a motion that is gone.
        """
        still = self.frames[:1].expand_as(self.frames)
        return Clip(frames=still, fps=self.fps, caption=self.caption)


def _require_floating(name: str, value: object) -> None:
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"{name} is a {type(value).__name__}; wanted a torch.Tensor.")
    if not value.is_floating_point():
        raise TypeError(
            f"{name} has dtype {value.dtype}; wanted a floating one. "
            "Pictures in whole numbers from 0 to 255 are divided by 255 first."
        )


def _checked_rate(fps: object) -> float:
    try:
        rate = float(fps)  # a Fraction or an int will do as well
    except (TypeError, ValueError) as error:
        raise TypeError(f"fps is {fps!r}; wanted a number of frames per second.") from error
    if not (math.isfinite(rate) and rate > 0):
        raise ValueError(f"fps is {rate}; wanted a finite number above 0.")
    return rate

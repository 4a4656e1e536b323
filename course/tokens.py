"""Shared and frame-specific prompt tokens put before the text tokens: Eq. 13 and Fig. 2.

They work with any pipeline whose UNet cross-attends, since only the text that it sees is longer.
Nothing here knows a timestep: the prefix is the same at all of them, as Fig. 2 has it. Its last
phase, in which only shared tokens are trained, is ``finetune(..., only_shared=True)``.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from course.checks import check_same_shape, check_shape, check_whole
from course.files import save_tensors

STANDARD_DEVIATION = 0.02  # He et al. 2025, released code


class PromptTokens(nn.Module):
    """Trainable tokens: `shared` (N_s, d) for all frames, `frame` (T, N_u, d) for each (Eq. 13).

    With `features` (T, c), frozen numbers that describe each frame, the tokens of a frame are what
    a trained linear layer `projection` makes of its row, phi in Eq. 17, and `frame` is None: the
    number of trained numbers then does not grow with the frames.

    All tokens start with standard deviation 0.02, drawn from `generator` (default: seed 0, CPU),
    in float32. Even such small tokens take part in the softmax of a frozen model, so its output
    changes a little before any training. With n_shared = n_frame = 0 the text stays as it is.
    Raises ValueError for a negative number of tokens, for dim or n_frames below 1, and for
    features of another shape or all zero.
    """

    def __init__(
        self,
        n_shared: int,
        n_frame: int,
        dim: int,
        n_frames: int,
        *,
        features: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        for name, count in (("n_shared", n_shared), ("n_frame", n_frame)):
            check_whole(name, count, 0)
        for name, count in (("dim", dim), ("n_frames", n_frames)):
            check_whole(name, count, 1)
        if generator is None:
            generator = torch.Generator().manual_seed(0)
        self.shared = nn.Parameter(_start((n_shared, dim), generator))
        self.n_frames, self.n_frame = n_frames, n_frame
        if features is None:
            self.frame = nn.Parameter(_start((n_frames, n_frame, dim), generator))
            self.projection = None
        else:
            self.register_parameter("frame", None)
            self.register_buffer("features", _checked_features(features, n_frames))
            self.projection = _projection(self.features, n_frame * dim, generator)

    @property
    def n_tokens(self) -> int:
        """The number of tokens that each frame's text grows by."""
        return len(self.shared) + self.n_frame

    def frame_tokens(self, frames: slice | Tensor | None = None) -> Tensor:
        """Return the tokens of some frames (default: all), (T, N_u, d), projected if they are."""
        source = self.frame if self.projection is None else self.features
        picked = source if frames is None else source[frames]
        if self.projection is None:
            return picked
        return self.projection(picked).unflatten(-1, (self.n_frame, -1))

    def forward(self, text_tokens: Tensor, frames: slice | Tensor | None = None) -> Tensor:
        """Return Z_final = [T_share; Z_frame; C(Z)] of Eq. 13, (T, N_s + N_u + L_text, d).

        `text_tokens` (1 | T, L_text, d) belong to all frames or to each; `frames`, a slice or an
        index tensor, picks T of the frames (default: all). The tokens take the dtype of the text,
        where they must lie on its device. Raises ValueError for other shapes.
        """
        frame = self.frame_tokens(frames)
        n_frames, dim = len(frame), self.shared.shape[-1]
        hint = "pick frames with a slice or an index tensor"
        check_shape("tokens of the frames", frame, "T", "N_u", dim, hint=hint)
        check_shape("text_tokens", text_tokens, (1, n_frames), "L", dim)
        parts = (self.shared.expand(n_frames, -1, -1), frame)
        return torch.cat(
            [*(part.to(text_tokens.dtype) for part in parts), text_tokens.expand(n_frames, -1, -1)],
            dim=1,
        )

    def save(self, path: str | Path) -> Path:
        """Write the tokens as safetensors, whole or not at all; return the path.

        Of projected tokens the file holds what the projection gives; it reads as plain tokens.
        """
        tokens = {"shared": self.shared.detach(), "frame": self.frame_tokens().detach()}
        save_tensors({name: part.contiguous() for name, part in tokens.items()}, path)
        return Path(path)

    def load(self, path: str | Path) -> PromptTokens:
        """Fill these tokens from a file that `save` wrote and return them.

        Raises FileNotFoundError if there is no file, ValueError if it is damaged, holds something
        else, or has tokens of another number or width, or if these tokens are projected; nothing
        is changed then.
        """
        found = _read(path)
        if self.projection is not None:
            raise ValueError(
                f"{path} holds tokens and these come from a projection, which the file does not "
                "hold; call PromptTokens.from_file"
            )
        own = {"shared": self.shared, "frame": self.frame}
        for name, parameter in own.items():
            hint = "make PromptTokens of that size, or call PromptTokens.from_file"
            check_same_shape(hint, **{f"the {name} tokens here": parameter, str(path): found[name]})
        with torch.no_grad():
            for name, parameter in own.items():
                parameter.copy_(found[name])
        return self

    @classmethod
    def from_file(cls, path: str | Path) -> PromptTokens:
        """Return new tokens of the size found in a file that `save` wrote; raises as `load`."""
        found = _read(path)
        n_frames, n_frame, dim = found["frame"].shape
        return cls(len(found["shared"]), n_frame, dim, n_frames).load(path)


def _checked_features(features: Tensor, n_frames: int) -> Tensor:
    if features.ndim != 2 or len(features) != n_frames:
        raise ValueError(
            f"features must have one row for each of the {n_frames} frames, (T, c), got "
            f"{tuple(features.shape)}"
        )
    features = features.detach().float()
    if features.device.type == "cpu" and not features.any():
        raise ValueError("features are all zero, so that no projection can tell the frames apart")
    return features


def _projection(features: Tensor, n_outputs: int, generator: torch.Generator) -> nn.Linear:
    """Return a linear layer that gives outputs of standard deviation 0.02 to these features."""
    layer = nn.utils.skip_init(nn.Linear, features.shape[1], n_outputs, device=features.device)
    weight = _start((n_outputs, features.shape[1]), generator).to(features.device)
    layer.weight = nn.Parameter(weight / features.square().sum(1).mean().sqrt())
    layer.bias = nn.Parameter(torch.zeros(n_outputs, device=features.device))
    return layer


def _start(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    noise = torch.randn(shape, generator=generator, device=generator.device)
    return STANDARD_DEVIATION * noise


def _read(path: str | Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}; PromptTokens.save writes one")
    try:
        found = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged or no safetensors file: {error}") from error
    dims = {name: tensor.ndim for name, tensor in found.items()}
    if dims != {"shared": 2, "frame": 3} or found["shared"].shape[1] != found["frame"].shape[2]:
        shapes = {name: tuple(tensor.shape) for name, tensor in found.items()}
        raise ValueError(
            f"{path} does not hold prompt tokens, shared (N_s, d) and frame "
            f"(T, N_u, d); it holds {shapes}"
        )
    return found

"""Adapters on disk: diffusers' own LoRA file, which a plain pipeline reads too (Fig. 1)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from course.files import save_tensors

from .formats import PEFT_FILE, lora_pairs, read_weights
from .lora import NAME, lora_parameters, require_free
from .switches import plain_module

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

ADAPTER_FILE = "pytorch_lora_weights.safetensors"
TOKENS_FILE = "prompt_tokens.safetensors"
_NOT_LORA = (TOKENS_FILE, "checkpoint.safetensors")


def save_adapter(
    folder: str | Path, unet: UNet2DConditionModel, tokens: nn.Module | None = None
) -> Path:
    """Write the adapter, and the prompt tokens if given, into a folder; return the LoRA file.

    The LoRA file is diffusers' own. Each file appears whole or not at all. Raises ValueError if
    the UNet has no adapter of ours or one that holds a number that is not finite,
    NotADirectoryError if `folder` is a file.
    """
    from diffusers import StableDiffusionPipeline
    from peft.utils import get_peft_model_state_dict

    unet = plain_module(unet)
    if NAME not in getattr(unet, "peft_config", {}):
        raise ValueError("the UNet has no adapter to save; call add_lora(unet) first")
    weights = get_peft_model_state_dict(unet, adapter_name=NAME)
    if spoilt := next((key for key, w in weights.items() if not w.isfinite().all()), None):
        raise ValueError(f"the adapter has numbers in {spoilt} that are not finite; train it again")
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; an adapter needs a folder")
    folder.mkdir(parents=True, exist_ok=True)
    StableDiffusionPipeline.save_lora_weights(
        folder,
        weights,
        weight_name=ADAPTER_FILE,
        save_function=lambda weights, path: save_tensors(weights, path, {"format": "pt"}),
    )
    if tokens is not None:
        tokens.save(folder / TOKENS_FILE)
    return folder / ADAPTER_FILE


def lora_file(place: str | Path) -> Path:
    """Return the LoRA file that a place means: itself, or the one in the folder.

    In a folder it is the file that `save_adapter` writes, else peft's, else the only safetensors
    file that is none of ours. Raises FileNotFoundError if there is none or more than one.
    """
    place = Path(place)
    if place.is_file():
        return place
    if not place.exists() and place.suffix == ".safetensors":
        raise FileNotFoundError(f"there is no file {place}; save_adapter writes one")
    for name in (ADAPTER_FILE, PEFT_FILE):
        if (place / name).is_file():
            return place / name
    files = sorted(file for file in place.glob("*.safetensors") if file.is_file())
    others = [file for file in files if file.name not in _NOT_LORA]
    if len(others) == 1:
        return others[0]
    told = f"; it has {', '.join(file.name for file in others)}: name one of them" if others else ""
    raise FileNotFoundError(f"there is no {ADAPTER_FILE} in {place}; save_adapter writes one{told}")


def load_adapter(
    folder: str | Path, unet: UNet2DConditionModel, tokens: nn.Module | None = None
) -> list[nn.Parameter]:
    """Put the LoRA of a folder or file into the UNet; return its parameters (float32).

    Takes what `save_adapter` wrote, and LoRA for the UNet as diffusers, peft and kohya's scripts
    write it; a scale alpha / rank goes into B. `tokens`, if given, are filled from the same folder.
    Raises FileNotFoundError if a file is missing, ValueError if the UNet has an adapter already,
    the file was made for another UNet, or is spoilt or of another format; the UNet is then
    unchanged.
    """
    path = lora_file(folder)
    require_free(unet)
    weights = read_weights(path, unet)
    _require_fit(path, weights, unet)
    _require_numbers(path, weights)
    if tokens is not None:
        tokens.load(path.parent / TOKENS_FILE)
    was_training, unet = unet.training, plain_module(unet)
    unet.load_lora_adapter(weights, prefix=None, adapter_name=NAME)
    unet.train(was_training)
    for parameter in lora_parameters(unet):
        parameter.data = parameter.data.float()
    return lora_parameters(unet)


def require_effect(place: str | Path, unet: nn.Module) -> None:
    """Raise ValueError for an adapter whose every product B A is zero: it was never trained."""
    layers = [m for m in plain_module(unet).modules() if NAME in getattr(m, "lora_A", {})]
    pairs = ((m.lora_A[NAME].weight, m.lora_B[NAME].weight) for m in layers)
    if not any(bool((b.flatten(1) @ a.flatten(1)).any()) for a, b in pairs):
        raise ValueError(f"{place} changes nothing: each of its products B A is 0; train it first")


def _require_fit(path: Path, weights: Mapping[str, Tensor], unet: nn.Module) -> None:
    """Raise ValueError unless each layer of the file is one of the UNet, with A and B of a rank."""
    modules = dict(plain_module(unet).named_modules())
    for name, found in lora_pairs(weights).items():
        for matrix in sorted(found):
            key = f"{name}.lora_{matrix}.weight"
            if _misfit(modules.get(name), matrix, weights[key]):
                shape = tuple(weights[key].shape)
                raise ValueError(
                    f"{path} was made for another UNet: {key} {shape} fits no layer of this one"
                )
        if len(found) < 2:
            (matrix,), other = found, "A" if "B" in found else "B"
            raise ValueError(
                f"{path} has no {name}.lora_{other}.weight to go with lora_{matrix}; save the "
                "adapter again"
            )
        ranks = weights[f"{name}.lora_A.weight"].shape[0], weights[f"{name}.lora_B.weight"].shape[1]
        if ranks[0] != ranks[1] or 0 in ranks:
            raise ValueError(
                f"{path} has matrices of {'different rank' if ranks[0] != ranks[1] else 'rank 0'}, "
                f"{ranks[0]} and {ranks[1]}, in {name}; save the adapter again"
            )


def _misfit(layer: nn.Module | None, matrix: str, weight: Tensor) -> bool:
    """Return whether A (rank, inputs, ...) or B (outputs, rank, ...) does not fit a layer."""
    if isinstance(layer, nn.Conv2d):
        kernel = tuple(layer.kernel_size) if matrix == "A" else (1, 1)
        width, dims = (layer.in_channels if matrix == "A" else layer.out_channels), 4
        if weight.ndim == 4 and tuple(weight.shape[2:]) != kernel:
            return True
    elif isinstance(layer, nn.Linear):
        width, dims = (layer.in_features if matrix == "A" else layer.out_features), 2
    else:
        return True
    return weight.ndim != dims or weight.shape[1 if matrix == "A" else 0] != width


def _require_numbers(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Raise ValueError for weights that are no finite floating point numbers, or all zero."""
    for key, weight in weights.items():
        if not weight.is_floating_point():
            raise ValueError(f"{path} has {key} in {weight.dtype}; wanted floating point numbers")
        if not bool(torch.isfinite(weight.float()).all()):
            raise ValueError(f"{path} has numbers in {key} that are not finite; train it again")
    if not any(bool(weight.float().any()) for weight in weights.values()):
        raise ValueError(f"{path} holds nothing but zeros; train it again")

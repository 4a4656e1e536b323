"""LoRA files as other programs write them, read as peft's names: {module.lora_A.weight: ...}.

diffusers' own converters know the names of kohya's scripts and of older diffusers. What they cannot
tell, or would leave out without a word, is refused by the name of its format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

Weights = dict[str, Tensor]

PEFT_FILE, _PEFT_CONFIG = "adapter_model.safetensors", "adapter_config.json"
_KOHYA = ("lora_unet_", "lora_te_", "lora_te1_", "lora_te2_")
_TEXT_ENCODERS = ("text_encoder.", "text_encoder_2.", "lora_te_", "lora_te1_", "lora_te2_")
_OTHER_FORMATS = {
    "hada_": "LoHa (LyCORIS)",
    "lokr_": "LoKr (LyCORIS)",
    "lora_mid": "LoCon with a core tensor (LyCORIS)",
    "dora_scale": "DoRA",
    "lora_magnitude_vector": "DoRA",
    "oft_": "OFT",
    "ia3_": "IA3",
    "vera_lambda": "VeRA",
    "lora_B.bias": "LoRA with biases",
    "lora_controlnet": "Control-LoRA",
    "emb_params": "a textual inversion",
    "model.diffusion_model.": "a whole checkpoint",
    "single_transformer_blocks": "LoRA of a diffusion transformer, not of a UNet",
}
"""Parts of names that give another format away."""
_WANTED = (
    "wanted is LoRA for the UNet, as save_adapter, diffusers, peft or kohya's scripts write it"
)
_LAYER = re.compile(r"(.+)\.lora_([AB])\.weight")
_ADAPTER_NAME = re.compile(r"(\.lora_[AB])\.[^.]+\.weight$")


def read_weights(path: Path, unet: UNet2DConditionModel) -> Weights:
    """Return the LoRA of a safetensors file under peft's names, with its scale alpha / rank in B.

    Raises ValueError, with the format that came, for what is no LoRA of a UNet.
    """
    weights, metadata = _contents(path)
    if not weights:
        raise ValueError(f"{path} holds no LoRA weights; {_WANTED}")
    for part, name in _OTHER_FORMATS.items():
        if found := next((key for key in weights if part in key), None):
            raise ValueError(f"{path} is {name} ({found}); {_WANTED}")
    _refuse_text_encoder(path, weights)
    weights = _with_alphas(path, weights)
    named = _peft_names(path, weights, unet)
    return _with_settings(named, _settings(path, metadata))


def lora_pairs(weights: Mapping[str, object]) -> dict[str, set[str]]:
    """Return which of the matrices A and B each layer has, by the layer's name."""
    pairs: dict[str, set[str]] = {}
    for key in weights:
        if match := _LAYER.fullmatch(key):
            pairs.setdefault(match[1], set()).add(match[2])
    return pairs


def _contents(path: Path) -> tuple[Weights, dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    with open(path, "rb") as file:
        start = file.read(64)
    if not start:
        raise ValueError(f"{path} is empty (0 bytes); save or copy the adapter again")
    if start.startswith(b"version https://git-lfs"):
        raise ValueError(f"{path} is a pointer of Git LFS; fetch the file itself with git lfs pull")
    # A safetensors file begins with the length of its header, eight bytes that may be anything.
    if start[8:9] != b"{" and start.startswith((b"PK\x03\x04", b"\x80")):
        raise ValueError(f"{path} is a pickle, which may run code; wanted is a safetensors file")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged or no safetensors file: {error}") from error


def _refuse_text_encoder(path: Path, weights: Weights) -> None:
    texts = [key for key in weights if key.startswith(_TEXT_ENCODERS)]
    if texts and len(texts) == len(weights):
        raise ValueError(f"{path} is LoRA of the text encoder alone ({texts[0]}); {_WANTED}")
    if texts:
        raise ValueError(
            f"{path} is LoRA of the UNet and of the text encoder ({texts[0]}), and load_adapter "
            f"would leave the second out; load both with pipe.load_lora_weights({str(path)!r}) and "
            "edit without adapter: what the model has by then stays in it"
        )


def _with_alphas(path: Path, weights: Weights) -> Weights:
    """Return the weights with each tensor `alpha` multiplied into its B, as alpha / rank."""
    result = {key: weight for key, weight in weights.items() if not key.endswith(".alpha")}
    for key in weights.keys() - result.keys():
        layer = key.removesuffix(".alpha")
        ups = [k for k in result if k.startswith(f"{layer}.") and ("lora_up" in k or "lora_B" in k)]
        if weights[key].numel() != 1 or len(ups) != 1 or result[ups[0]].ndim < 2:
            raise ValueError(f"{path} has {key} without its layer; save the adapter again")
        up = result[ups[0]]
        result[ups[0]] = up.float() * (float(weights[key]) / max(up.shape[1], 1))
    return result


def _peft_names(path: Path, weights: Weights, unet: UNet2DConditionModel) -> Weights:
    """Return the weights under peft's names, without the prefix of a pipeline or of peft."""
    from diffusers import StableDiffusionPipeline
    from diffusers.utils.state_dict_utils import convert_unet_state_dict_to_peft

    if any(key.startswith(_KOHYA) for key in weights):
        _require_kohya_pairs(path, weights)
        try:
            weights, _alphas = StableDiffusionPipeline.lora_state_dict(
                dict(weights), unet_config=unet.config
            )
        except (ValueError, KeyError, IndexError) as error:
            reason = str(error).split("\n")[0]
            raise ValueError(
                f"{path} has names that are not kohya's: {reason}; {_WANTED}"
            ) from error
    plain = {
        _ADAPTER_NAME.sub(
            r"\1.weight", key.removeprefix("base_model.model.").removeprefix("unet.")
        ): weight
        for key, weight in weights.items()
    }
    named = convert_unet_state_dict_to_peft(plain)
    if strange := next((key for key in named if not _LAYER.fullmatch(key)), None):
        raise ValueError(f"{path} was made for another UNet or is no LoRA: {strange}; {_WANTED}")
    return named


def _require_kohya_pairs(path: Path, weights: Weights) -> None:
    # The converter pops the partner of each matrix and says no more than its name.
    for key in weights:
        other = key.replace(".lora_down.", ".lora_up.")
        other = key.replace(".lora_up.", ".lora_down.") if other == key else other
        if other not in weights or other == key:
            raise ValueError(f"{path} has no partner to go with {key}; save the adapter again")


def _settings(path: Path, metadata: Mapping[str, str]) -> dict[str, object]:
    """Return peft's settings, from the file's own header or from beside a file of peft's."""
    from diffusers.loaders.lora_base import LORA_ADAPTER_METADATA_KEY

    beside = path.parent / _PEFT_CONFIG
    try:
        if told := metadata.get(LORA_ADAPTER_METADATA_KEY):
            return {k.removeprefix("unet."): value for k, value in json.loads(told).items()}
        is_peft = path.name == PEFT_FILE and beside.is_file()
        return json.loads(beside.read_text()) if is_peft else {}
    except (ValueError, AttributeError) as error:
        raise ValueError(f"the settings that go with {path} cannot be read: {error}") from error


def _with_settings(weights: Weights, settings: Mapping[str, object]) -> Weights:
    """Return the weights with the scale of peft's settings in B; all finite, or as they are."""
    from peft.utils.other import get_pattern_key

    alpha, patterns = settings.get("lora_alpha"), settings.get("alpha_pattern") or {}
    if alpha is None:
        return weights
    result = dict(weights)
    for key, weight in weights.items():
        name = key.removesuffix(".lora_B.weight")
        if name != key and weight.ndim >= 2 and weight.shape[1]:
            own = patterns.get(get_pattern_key(list(patterns), name), alpha)
            rank = weight.shape[1] ** (0.5 if settings.get("use_rslora") else 1.0)
            result[key] = weight if own == rank else weight.float() * (float(own) / rank)
    return result

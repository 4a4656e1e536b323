"""LoRA in the UNet's attention, and taps on its features: Eqs. 2 and 6, Figs. 1 and 3.

The low-rank layers W_0 x + B A x of Eq. 2 are peft's. The file they are kept in is diffusers' own,
so a plain `StableDiffusionPipeline.load_lora_weights(folder)` reads it too.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from course.checks import check_choice, check_whole
from course.files import save_tensors

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

ADAPTER_FILE = "pytorch_lora_weights.safetensors"
TOKENS_FILE = "prompt_tokens.safetensors"

_LAYERS = r"(to_q|to_k|to_v|to_out\.0)"
_TARGETS = {"cross": rf".*\.attn2\.{_LAYERS}", "all": rf".*\.attn[12]\.{_LAYERS}"}
_NAME = "default"


def add_lora(
    unet: UNet2DConditionModel,
    rank: int = 4,
    targets: str = "cross",
    *,
    generator: torch.Generator | None = None,
) -> list[nn.Parameter]:
    """Freeze the UNet, add LoRA to its attention, and return the parameters to train (Eq. 2).

    `targets`: "cross" (queries, keys, values and output of attn2) or "all" (attn1 as well). The
    parameters are float32 whatever the UNet's dtype. B starts at 0, so the output is unchanged; A
    is normal with standard deviation 1 / rank, drawn from `generator` (default: seed 0, CPU).
    Raises ValueError for a rank below 1, unknown targets, or a UNet that has an adapter already,
    TypeError for a rank that is no whole number.
    """
    from peft import LoraConfig

    check_whole("rank", rank, 1)
    check_choice("targets", targets, _TARGETS)
    _check_free(unet)
    was_training = unet.training
    unet.requires_grad_(False)
    # Scale alpha / rank = 1: diffusers then needs nothing but the weights to rebuild the layers.
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=_TARGETS[targets]), _NAME)
    unet.train(was_training)
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    for name, parameter in unet.named_parameters():
        if ".lora_A." in name:
            start = torch.randn(parameter.shape, generator=generator, device=generator.device)
            parameter.data = (start / rank).to(parameter.device)
        elif ".lora_B." in name:
            parameter.data = parameter.data.float()
    return lora_parameters(unet)


def lora_parameters(unet: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of the UNet's adapter, in the order of its modules ([] for none)."""
    return [parameter for name, parameter in unet.named_parameters() if ".lora_" in name]


def remove_lora(unet: UNet2DConditionModel) -> None:
    """Take the adapter out again; the UNet is then as before `add_lora`. Without one: nothing."""
    if has_adapter(unet):
        unet.unload_lora()


def has_adapter(unet: nn.Module) -> bool:
    """Return whether the UNet carries a peft adapter."""
    return bool(getattr(unet, "peft_config", None))


@contextmanager
def adapter_disabled(unet: nn.Module) -> Iterator[None]:
    """Run the UNet without its adapter inside the context; without one, nothing changes."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [m for m in unet.modules() if isinstance(m, BaseTunerLayer) and not m.disable_adapters]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)


def save_adapter(
    folder: str | Path, unet: UNet2DConditionModel, tokens: nn.Module | None = None
) -> Path:
    """Write the adapter, and the prompt tokens if given, into a folder; return the LoRA file.

    The LoRA file is diffusers' own. Each file appears whole or not at all. Raises ValueError if
    the UNet has no adapter of ours, NotADirectoryError if `folder` is a file.
    """
    from diffusers import StableDiffusionPipeline
    from peft.utils import get_peft_model_state_dict

    if _NAME not in getattr(unet, "peft_config", {}):
        raise ValueError("the UNet has no adapter to save; call add_lora(unet) first")
    folder = _folder(folder)
    StableDiffusionPipeline.save_lora_weights(
        folder,
        get_peft_model_state_dict(unet, adapter_name=_NAME),
        weight_name=ADAPTER_FILE,
        save_function=lambda weights, path: save_tensors(weights, path, {"format": "pt"}),
    )
    if tokens is not None:
        tokens.save(folder / TOKENS_FILE)
    return folder / ADAPTER_FILE


def load_adapter(
    folder: str | Path, unet: UNet2DConditionModel, tokens: nn.Module | None = None
) -> list[nn.Parameter]:
    """Read what `save_adapter` wrote and return the adapter's parameters (float32).

    `tokens`, if given, are filled from the same folder. Raises FileNotFoundError if a file is
    missing, ValueError if the UNet has an adapter already or the file was made for another UNet;
    the UNet is then unchanged.
    """
    folder = Path(folder)
    folder = folder.parent if folder.name == ADAPTER_FILE else folder  # the file is as good
    path = folder / ADAPTER_FILE
    if not path.is_file():
        raise FileNotFoundError(f"there is no {ADAPTER_FILE} in {folder}; save_adapter writes one")
    _check_free(unet)
    _check_fits(path, unet)
    if tokens is not None:
        tokens.load(folder / TOKENS_FILE)
    was_training = unet.training
    unet.load_lora_adapter(str(folder), prefix="unet", weight_name=ADAPTER_FILE, adapter_name=_NAME)
    unet.train(was_training)
    for parameter in lora_parameters(unet):
        parameter.data = parameter.data.float()
    return lora_parameters(unet)


class FeatureTap:
    """A context manager that captures the outputs of named modules, with their gradients.

    It yields a dictionary {name: features (T, N, C)}, renewed at each forward pass: maps
    (T, C, H, W) come as N = H W positions, of a tuple the first tensor counts. `names` are module
    paths such as "up_blocks.1.attentions.0.transformer_blocks.0.attn1"; raises ValueError for one
    that does not exist, with its nearest neighbours. Source: F_{l,b}^t of Eq. 2, Fig. 3.
    """

    def __init__(self, unet: nn.Module, names: str | Sequence[str]) -> None:
        self.names = [names] if isinstance(names, str) else list(names)
        modules = dict(unet.named_modules())
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


def _check_free(unet: nn.Module) -> None:
    if has_adapter(unet):
        raise ValueError("the UNet has an adapter already; take it out with remove_lora(unet)")


def _folder(folder: str | Path) -> Path:
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; an adapter needs a folder")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _check_fits(path: Path, unet: nn.Module) -> None:
    """Raise ValueError unless each matrix of the file has its linear layer in the UNet."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            keys = list(file.keys())
            shapes = {key: file.get_slice(key).get_shape() for key in keys}
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged or no safetensors file: {error}") from error
    modules = dict(unet.named_modules())
    for key, shape in shapes.items():
        name, _, matrix = key.removeprefix("unet.").partition(".lora_")
        layer = modules.get(name) if key.startswith("unet.") else None
        # A (rank, inputs) takes the layer's input, B (outputs, rank) gives its output.
        fits = {
            "A.weight": (getattr(layer, "in_features", None), 1),
            "B.weight": (getattr(layer, "out_features", None), 0),
        }
        width, axis = fits.get(matrix, (None, 0))
        if width is None or len(shape) != 2 or shape[axis] != width:
            raise ValueError(
                f"{path} was made for another UNet: {key} {tuple(shape)} fits no layer of this one"
            )
    if not shapes:
        raise ValueError(f"{path} holds no LoRA weights")
    _check_pairs(path, shapes)
    _check_weights(path)


def _check_pairs(path: Path, shapes: Mapping[str, Sequence[int]]) -> None:
    """Raise ValueError unless each layer has both matrices, of one rank."""
    for key, shape in shapes.items():
        name, _, matrix = key.partition(".lora_")
        other = f"{name}.lora_{'B' if matrix == 'A.weight' else 'A'}.weight"
        if other not in shapes:
            raise ValueError(f"{path} has no {other} to go with {key}; save the adapter again")
        if matrix == "A.weight" and shape[0] != (rank := shapes[other][1]):
            raise ValueError(
                f"{path} has matrices of different rank, {shape[0]} and {rank}, in {name}; save "
                "the adapter again"
            )


def _check_weights(path: Path) -> None:
    """Raise ValueError for weights that are no finite floating point numbers, or all zero."""
    from safetensors.torch import load_file

    weights = load_file(path)
    for key, weight in weights.items():
        if not weight.is_floating_point():
            raise ValueError(f"{path} has {key} in {weight.dtype}; wanted floating point numbers")
        if not bool(torch.isfinite(weight.float()).all()):
            raise ValueError(f"{path} has numbers in {key} that are not finite; train it again")
    if not any(bool(weight.any()) for weight in weights.values()):
        raise ValueError(f"{path} holds nothing but zeros; train it again")

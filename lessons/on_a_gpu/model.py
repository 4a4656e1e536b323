"""What the lesson runs on: Stable Diffusion 1.5, or where it cannot be had a folder in its layout.

The folder holds 2.4 million random weights. All code runs on it as on the real model,
and its pictures are noise.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from course.models.pretrained import quiet

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPImageProcessor, CLIPTokenizer

STABLE_DIFFUSION = "stable-diffusion-v1-5/stable-diffusion-v1-5"
SAFETY_CHECKER = "CompVis/stable-diffusion-safety-checker"

_LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]
_WIDTHS = (32, 32, 64, 64)
_CONTEXT = 77


def tiny_folder(folder: str | Path) -> Path:
    """Write random weights into a folder in Stable Diffusion's layout, and return the folder.

    Its frames have 64 x 64 pixels; its tokenizer spells every word in letters. The same weights
    each time.
    """
    folder = Path(folder)
    with quiet(bars=False), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _tiny_pipeline(_tokenizer(folder / "letters")).save_pretrained(folder)
    return folder


def _tiny_pipeline(tokenizer: CLIPTokenizer) -> StableDiffusionPipeline:
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline
    from diffusers import UNet2DConditionModel as UNet
    from transformers import CLIPTextConfig, CLIPTextModel

    text = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=_CONTEXT,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    return StableDiffusionPipeline(
        vae=AutoencoderKL(
            block_out_channels=_WIDTHS, latent_channels=4, sample_size=64,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
        ),
        text_encoder=CLIPTextModel(text),
        tokenizer=tokenizer,
        unet=UNet(
            sample_size=8, block_out_channels=_WIDTHS, cross_attention_dim=32,
            attention_head_dim=8,
        ),
        scheduler=DDIMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
            clip_sample=False, set_alpha_to_one=False, steps_offset=1,
        ),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip


def _tokenizer(folder: Path) -> CLIPTokenizer:
    from transformers import CLIPTokenizer

    tokens = [*_LETTERS, *(letter + "</w>" for letter in _LETTERS), "re", "re</w>"]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
    vocabulary.write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    merges.write_text("#version: 0.2\nr e\nr e</w>\n")
    return CLIPTokenizer(str(vocabulary), str(merges), model_max_length=_CONTEXT)


def blackened(
    frames: Tensor, checker: StableDiffusionSafetyChecker, processor: CLIPImageProcessor
) -> tuple[Tensor, list[bool]]:
    """Return frames (T, 3, H, W) in [0, 1], black where the checker finds them unsafe, and where.

    The checker compares a picture's CLIP embedding with those of a few concepts. It was trained
    beside the model; it is wrong in both directions.
    """
    pictures = frames.detach().float().cpu().permute(0, 2, 3, 1).numpy()
    given = processor(list((pictures * 255).round().astype("uint8")), return_tensors="pt")
    weights = next(checker.parameters())
    _, found = checker(clip_input=given.pixel_values.to(weights), images=list(pictures.copy()))
    found = [bool(each) for each in found]
    safe = torch.tensor([not each for each in found], device=frames.device)
    return frames * safe[:, None, None, None].to(frames.dtype), found

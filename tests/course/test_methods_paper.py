"""The paper's method is what `edit` did before there were methods, bit by bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from course.adapters import ADAPTER_FILE, TOKENS_FILE, add_lora, load_adapter, remove_lora
from course.adapters import save_adapter as save
from course.clips import Scene, render
from course.diffusion import NoiseSchedule, ddim_step, invert, sample
from course.editing import edit
from course.models import encode_frames, encode_prompt, noise_predictor
from course.tokens import PromptTokens

N_FRAMES = 4
CLIP = render(Scene(), n_frames=N_FRAMES)
TARGET = CLIP.caption.replace("red", "green")


def towards_the_mean(latents: torch.Tensor) -> torch.Tensor:
    """Filter a chunk by what is in it, so that another chunk would give another result."""
    return torch.lerp(latents, latents.mean(0, keepdim=True), 0.1)


def saved_adapter(pipe, folder: Path) -> Path:
    """Write an adapter that changes the predictions, and leave the UNet without it."""
    for weights in add_lora(pipe.unet, generator=torch.Generator().manual_seed(0)):
        torch.nn.init.normal_(weights, std=0.05, generator=torch.Generator().manual_seed(1))
    save(folder, pipe.unet)
    remove_lora(pipe.unet)
    return folder


def saved_tokens(pipe, folder: Path) -> Path:
    """Write prompt tokens for the clip's frames."""
    width = pipe.text_encoder.config.hidden_size
    tokens = PromptTokens(1, 2, width, N_FRAMES, generator=torch.Generator().manual_seed(0))
    tokens.save(folder / TOKENS_FILE)
    return folder


GIVEN = {
    "nothing": lambda pipe, folder: {},
    "guidance 1": lambda pipe, folder: {"guidance": 1.0},
    "a filter": lambda pipe, folder: {"latent_filter": towards_the_mean},
    "an adapter": lambda pipe, folder: {"adapter": saved_adapter(pipe, folder)},
    "tokens": lambda pipe, folder: {"adapter": saved_tokens(pipe, folder)},
}


@pytest.fixture(scope="module")
def expected(embedded, tmp_path_factory):
    """Return latents and frames by hand for each of `GIVEN`."""
    found = {}
    for name, options in GIVEN.items():
        found[name] = by_hand(embedded, **options(embedded, tmp_path_factory.mktemp("given")))
        remove_lora(embedded.unet)
    return found


@pytest.mark.parametrize("given", GIVEN)
def test_the_paper_s_method_is_inversion_mask_and_sampling_bit_by_bit(
    pipe, expected, tmp_path, given
):
    result = edit(CLIP, CLIP.caption, TARGET, pipe=pipe, method="paper", n_steps=4, skip=1,
                  mask_threshold=0.15, chunk_size=3, finetune_steps=0, reconstruct=False,
                  baselines=False, progress=False, **GIVEN[given](pipe, tmp_path))  # fmt: skip
    inverted, frames = expected[given]
    assert torch.equal(result.inverted, inverted)
    assert torch.equal(result.clip.frames, frames)


@pytest.mark.parametrize("given", [name for name in GIVEN if name != "nothing"])
def test_what_is_given_changes_the_result(expected, given):
    assert not torch.allclose(expected[given][1], expected["nothing"][1], atol=1e-3)


@torch.no_grad()
def by_hand(pipe, adapter: Path | None = None, **options) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inverted latents and edited frames: chunk by chunk, each from end to end."""
    tokens = None
    if adapter is not None and (adapter / ADAPTER_FILE).exists():
        load_adapter(adapter, pipe.unet)
    if adapter is not None and (adapter / TOKENS_FILE).exists():
        tokens = PromptTokens.from_file(adapter / TOKENS_FILE)
    texts = [encode_prompt(pipe, text) for text in (CLIP.caption, TARGET, "")]
    latents = encode_frames(pipe, CLIP.frames, chunk_size=3)
    starts, frames = [], []
    for part in (slice(0, 3), slice(3, N_FRAMES)):
        own = texts if tokens is None else [tokens(text, part) for text in texts]
        start, edited = edited_chunk(pipe, latents[part], *own, **options)
        starts.append(start)
        frames.append(pipe.vae.decode(edited / pipe.vae.config.scaling_factor).sample)
    return torch.cat(starts), (torch.cat(frames) / 2 + 0.5).clamp(0, 1)


def edited_chunk(pipe, latents, source, target, empty, *, guidance=3.0, latent_filter=None):
    """Return the noisiest latents and the edited ones: Eqs. 5, 6, 9 and DiffEdit's mask."""
    schedule = NoiseSchedule.from_scheduler(pipe.scheduler)
    there, other = noise_predictor(pipe, source), noise_predictor(pipe, target)
    path = {}
    for step in invert(there, latents, schedule, 4, skip=1, latent_filter=latent_filter):
        path.setdefault(step.previous_timestep, latents)
        path[step.timestep] = step.latents
        if step.index == 1:  # both shares of the way, 1/3 and 2/3 of the last index, 2
            at = step.latents, step.timestep
            size = (there(*at) - other(*at)).abs().mean(1, keepdim=True)
    mask = (size > 0.15 * size.amax((2, 3), keepdim=True)).to(latents.dtype)

    def step(*given, previous_timestep, **options):
        stepped = ddim_step(*given, previous_timestep=previous_timestep, **options)
        return torch.lerp(path[previous_timestep], stepped, mask)

    back = noise_predictor(pipe, target, guidance=guidance, negative_text=empty)
    start = path[max(path)]
    states = sample(back, start, schedule, 4, skip=1, step=step, latent_filter=latent_filter)
    return start, list(states)[-1].latents

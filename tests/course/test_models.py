"""The embedded model, a folder in Stable Diffusion 1.5's layout, and errors that say what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from course import adapters, models
from course.clips import Scene, render
from course.diffusion import NoiseSchedule
from course.finetune import finetune
from course.models.text_cache import cached_text

PROMPT = "a red circle"


@pytest.fixture(scope="module")
def pipe():
    return models.load("embedded", device="cpu")


@pytest.fixture(scope="module")
def text(pipe):
    return models.encode_prompt(pipe, PROMPT)


@pytest.fixture
def latents(pipe):
    shape = (3, pipe.unet.config.in_channels, 16, 16)
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def write_stable_diffusion_folder(folder: Path, **unet: object) -> Path:
    """Write tiny random weights in the layout that Stable Diffusion 1.5 has on its hub.

    unet: what its UNet has otherwise than Stable Diffusion's; fewer blocks are traced sooner.
    """
    from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    widths = (32, 32, 64, 64)
    plain = {"block_out_channels": widths, "cross_attention_dim": 32, "attention_head_dim": 8}
    UNet2DConditionModel(sample_size=8, **(plain | unet)).save_pretrained(folder / "unet")
    AutoencoderKL(
        block_out_channels=widths,
        layers_per_block=1,
        latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        sample_size=64,
        up_block_types=("UpDecoderBlock2D",) * 4,
    ).save_pretrained(folder / "vae")
    PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        skip_prk_steps=True,
        set_alpha_to_one=False,
        steps_offset=1,
    ).save_pretrained(folder / "scheduler")
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    tokens = [
        *letters,
        *(c + "</w>" for c in letters),
        "re",
        "red</w>",
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokens),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=77,
            bos_token_id=len(tokens) - 2,
            eos_token_id=len(tokens) - 1,
        )
    ).save_pretrained(folder / "text_encoder")
    write_tokenizer(folder / "tokenizer", tokens)
    names = {
        "vae": ["diffusers", "AutoencoderKL"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "safety_checker": [None, None],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "PNDMScheduler"],
        "feature_extractor": ["transformers", "CLIPImageProcessor"],
    }
    (folder / "model_index.json").write_text(
        json.dumps(
            {"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.6.0", **names}
        )
    )
    return folder


def write_tokenizer(folder: Path, tokens: list[str]) -> None:
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\nr e\nre d</w>\n")
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "add_prefix_space": False,
                "bos_token": "<|startoftext|>",
                "eos_token": "<|endoftext|>",
                "model_max_length": 77,
                "pad_token": "<|endoftext|>",
                "unk_token": "<|endoftext|>",
                "tokenizer_class": "CLIPTokenizer",
            }
        )
    )


@pytest.fixture(scope="module")
def stable_diffusion(tmp_path_factory):
    folder = write_stable_diffusion_folder(tmp_path_factory.mktemp("stable-diffusion"))
    return models.load(folder, device="cpu")


# -- loading


def test_the_embedded_model_is_frozen_and_in_evaluation_mode(pipe):
    for part in (pipe.vae, pipe.unet, pipe.text_encoder):
        assert not part.training
        assert not any(p.requires_grad for p in part.parameters())
        assert {p.dtype for p in part.parameters()} == {torch.float32}


def test_loading_takes_a_dtype():
    half = models.load("embedded", device="cpu", dtype=torch.bfloat16)
    assert half.unet.dtype == half.vae.dtype == torch.bfloat16


def test_loading_leaves_the_progress_bars_of_other_code_alone(pipe):
    from diffusers.utils import logging

    assert logging.is_progress_bar_enabled()


@pytest.mark.parametrize("name", ["no_such_folder", "/no/such/folder", "./models/mine"])
def test_a_missing_folder_is_named(name):
    with pytest.raises(FileNotFoundError, match="no such|no model folder"):
        models.load(name)


def test_a_folder_in_another_layout_is_refused(tmp_path):
    with pytest.raises(ValueError, match="model_index.json"):
        models.load(tmp_path)


def test_a_file_is_refused(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match="layout"):
        models.load(tmp_path / "model.safetensors")


def test_an_incomplete_pipeline_is_refused(tmp_path):
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(ValueError, match="whole Stable Diffusion pipeline"):
        models.load(tmp_path)


def test_a_hub_model_that_cannot_be_had_says_what_was_tried(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(OSError, match="nobody/nothing is no folder here.*connect once"):
        models.load("nobody/nothing")


# -- text


def test_prompts_become_tokens_of_the_width_that_the_unet_reads(pipe):
    batch = models.encode_prompt(pipe, [PROMPT, ""])
    assert batch.shape[0] == 2 and batch.shape[2] == pipe.unet.config.cross_attention_dim
    torch.testing.assert_close(batch[:1], models.encode_prompt(pipe, PROMPT))


def test_an_unknown_word_is_named_and_the_known_ones_are_listed(pipe, monkeypatch):
    monkeypatch.setitem(pipe.tokenizer.init_kwargs, "words", ["a", "red", "circle"])
    with pytest.raises(ValueError, match="does not know 'zebra' .*it knows: a, circle, red"):
        models.encode_prompt(pipe, "A red zebra!")
    assert len(models.encode_prompt(pipe, "A RED  circle")) == 1


def test_a_prompt_that_is_too_long_says_how_much_fits(pipe):
    room = models.encode_prompt(pipe, "").shape[1] - 2
    assert len(models.encode_prompt(pipe, "a " * room)) == 1
    with pytest.raises(ValueError, match=f"{room + 1} tokens and {room} fit"):
        models.encode_prompt(pipe, "a " * (room + 1))


@pytest.mark.parametrize("prompts, error", [(3, TypeError), ([b"a"], TypeError), ([], ValueError)])
def test_what_is_no_prompt_is_refused(pipe, prompts, error):
    with pytest.raises(error):
        models.encode_prompt(pipe, prompts)


# -- frames


def test_chunks_do_not_change_the_result(pipe):
    frames = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    whole = models.encode_frames(pipe, frames, chunk_size=5)
    torch.testing.assert_close(
        models.encode_frames(pipe, frames, chunk_size=2), whole, rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(
        models.decode_latents(pipe, whole, chunk_size=2),
        models.decode_latents(pipe, whole),
        rtol=1e-4,
        atol=1e-4,
    )


def test_a_rendered_frame_survives_the_round_trip(pipe):
    frames = render(Scene(), n_frames=1).frames
    back = models.decode_latents(pipe, models.encode_frames(pipe, frames))
    assert back.shape == frames.shape and back.min() >= 0 and back.max() <= 1
    assert (back - frames).abs().mean() < 0.03


def test_latents_are_scaled_as_the_vae_says(stable_diffusion):
    frames = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    mean = stable_diffusion.vae.encode(frames * 2 - 1).latent_dist.mean
    latents = models.encode_frames(stable_diffusion, frames)
    torch.testing.assert_close(latents, 0.18215 * mean)
    decoded = stable_diffusion.vae.decode(mean).sample
    torch.testing.assert_close(
        models.decode_latents(stable_diffusion, latents), ((decoded + 1) / 2).clamp(0, 1)
    )


@pytest.mark.parametrize(
    "frames, error, match",
    [
        (torch.zeros(1, 3, 30, 32), ValueError, "a multiple of 4"),
        (torch.zeros(1, 4, 32, 32), ValueError, r"\(T, 3, H, W\)"),
        (torch.zeros(0, 3, 32, 32), ValueError, "empty"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), TypeError, "floating-point"),
        ([1, 2], TypeError, "list"),
    ],
)
def test_frames_that_do_not_fit_are_refused(pipe, frames, error, match):
    with pytest.raises(error, match=match):
        models.encode_frames(pipe, frames)


# -- noise prediction


def test_a_velocity_becomes_the_noise_it_stands_for(pipe, text, latents):
    alpha = pipe.scheduler.alphas_cumprod[600].double()
    velocity = pipe.unet(latents, 600, text.expand(3, -1, -1)).sample.double()
    assert pipe.scheduler.config.prediction_type == "v_prediction"
    noise = alpha.sqrt() * velocity + (1 - alpha).sqrt() * latents
    predicted = models.noise_predictor(pipe, text)(latents, 600)
    torch.testing.assert_close(predicted.double(), noise, rtol=1e-4, atol=1e-5)


def test_a_timestep_may_be_a_number_a_scalar_or_one_for_each_frame(pipe, text, latents):
    predict = models.noise_predictor(pipe, text, guidance=2.0)
    expected = predict(latents, 300)
    torch.testing.assert_close(predict(latents, torch.tensor(300)), expected)
    torch.testing.assert_close(predict(latents, torch.full((3,), 300)), expected)


def test_guidance_is_linear_between_its_two_halves(pipe, text, latents):
    empty = models.encode_prompt(pipe, "")
    noises = [models.noise_predictor(pipe, t)(latents, 500) for t in (empty, text)]
    guided = models.noise_predictor(pipe, text, guidance=3.0)(latents, 500)
    expected = noises[0] + 3 * (noises[1] - noises[0])
    torch.testing.assert_close(guided, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("guidance, halves", [(1.0, 1), (1, 1), (3.0, 2)])
def test_no_half_is_computed_in_vain(pipe, text, latents, guidance, halves):
    seen = []
    hook = pipe.unet.conv_in.register_forward_hook(lambda m, i, o: seen.append(len(o)))
    models.noise_predictor(pipe, text, guidance=guidance)(latents, 500)
    hook.remove()
    assert seen == [halves * len(latents)]


def test_each_frame_reads_its_own_text(pipe, latents):
    texts = models.encode_prompt(pipe, [PROMPT, "", PROMPT])
    together = models.noise_predictor(pipe, texts)(latents, 500)
    alone = models.noise_predictor(pipe, texts[1:2])(latents[1:2], 500)
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-5)


def test_a_text_of_the_wrong_number_of_frames_is_refused(pipe, text, latents):
    with pytest.raises(ValueError, match="1 or 3"):
        models.noise_predictor(pipe, text.repeat(2, 1, 1))(latents, 500)


def test_a_lengthened_text_needs_a_lengthened_negative(pipe, text):
    with pytest.raises(ValueError, match="negative_text"):
        models.noise_predictor(pipe, torch.cat([text, text], 1), guidance=2.0)


# -- cached text


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_cached_text_changes_nothing(pipe, text, latents, guidance):
    predict = models.noise_predictor(pipe, text, guidance=guidance)
    with torch.no_grad():
        expected = [predict(latents, t) for t in (700, 300)]
        with cached_text(pipe.unet):
            results = [predict(latents, t) for t in (700, 300)]
    assert all(map(torch.equal, results, expected))


def test_cached_text_computes_once_and_restores_the_layers(pipe, text, latents, monkeypatch):
    calls = []
    layer = next(m for n, m in pipe.unet.named_modules() if n.endswith("attn2")).to_k
    compute = torch.nn.functional.linear
    monkeypatch.setattr(
        "torch.nn.functional.linear",
        lambda x, weight, bias=None: (
            calls.append(1) if weight is layer.weight else None,
            compute(x, weight, bias),
        )[1],
    )
    predict = models.noise_predictor(pipe, text, guidance=2.0)
    with torch.inference_mode(), cached_text(pipe.unet), cached_text(pipe.unet):
        for t in (700, 500, 300):
            predict(latents, t)
    assert len(calls) == 1 and "forward" not in vars(layer)


def test_cached_text_sees_text_that_changes_in_place(pipe, latents):
    text = models.encode_prompt(pipe, PROMPT).clone().expand(3, -1, -1).contiguous()
    times = torch.tensor(500)
    with torch.no_grad(), cached_text(pipe.unet):
        pipe.unet(latents, times, text)
        text.mul_(2)
        result = pipe.unet(latents, times, text).sample
    with torch.no_grad():
        assert torch.equal(result, pipe.unet(latents, times, text).sample)


def test_cached_text_sees_an_adapter_that_is_trained_or_switched_off(latents):
    pipe = models.load(device="cpu")
    predict = models.noise_predictor(pipe, models.encode_prompt(pipe, PROMPT))
    parameters = adapters.add_lora(pipe.unet)
    with torch.no_grad(), cached_text(pipe.unet):
        before = predict(latents, 500)
        for parameter in parameters:
            parameter.add_(0.1)
        after = predict(latents, 500)
        with adapters.adapter_disabled(pipe.unet):
            assert torch.equal(predict(latents, 500), before)
    with torch.no_grad():
        assert torch.equal(predict(latents, 500), after) and not torch.equal(after, before)


# -- Stable Diffusion 1.5's layout


def test_a_folder_in_the_layout_of_stable_diffusion_loads(stable_diffusion):
    assert type(stable_diffusion.tokenizer).__name__ == "CLIPTokenizer"
    assert stable_diffusion.safety_checker is None
    assert models.encode_prompt(stable_diffusion, "any word: a zebra, 7!").shape == (1, 77, 32)


def test_its_noise_needs_no_conversion(stable_diffusion):
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    text = models.encode_prompt(stable_diffusion, "red")
    assert NoiseSchedule.from_scheduler(stable_diffusion.scheduler).prediction_type == "epsilon"
    expected = stable_diffusion.unet(latents, 981, text.expand(2, -1, -1)).sample
    torch.testing.assert_close(
        models.noise_predictor(stable_diffusion, text)(latents, 981), expected
    )


def test_its_default_taps_are_blocks_4_to_11(stable_diffusion):
    blocks = {1: [1, 2], 2: [0, 1, 2], 3: [0, 1, 2]}
    assert adapters.default_taps(stable_diffusion.unet) == [
        f"up_blocks.{block}.attentions.{layer}.transformer_blocks.0.attn1"
        for block, layers in blocks.items()
        for layer in layers
    ]


def test_it_can_be_fine_tuned(stable_diffusion):
    frames = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    latents = models.encode_frames(stable_diffusion, frames)
    steps = list(finetune(stable_diffusion, latents, "red", n_steps=2))
    assert latents.shape == (3, 4, 8, 8) and len(steps) == 2
    assert all(step.gradient_norm > 0 for step in steps)
    assert models.decode_latents(stable_diffusion, latents).shape == frames.shape

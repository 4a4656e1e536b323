"""Depth control: what a ControlNet adds, that it fits, and that without it nothing changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline
from safetensors.torch import load_file

import course
from benchmarks.depth import overlap
from course import models
from course.__main__ import main
from course.clips import Clip, Scene, read_clip, render
from course.depth import DepthControl, control_for, depth_picture, load_depth
from course.diffusion import NoiseSchedule, sample, velocity_to_noise
from course.editing import edit
from training import depth as training

FOLDER = Path(course.__file__).parent / "embedded_depth"
SOURCE = "a red circle moving right on a blue background"
TARGET = "a green circle moving right on a blue background"


@pytest.fixture(scope="module")
def network() -> ControlNetModel:
    return load_depth("embedded", device="cpu")


@pytest.fixture(scope="module")
def clip() -> Clip:
    return render(Scene(), n_frames=3)


@pytest.fixture(scope="module")
def plain(embedded, clip) -> torch.Tensor:
    return quick(clip, embedded)


@pytest.fixture(scope="module")
def own(embedded, clip) -> torch.Tensor:
    return quick(clip, embedded, depth=True)


@pytest.fixture
def latents(generator) -> torch.Tensor:
    return torch.randn(3, 4, 16, 16, generator=generator)


def quick(clip: Clip, pipe, **options) -> torch.Tensor:
    defaults = {"n_steps": 2, "skip": 0, "finetune_steps": 0, "mask_threshold": None}
    defaults |= {"reconstruct": False, "baselines": False, "progress": False}
    return edit(clip, SOURCE, TARGET, pipe=pipe, **(defaults | options)).clip.frames


@torch.no_grad()
def predict(pipe, latents, timestep=600, prompt=TARGET, **options) -> torch.Tensor:
    text = models.encode_prompt(pipe, prompt)
    return models.noise_predictor(pipe, text, **options)(latents, timestep)


def test_without_control_the_prediction_is_the_unet_s_own(pipe, latents):
    text = models.encode_prompt(pipe, TARGET).expand(3, -1, -1)
    with torch.no_grad():
        velocity = pipe.unet(latents, 600, text).sample
    schedule = NoiseSchedule.from_scheduler(pipe.scheduler)
    assert torch.equal(predict(pipe, latents), velocity_to_noise(velocity, latents, 600, schedule))


def test_an_untrained_control_changes_nothing(pipe, latents, clip):
    fresh = DepthControl(training.build(pipe.unet), clip.depth)
    assert torch.equal(predict(pipe, latents, control=fresh), predict(pipe, latents))


def test_the_strength_scales_what_is_added(pipe, network, latents, clip):
    text = models.encode_prompt(pipe, TARGET).expand(3, -1, -1)
    with torch.no_grad():
        one, two = (DepthControl(network, clip.depth, s)(latents, 600, text) for s in (1, 2))
    assert torch.equal(2 * one[1], two[1]) and one[1].abs().max() > 0
    assert all(torch.equal(2 * a, b) for a, b in zip(one[0], two[0]))


def test_guidance_controls_both_halves(pipe, network, latents, clip):
    control = DepthControl(network, clip.depth)
    plain, conditional = (predict(pipe, latents, 600, p, control=control) for p in ("", TARGET))
    guided = predict(pipe, latents, guidance=3.0, control=control)
    assert torch.allclose(guided, plain + 3 * (conditional - plain), atol=1e-4)


def test_every_frame_has_its_own_depth(pipe, network, latents, clip):
    control = DepthControl(network, clip.depth)
    whole = predict(pipe, latents, control=control)
    part = predict(pipe, latents[1:], control=control[1:])
    assert torch.allclose(whole[1:], part, atol=1e-5)


def test_the_depth_of_a_held_out_frame_helps_to_denoise_it(pipe, network, generator):
    clips = [render(Scene.random(generator), n_frames=1) for _ in range(8)]
    clean = models.encode_frames(pipe, torch.cat([clip.frames for clip in clips]))
    noise = torch.randn(clean.shape, generator=generator)
    noisy = pipe.scheduler.add_noise(clean, noise, torch.full((8,), 700))
    control = DepthControl(network, torch.cat([clip.depth for clip in clips]))
    errors = [
        (predict(pipe, noisy, 700, "", control=c) - noise).square().mean() for c in (control, None)
    ]
    assert errors[0] < 0.9 * errors[1]


def test_plain_diffusers_samples_the_same_with_this_network(pipe, network, latents, clip):
    parts = {name: getattr(pipe, name) for name in ("vae", "text_encoder", "tokenizer", "unet")}
    plain = StableDiffusionControlNetPipeline(
        **parts, controlnet=network, scheduler=pipe.scheduler, safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    plain.set_progress_bar_config(disable=True)
    theirs = plain(
        TARGET, image=depth_picture(clip.depth)[:1], height=64, width=64, num_inference_steps=3,
        guidance_scale=3.0, latents=latents[:1], output_type="latent",
    ).images  # fmt: skip
    text, control = models.encode_prompt(pipe, TARGET), DepthControl(network, clip.depth[:1])
    ours = models.noise_predictor(pipe, text, guidance=3.0, control=control)
    with torch.no_grad():
        *_, last = sample(ours, latents[:1], NoiseSchedule.from_scheduler(pipe.scheduler), 3)
    assert torch.allclose(last.latents, theirs, atol=1e-3)


def test_depth_that_weighs_nothing_leaves_an_edit_bit_identical(pipe, network, clip, plain):
    weightless = DepthControl(network, clip.depth, strength=0.0)
    assert torch.equal(plain, quick(clip, pipe, depth=weightless))


def test_true_takes_the_depth_of_the_clip(pipe, clip, plain, own):
    assert torch.equal(own, quick(clip, pipe, depth=clip.depth)) and not torch.equal(own, plain)


def test_chunks_do_not_change_an_edit_with_depth(pipe, clip, own):
    assert torch.allclose(own, quick(clip, pipe, depth=True, chunk_size=2), atol=1e-4)


def test_near_is_bright(clip):
    picture = depth_picture(clip.depth)
    assert picture.shape == (3, 3, 64, 64) and torch.equal(picture[:, 0], picture[:, 2])
    solid = (clip.mask > 0.5).expand_as(picture)
    assert picture[solid].min() > picture[~solid].max()


def test_a_clip_without_depth_cannot_give_it(pipe, clip):
    with pytest.raises(ValueError, match="depth=True.*tensor \\(3, 1, 64, 64\\)"):
        quick(Clip(clip.frames, clip.fps), pipe, depth=True)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda d: d[:2], ValueError, "shape"),
        (lambda d: d.expand(-1, 3, -1, -1), ValueError, "shape"),
        (lambda d: d[..., :32], ValueError, "shape"),
        (lambda d: 2 * d, ValueError, "divide"),
        (lambda d: d - 1, ValueError, "near is"),
        (lambda d: d / 0 * 0, ValueError, "nan"),
        (lambda d: (255 * d).byte(), TypeError, "floating-point"),
        (lambda d: "near", TypeError, "str"),
    ],
)
def test_depth_that_does_not_fit_is_an_error(pipe, clip, change, error, words):
    with pytest.raises(error, match=words):
        control_for(pipe, clip.frames, change(clip.depth))


def test_a_batch_of_other_frames_is_an_error(pipe, network, latents, clip):
    with pytest.raises(ValueError, match="2 frames and the batch has 3"):
        predict(pipe, latents, control=DepthControl(network, clip.depth[:2]))


def test_a_strength_that_is_no_number_is_an_error(network, clip):
    with pytest.raises(ValueError, match="strength"):
        DepthControl(network, clip.depth, float("nan"))


def test_a_network_of_another_model_is_refused(pipe, clip):
    other = ControlNetModel(
        block_out_channels=(8, 16), down_block_types=("CrossAttnDownBlock2D",) * 2,
        layers_per_block=1, cross_attention_dim=32, attention_head_dim=4, norm_num_groups=4,
    )  # fmt: skip
    with pytest.raises(ValueError, match="another model.*cross_attention_dim is 32, wanted 96"):
        control_for(pipe, clip.frames, DepthControl(other, clip.depth))


def test_a_folder_that_is_no_network_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no/such/folder"):
        load_depth("no/such/folder")
    with pytest.raises(ValueError, match="holds no ControlNet"):
        load_depth(tmp_path)
    shutil.copy(FOLDER / "config.json", tmp_path)
    with pytest.raises(ValueError, match="whole ControlNet"):
        load_depth(tmp_path)


def test_a_hub_id_without_a_network_is_an_error():
    with pytest.raises(OSError, match="owner/there-is-no-such"):
        load_depth("owner/there-is-no-such-model")


def test_the_network_is_frozen_and_small(network):
    files = [file for file in FOLDER.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 8 * 2**20
    weights = load_file(FOLDER / "diffusion_pytorch_model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float16}
    assert not network.training and not any(p.requires_grad for p in network.parameters())


def test_overlap_is_one_for_the_same_and_nothing_for_what_is_apart():
    mask = torch.zeros(4, 1, 4, 4)
    mask[..., :2] = 1
    found = torch.stack([mask[0], mask[0].flip(-1), torch.ones(1, 4, 4), torch.zeros(1, 4, 4)])
    assert overlap(found, mask) == [1.0, 0.0, 0.5, 0.0]


def test_training_sees_the_depth_of_the_scenes_that_it_draws():
    generator = torch.Generator().manual_seed(8)
    scene = Scene.random(generator)
    expected = render(scene, n_frames=1).depth
    assert torch.allclose(training.depths(2, seed=7)[1:].float(), expected, atol=1e-3)


def test_the_command_line_takes_depth_as_a_video(tmp_path, capsys):
    clip, depth, out = (tmp_path / f"{name}.mp4" for name in ("clip", "depth", "out"))
    assert main(["render", "--frames", "3", "--output", str(clip), "--depth", str(depth)]) == 0
    near = read_clip(depth).frames
    assert near.shape == (3, 3, 64, 64) and near.max() > 2 * near.median()
    quick = ["--method", "frame_by_frame", "--steps", "2", "--no-baselines", "--quiet"]
    words = ["--source", SOURCE, "--target", TARGET, "--output", str(out)]
    assert main(["edit", str(clip), *words, *quick, "--depth", str(depth)]) == 0
    assert read_clip(out).n_frames == 3
    gone = [*words, *quick, "--depth", str(tmp_path / "gone.mp4")]
    assert main(["edit", str(clip), *gone]) == 2 and "gone.mp4" in capsys.readouterr().err

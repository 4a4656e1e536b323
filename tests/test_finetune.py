"""Fine-tuning: its objective, what it trains and what it leaves alone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from course import adapters, models
from course.diffusion import NoiseSchedule, add_noise, noise_to_velocity
from course.finetune import finetune
from course.temporal import adjacent_similarities, temporal_loss
from course.tokens import PromptTokens

PROMPT = "a red circle"


@pytest.fixture(scope="module")
def latents():
    return torch.randn(5, 4, 8, 8, generator=torch.Generator().manual_seed(2))


def steps(pipe, latents, n_steps=1, **arguments):
    return list(finetune(pipe, latents, PROMPT, n_steps=n_steps, **arguments))


def test_the_losses_are_those_of_the_paper(pipe, latents):
    (step,) = steps(
        pipe,
        latents,
        generator=torch.Generator().manual_seed(4),
        timestep_range=(0.7, 0.7001),
        temporal_weight=2.0,
        diffusion_weight=0.5,
    )
    adapters.remove_lora(pipe.unet)  # B was 0 when the losses were taken
    generator = torch.Generator().manual_seed(4)
    adapters.add_lora(pipe.unet, generator=generator)
    for _ in range(2):  # the window and the timestep
        torch.randint(0, 1, (), generator=generator)
    noise = torch.randn((1, 4, 8, 8), generator=generator).expand(5, -1, -1, -1)
    schedule = NoiseSchedule.from_scheduler(pipe.scheduler)
    noisy = add_noise(latents, noise, 700, schedule)
    text = models.encode_prompt(pipe, PROMPT).expand(5, -1, -1)
    names = adapters.default_taps(pipe.unet)
    with adapters.FeatureTap(pipe.unet, names) as features, torch.no_grad():
        output = pipe.unet(noisy, 700, text).sample
    velocity = noise_to_velocity(noise, noisy, 700, schedule)
    diffusion = (output - velocity).square().mean()
    temporal = sum(temporal_loss(f) for f in features.values()) / len(names)
    similarity = sum(adjacent_similarities(f).mean() for f in features.values()) / len(names)
    assert step.step == 0
    assert step.temporal_loss == pytest.approx(temporal.item(), rel=1e-3)
    assert step.diffusion_loss == pytest.approx(diffusion.item(), rel=1e-4)
    assert step.similarity == pytest.approx(similarity.item(), rel=1e-5)
    assert step.total_loss == pytest.approx(2 * step.temporal_loss + 0.5 * step.diffusion_loss)


def test_training_on_one_timestep_lowers_the_temporal_loss(pipe, latents):
    found = steps(
        pipe, latents, 8, diffusion_weight=0.0, learning_rate=1e-2, timestep_range=(0.5, 0.5001)
    )
    assert found[-1].temporal_loss < 0.9 * found[0].temporal_loss


def test_training_on_the_diffusion_loss_lowers_it(pipe, latents):
    frozen = latents[:1].expand(5, -1, -1, -1)
    found = steps(
        pipe, frozen, 12, temporal_weight=0.0, learning_rate=1e-2, timestep_range=(0.9, 0.9001)
    )
    assert found[-1].diffusion_loss < found[0].diffusion_loss


def test_frozen_weights_do_not_change_and_adapter_weights_do(pipe, latents):
    before = {n: p.clone() for n, p in pipe.unet.named_parameters()}
    parameters = adapters.add_lora(pipe.unet)
    start = [p.clone() for p in parameters]
    steps(pipe, latents, 2)
    after = {n.replace(".base_layer", ""): p for n, p in pipe.unet.named_parameters()}
    assert all(torch.equal(after[n], p) for n, p in before.items())
    assert not any(map(torch.equal, parameters, start))


@pytest.mark.parametrize("n_taken", [0, 1, 3])
def test_the_unet_is_left_tidy_however_early_the_end(pipe, latents, n_taken):
    iterator = finetune(pipe, latents, PROMPT, n_steps=3)
    for _ in range(n_taken):
        next(iterator)
    iterator.close()
    assert not any(m.training for m in pipe.unet.modules())
    assert not any(m._forward_hooks for m in pipe.unet.modules())
    assert all(p.grad is None for p in pipe.unet.parameters())


def test_the_same_seed_gives_the_same_steps_bit_by_bit(pipe, latents):
    runs = []
    for seed in (1, 1, 2):
        runs.append(steps(pipe, latents, 2, generator=torch.Generator().manual_seed(seed)))
        adapters.remove_lora(pipe.unet)
    assert runs[0] == runs[1] != runs[2]


def test_a_second_call_trains_the_same_adapter_further(pipe, latents):
    steps(pipe, latents, 2, rank=2)
    learned = [p.clone() for p in adapters.lora_parameters(pipe.unet)]
    finetune(pipe, latents, PROMPT, rank=2)
    assert all(map(torch.equal, adapters.lora_parameters(pipe.unet), learned))


def test_tokens_are_trained_with_the_adapter(pipe, latents):
    tokens = PromptTokens(2, 1, pipe.unet.config.cross_attention_dim, len(latents))
    start = [p.clone() for p in tokens.parameters()]
    steps(pipe, latents, tokens=tokens)
    assert not any(map(torch.equal, tokens.parameters(), start))


def test_only_the_tokens_of_the_window_learn(pipe, latents):
    tokens = PromptTokens(0, 1, pipe.unet.config.cross_attention_dim, len(latents))
    start = tokens.frame.clone()
    steps(pipe, latents, tokens=tokens, window=3, learning_rate=0.1)
    # AdamW's weight decay moves every token by at most 0.1 * 0.01 of itself.
    moved = ((tokens.frame - start).abs().amax((1, 2)) > 0.05).tolist()
    assert sum(moved) == 3 and moved in [[i <= t < i + 3 for t in range(5)] for i in range(3)]


def test_frames_a_clip_and_latents_are_all_accepted(pipe):
    frames = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    clip = SimpleNamespace(frames=frames)
    results = []
    for material in (frames, clip, models.encode_frames(pipe, frames)):
        results.append(steps(pipe, material))
        adapters.remove_lora(pipe.unet)
    assert results[0] == results[1] == results[2]


def test_shared_noise_makes_a_frozen_clip_perfectly_similar(pipe, latents):
    frozen = latents[:1].expand(5, -1, -1, -1)
    (shared,) = steps(pipe, frozen, timestep_range=(0.5, 1.0))
    adapters.remove_lora(pipe.unet)
    (apart,) = steps(pipe, frozen, timestep_range=(0.5, 1.0), shared_noise=False)
    assert shared.similarity == pytest.approx(1, abs=1e-5) and shared.temporal_loss < 1e-9
    assert apart.similarity < 0.999


@torch.inference_mode()
def test_it_trains_under_inference_mode(pipe, latents):
    (step,) = steps(pipe, latents.clone())
    assert step.gradient_norm > 0 and torch.is_inference_mode_enabled()


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"n_steps": 0}, "n_steps"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"window": 2}, "window"),
        ({"temporal_weight": -1}, "temporal_weight"),
        ({"diffusion_weight": -1}, "diffusion_weight"),
        ({"timestep_range": (0.5, 0.5)}, "timestep_range"),
        ({"taps": ["conv_inn"]}, "conv_in"),
        ({"timestep_range": (0.5, 1.1)}, "timestep_range"),
        ({"taps": []}, "taps"),
        ({"tokens": PromptTokens(1, 1, 96, 4)}, "4 frames, the clip has 5"),
    ],
)
def test_values_out_of_range_are_refused_at_once_and_leave_no_adapter(
    pipe, latents, arguments, match
):
    with pytest.raises(ValueError, match=match):
        finetune(pipe, latents, PROMPT, **arguments)
    assert not adapters.has_adapter(pipe.unet)


@pytest.mark.parametrize(
    "clip, error",
    [(torch.zeros(2, 4, 8, 8), ValueError), (3, TypeError), (torch.zeros(5, 2, 8, 8), ValueError)],
)
def test_clips_that_do_not_fit_are_refused(pipe, clip, error):
    with pytest.raises(error):
        finetune(pipe, clip, PROMPT)

"""Fine-tuning: its objective, what it trains and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from course import adapters, models
from course.diffusion import NoiseSchedule, add_noise, noise_to_velocity
from course.finetune import CHECKPOINT_FILE, WEIGHTS, finetune
from course.finetune.objective import Drawer, two_times_loss
from course.finetune.processes import Team
from course.finetune.progress import stalled
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
        ({"temporal": "frame"}, "frames, times"),
        ({"temporal": "times", "timestep_range": (0.5, 0.5001)}, "wider"),
        ({"n_windows": 0}, "n_windows"),
        ({"patience": 0}, "patience"),
        ({"checkpoint_every": 0}, "checkpoint_every"),
        ({"resume": True}, "give checkpoint"),
        ({"train_adapter": False}, "nothing to train"),
        ({"train_adapter": False, "tokens": PromptTokens(0, 0, 96, 5)}, "nothing to train"),
        ({"only_shared": True, "tokens": PromptTokens(0, 2, 96, 5)}, "there are none"),
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


# -- both readings of Eq. 6


def test_the_released_code_weights_the_terms_the_other_way_round(pipe, latents):
    (step,) = steps(pipe, latents, **WEIGHTS["released"])
    wanted = 0.01 * step.temporal_loss + step.diffusion_loss
    assert step.total_loss == pytest.approx(wanted, rel=1e-6)
    paper, released = WEIGHTS["paper"], WEIGHTS["released"]
    assert paper["temporal_weight"] == released["diffusion_weight"] == 1
    assert paper["diffusion_weight"] == released["temporal_weight"] == 0.01


def test_at_two_times_the_loss_compares_the_similarities_of_one_pair():
    east, north = [1.0, 0.0], [0.0, 1.0]
    # Similarities 1 and 0 at one time, 0 and 0 at the other.
    features = torch.tensor([east, east, north, east, north, east])
    assert two_times_loss(features).item() == pytest.approx(0.5)
    assert two_times_loss(features[:3].repeat(2, 1)).item() == 0


def test_the_losses_at_two_times_are_those_of_two_passes(pipe, latents):
    arguments = {"window": 3, "temporal": "times", "temporal_weight": 2.0, "diffusion_weight": 0.5}
    (step,) = steps(pipe, latents, generator=torch.Generator().manual_seed(4), **arguments)
    adapters.remove_lora(pipe.unet)  # B was 0 when the losses were taken
    generator = torch.Generator().manual_seed(4)
    adapters.add_lora(pipe.unet, generator=generator)
    draw = Drawer(3, 0, 1000, 2, True, generator)(latents)
    losses, similarities = [], []
    for timestep in draw.timesteps:
        loss, features = one_pass(pipe, latents[draw.frames], draw.noise[:3], timestep)
        losses.append(loss)
        similarities.append({n: adjacent_similarities(f) for n, f in features.items()})
    first, second = similarities
    temporal = sum((first[n] - second[n]).square().mean() for n in first) / len(first)
    assert step.diffusion_loss == pytest.approx(sum(losses) / 2, rel=1e-4)
    assert step.temporal_loss == pytest.approx(temporal.item(), rel=1e-3)
    assert step.total_loss == pytest.approx(2 * step.temporal_loss + 0.5 * step.diffusion_loss)


def one_pass(pipe, latents, noise, timestep):
    schedule = NoiseSchedule.from_scheduler(pipe.scheduler)
    noisy = add_noise(latents, noise, timestep, schedule)
    text = models.encode_prompt(pipe, PROMPT).expand(len(latents), -1, -1)
    names = adapters.default_taps(pipe.unet)
    with adapters.FeatureTap(pipe.unet, names) as features, torch.no_grad():
        output = pipe.unet(noisy, timestep, text).sample
    velocity = noise_to_velocity(noise, noisy, timestep, schedule)
    return (output - velocity).square().mean().item(), features


@pytest.mark.parametrize("shared_noise", [True, False])
def test_two_times_are_two_times_of_the_range(latents, generator, shared_noise):
    drawer = Drawer(3, 4, 7, 2, shared_noise, generator)
    pairs = {drawer(latents).timesteps for _ in range(99)}
    assert pairs == {(a, b) for a in (4, 5, 6) for b in (4, 5, 6) if a != b}
    noise = drawer(latents).noise
    assert noise.shape == (6, 4, 8, 8) and torch.equal(noise[0], noise[5]) == shared_noise


def test_two_frames_are_enough_at_two_times(pipe, latents):
    (step,) = steps(pipe, latents[:2], temporal="times", window=2)
    assert 0 <= step.temporal_loss <= 4 and step.gradient_norm > 0


# -- what is reported and trained


def test_a_step_is_the_average_of_its_windows(pipe, latents):
    # So small a step does not move the weights in float32.
    one = steps(pipe, latents, 2, window=3, learning_rate=1e-30, temporal="times")
    adapters.remove_lora(pipe.unet)
    (both,) = steps(pipe, latents, window=3, n_windows=2, temporal="times")
    for name in ("temporal_loss", "diffusion_loss", "total_loss", "similarity"):
        mean = (getattr(one[0], name) + getattr(one[1], name)) / 2
        assert getattr(both, name) == pytest.approx(mean, rel=1e-5)
    assert both.gradient_norm < (one[0].gradient_norm + one[1].gradient_norm) / 2


def test_reporting_the_gradient_of_each_term_changes_nothing_else(pipe, latents):
    runs = []
    for gradient_parts in (False, True):
        runs.append(steps(pipe, latents, 2, n_windows=2, gradient_parts=gradient_parts))
        adapters.remove_lora(pipe.unet)
    for plain, told in zip(*runs):
        temporal, diffusion = told.temporal_gradient_norm, told.diffusion_gradient_norm
        assert plain == replace(told, temporal_gradient_norm=None, diffusion_gradient_norm=None)
        slack = 1e-5 * told.gradient_norm
        assert abs(temporal - diffusion) - slack <= told.gradient_norm
        assert told.gradient_norm <= temporal + diffusion + slack


def test_a_term_of_weight_zero_has_no_gradient(pipe, latents):
    (step,) = steps(pipe, latents, diffusion_weight=0.0, gradient_parts=True)
    assert step.diffusion_gradient_norm == 0
    assert step.temporal_gradient_norm == pytest.approx(step.gradient_norm, rel=1e-5)


def test_tokens_can_be_trained_alone(pipe, latents):
    tokens = PromptTokens(2, 1, pipe.unet.config.cross_attention_dim, len(latents))
    start = [p.clone() for p in tokens.parameters()]
    (step,) = steps(pipe, latents, tokens=tokens, train_adapter=False)
    assert not adapters.has_adapter(pipe.unet) and step.gradient_norm > 0
    assert not any(map(torch.equal, tokens.parameters(), start))


@pytest.mark.parametrize("features", [None, torch.eye(5)])
def test_in_the_last_phase_shared_tokens_alone_are_trained(pipe, latents, features):
    tokens = PromptTokens(2, 2, 96, 5, features=features)
    steps(pipe, latents, tokens=tokens)
    before = {name: p.clone() for name, p in tokens.named_parameters()}
    adapter = [p.clone() for p in adapters.lora_parameters(pipe.unet)]
    steps(pipe, latents, tokens=tokens, only_shared=True)
    changed = {name for name, p in tokens.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {"shared"}
    assert all(map(torch.equal, adapters.lora_parameters(pipe.unet), adapter))


def test_an_adapter_stays_as_it_is_while_tokens_are_trained_alone(pipe, latents):
    steps(pipe, latents)
    learned = [p.clone() for p in adapters.lora_parameters(pipe.unet)]
    tokens = PromptTokens(1, 0, pipe.unet.config.cross_attention_dim, len(latents))
    steps(pipe, latents, tokens=tokens, train_adapter=False)
    assert all(map(torch.equal, adapters.lora_parameters(pipe.unet), learned))


# -- early stop


@given(st.lists(st.integers(1, 9), min_size=2, max_size=30), st.integers(1, 6))
def test_a_falling_loss_never_stalls_and_a_rising_one_always_does(drops, patience):
    falling = [float(x) for x in accumulate([-drop for drop in drops], initial=300)]
    assert not stalled(falling, patience)
    assert stalled(falling[::-1], patience) == (len(falling) >= 2 * patience)


def test_one_lucky_loss_does_not_end_a_run_whose_mean_falls():
    losses = [0.0, *(float(x) for x in range(40, 0, -1))]
    assert stalled(losses[:3], 1) and not stalled(losses[:25], 10)


def test_without_patience_nothing_stalls():
    assert not stalled([1.0] * 100, None)


def test_training_that_learns_nothing_ends_early(pipe, latents):
    found = steps(pipe, latents, 40, learning_rate=1e-30, patience=1)
    losses = [step.total_loss for step in found]
    assert len(found) < 40 and stalled(losses, 1) and not stalled(losses[:-1], 1)


# -- resuming


def state(pipe, tokens):
    found = [*adapters.lora_parameters(pipe.unet), *tokens.parameters()]
    found = [p.detach().clone() for p in found]
    adapters.remove_lora(pipe.unet)
    return found


def test_a_resumed_run_is_a_whole_run_bit_by_bit(pipe, latents, tmp_path):
    def tokens(seed):
        generator = torch.Generator().manual_seed(seed)
        return PromptTokens(1, 1, 96, len(latents), generator=generator)

    arguments = {"window": 3, "n_windows": 2}
    first = tokens(0)
    whole = steps(pipe, latents, 4, tokens=first, **arguments)
    wanted = state(pipe, first)
    arguments |= {"checkpoint": tmp_path, "checkpoint_every": 2}
    part = finetune(pipe, latents, PROMPT, n_steps=4, tokens=tokens(0), **arguments)
    assert [next(part) for _ in range(3)] == whole[:3]  # the third is after the checkpoint
    part.close()
    adapters.remove_lora(pipe.unet)
    other = tokens(1)  # everything that the checkpoint must replace differs
    rest = steps(
        pipe, latents, 4, tokens=other, resume=True, **arguments,
        generator=torch.Generator().manual_seed(9),
    )  # fmt: skip
    assert rest == whole[2:] and all(map(torch.equal, state(pipe, other), wanted))


def test_a_finished_run_has_nothing_left_and_can_be_made_longer(pipe, latents, tmp_path):
    whole = steps(pipe, latents, 2)
    adapters.remove_lora(pipe.unet)
    assert steps(pipe, latents, 1, checkpoint=tmp_path) == whole[:1]
    assert steps(pipe, latents, 1, checkpoint=tmp_path, resume=True) == []
    assert steps(pipe, latents, 2, checkpoint=tmp_path, resume=True) == whole[1:]
    assert [file.name for file in tmp_path.iterdir()] == [CHECKPOINT_FILE]


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"window": 4}, "window 8 .now 4"),
        ({"rank": 2}, "rank, targets and tokens"),
        ({"temporal": "times", "learning_rate": 0.1}, "learning_rate 0.001 .now 0.1.*temporal"),
        ({"clip": torch.zeros(5, 4, 8, 8)}, "another clip"),
        ({"clip": torch.zeros(4, 4, 8, 8)}, "another clip"),
        ({"prompt": "a green star"}, "another prompt"),
        ({"checkpoint": None}, "give checkpoint"),
    ],
)
def test_another_run_is_not_resumed(pipe, latents, tmp_path, arguments, match):
    steps(pipe, latents, checkpoint=tmp_path)
    adapters.remove_lora(pipe.unet)
    given = {"clip": latents, "prompt": PROMPT, "checkpoint": tmp_path, **arguments}
    with pytest.raises(ValueError, match=match):
        finetune(pipe, given.pop("clip"), given.pop("prompt"), resume=True, **given)
    assert not adapters.has_adapter(pipe.unet)


def test_a_checkpoint_that_is_missing_or_damaged_is_refused(pipe, latents, tmp_path):
    with pytest.raises(FileNotFoundError, match="without resuming"):
        finetune(pipe, latents, PROMPT, checkpoint=tmp_path, resume=True)
    file = tmp_path / CHECKPOINT_FILE
    save_file({"x": torch.zeros(1)}, file)
    foreign = file.read_bytes()
    for content in (b"nothing", foreign, foreign[:-1]):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="damaged or no checkpoint"):
            finetune(pipe, latents, PROMPT, checkpoint=tmp_path, resume=True)
    assert not adapters.has_adapter(pipe.unet)


# -- several processes


def test_the_processes_share_all_windows_and_none_twice():
    teams = [Team(SimpleNamespace(num_processes=3, process_index=i)) for i in range(3)]
    assert sorted(i for team in teams for i in team.part(7)) == list(range(7))
    assert list(Team().part(7)) == list(range(7))


def test_more_processes_than_windows_are_refused(pipe, latents):
    accelerator = SimpleNamespace(num_processes=2, process_index=0)
    with pytest.raises(ValueError, match="n_windows: 1 came.*2 processes share"):
        finetune(pipe, latents, PROMPT, accelerator=accelerator)

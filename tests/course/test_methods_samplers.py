"""Samplers: what each does to a clip when the prompts agree, and what it shares between frames."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from method_tasks import frozen_latents, random, tiny_pipe, tiny_task

from course.diffusion import NoiseSchedule
from course.methods import edit_friendly, flow_edit, frame_by_frame, paper, recipe, shared_noise
from course.methods.masking import difference_mask, noised_mask


@pytest.fixture(scope="module")
def pipe():
    return tiny_pipe()


def spread(latents: torch.Tensor) -> float:
    """Return how far equal frames have come apart."""
    return (latents - latents[:1]).abs().max().item()


@pytest.mark.parametrize("sampler", [shared_noise, edit_friendly, flow_edit, paper])
def test_equal_frames_stay_equal(pipe, sampler):
    task = tiny_task(pipe, latents=frozen_latents(), skip=1)
    assert spread(sampler.run(task).latents) < 1e-4


def test_with_noise_of_their_own_equal_frames_come_apart(pipe):
    task = tiny_task(pipe, latents=frozen_latents(), skip=1)
    assert spread(frame_by_frame.run(task).latents) > 0.1
    assert spread(edit_friendly.run(task, shared=False).latents) > 1e-3


@pytest.mark.parametrize("shared", [True, False])
def test_edit_friendly_reconstructs_with_the_source_prompt(pipe, shared):
    task = tiny_task(pipe, n_steps=10).towards_source()
    latents = edit_friendly.run(task, shared=shared).latents
    assert torch.allclose(latents, task.latents, atol=1e-4)


def test_edit_friendly_reconstructs_at_guidance_1_only(pipe):
    task = replace(tiny_task(pipe, n_steps=10).towards_source(), guidance=3.0)
    assert not torch.allclose(edit_friendly.run(task).latents, task.latents, atol=1e-2)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_flow_edit_leaves_the_clip_alone_when_the_prompts_are_equal(pipe, guidance):
    task = replace(tiny_task(pipe).towards_source(), guidance=guidance)
    assert torch.allclose(flow_edit.run(task).latents, task.latents, atol=1e-5)


def test_flow_edit_averages_its_draws(pipe):
    def variance(draws: int) -> float:
        edits = [
            flow_edit.run(
                tiny_task(pipe, n_steps=2, generator=torch.Generator().manual_seed(seed)),
                draws=draws,
            ).latents
            for seed in range(4)
        ]
        return torch.stack(edits).var(0).mean().item()

    assert variance(6) < 0.5 * variance(1)
    with pytest.raises(ValueError, match="draws"):
        flow_edit.run(tiny_task(pipe), draws=0)


def test_the_noise_in_units_of_the_signal_is_that_of_the_schedule():
    schedule, latents = NoiseSchedule.stable_diffusion(), torch.zeros(1)
    level = schedule.alphas_cumprod[500].item()
    expected = ((1 - level) / level) ** 0.5
    assert flow_edit.sigma(schedule, 500, latents) == pytest.approx(expected)


def test_skipped_steps_start_from_the_source_under_noise(pipe):
    task = tiny_task(pipe, n_steps=10)
    far, near = (shared_noise.run(replace(task, skip=skip)).latents for skip in (0, 9))
    distances = [(each - task.latents).square().mean() for each in (far, near)]
    assert distances[1] < 0.1 * distances[0]


@pytest.mark.parametrize("name", ["edit_friendly", "flow_edit", "paper"])
def test_outside_the_mask_the_clip_stays_as_it_is(pipe, name):
    outcome = recipe(name).run(task := tiny_task(pipe, mask_threshold=0.6))
    outside = outcome.mask.expand_as(task.latents) == 0
    assert 0 < outside.float().mean() < 1
    assert torch.equal(outcome.latents[outside], task.latents[outside])


def test_equal_prompts_have_an_empty_mask(pipe):
    task = replace(tiny_task(pipe).towards_source(), mask_threshold=0.0)
    assert noised_mask(task).sum() == 0
    assert noised_mask(tiny_task(pipe)) is None


def test_a_mask_marks_the_cells_of_large_difference():
    differences = random(2, 3, 4, 4, seed=0).abs()
    mask = difference_mask(differences, 0.5)
    size = differences.mean(1, keepdim=True)
    assert torch.equal(mask.bool(), size > 0.5 * size.amax((2, 3), keepdim=True))

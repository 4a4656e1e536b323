"""What the ledger says of Eqs. 1 to 17, checked against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from course.claims import attention_3, ledger
from course.claims import preliminaries_3 as checks
from course.claims.section_3 import CLAIMS
from course.diffusion.schedule import NoiseSchedule
from course.diffusion.steps import ancestral_step, ddim_step

BY_ID = {one.id: one for one in CLAIMS}
SCHEDULE = NoiseSchedule.stable_diffusion()


def test_every_equation_up_to_17_is_judged():
    numbers = {int(one.id.split("_")[1]) for one in ledger() if one.id.startswith("equation")}
    grouped = {10, 11}  # with Eq. 9
    assert set(range(1, 18)) <= numbers | grouped


def test_eq_1_leaves_data_alone_where_inversion_turns_it_into_noise():
    violation = checks.noising_leaves_the_data_as_it_is()
    assert violation.left == pytest.approx(0.5) and violation.right < 0.06


def test_the_exact_predictor_is_the_regression_of_the_noise_on_the_latent():
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 400_000, generator=generator, dtype=torch.float64)
    latents = math.sqrt(0.3) * 0.5 * clean + math.sqrt(0.7) * noise
    slope = ((latents * noise).mean() / latents.square().mean()).item()
    assert checks.exact_noise(torch.ones(1), 0.3, 0.5).item() == pytest.approx(slope, abs=5e-3)


def test_a_rank_one_adapter_cancels_a_frame():
    violation = checks.adapter_cancels_a_frame()
    assert violation.left == pytest.approx(math.sqrt(10)) and violation.right < 1e-12


@pytest.mark.parametrize("number", [6, 7, 17])
def test_a_definition_holds(number):
    assert BY_ID[f"equation_{number}"].verdict == "holds"


@pytest.mark.parametrize("number", [13, 14])
def test_what_runs_as_printed_type_checks(number):
    assert BY_ID[f"equation_{number}"].verdict == "repaired"


def test_two_results_of_eq_8_differ_by_their_noise_alone():
    alpha = float(SCHEDULE.alphas[499])
    scale = checks.one_latent_goes_to_two_places().left / math.sqrt(2 * 1024 * (1 - alpha))
    assert scale == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("timestep", [2, 50, 500, 999])
def test_the_ratio_of_noise_weights_is_that_of_the_real_steps(timestep):
    zero, one = torch.tensor([[[0.0]], [[1.0]]], dtype=torch.float64)
    printed = ancestral_step(zero, one, timestep, SCHEDULE, noise=zero)
    ddim = ddim_step(zero, one, timestep, SCHEDULE, previous_timestep=timestep - 1)
    level = float(SCHEDULE.alphas_cumprod[timestep])
    ratio = checks.noise_weight_ratio(float(SCHEDULE.alphas[timestep]), level)
    assert (printed / ddim).item() == pytest.approx(ratio, rel=1e-6) and 1 < ratio < 2


def test_eq_16_shrinks_samples_by_nine_hundred_powers_of_ten():
    assert checks.sampler_that_shrinks_everything().left == pytest.approx(895.9, abs=0.1)


def test_eq_14_as_printed_sees_the_order_of_tokens_and_repaired_does_not():
    violation = attention_3.attention_over_channels()
    assert violation.left > 1 and violation.right < 1e-12


def test_guidance_has_nothing_to_compare_in_one_sequence():
    violation = checks.guidance_needs_two_texts()
    assert violation.left > 1 and violation.right < 1e-12


@pytest.mark.parametrize("name", [one.id for one in CLAIMS if one.search])
def test_bounds_are_reached(name):
    assert 0.99 < BY_ID[name].search(0, 4).ratio <= 1 + 1e-9

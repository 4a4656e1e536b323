"""Which schedulers are followed, step for step of diffusers' own, and which are refused by name."""

from __future__ import annotations

import re
import warnings
from types import SimpleNamespace

import diffusers
import pytest
import torch
from diffusers import DDIMScheduler

from course.diffusion import NoiseSchedule, invert, noise_to_velocity, sample

STABLE_DIFFUSION = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "steps_offset": 1,
}
NAMES = (
    "CogVideoXDDIM", "DDIM", "DDIMInverse", "DDPM", "DEISMultistep", "DPMSolverMultistep",
    "DPMSolverSinglestep", "EulerAncestralDiscrete", "EulerDiscrete", "FlowMatchEulerDiscrete",
    "HeunDiscrete", "KDPM2AncestralDiscrete", "KDPM2Discrete", "LCM", "LMSDiscrete", "PNDM",
    "RePaint", "SASolver", "TCD", "UniPCMultistep",
)  # fmt: skip
CONFIGS = (
    {},
    {"timestep_spacing": "leading"},
    {"timestep_spacing": "trailing"},
    {"timestep_spacing": "trailing", "use_karras_sigmas": True},
    {"timestep_spacing": "trailing", "rescale_betas_zero_snr": True},
    {"timestep_spacing": "trailing", "thresholding": True},
    {"timestep_spacing": "leading", "skip_prk_steps": True},
    {"timestep_spacing": "trailing", "num_train_timesteps": 100},
    {"timestep_spacing": "leading", "timestep_type": "continuous"},
    {"timestep_spacing": "trailing", "use_flow_sigmas": True},
    {"timestep_spacing": "leading", "prediction_type": "sample"},
)


def scheduler(name: str, **options: object) -> object:
    """Make one by its short name, with those of the options that it knows."""
    return getattr(diffusers, f"{name}Scheduler").from_config({**STABLE_DIFFUSION, **options})


def quiet_schedule(given: object) -> NoiseSchedule:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return NoiseSchedule.from_scheduler(given)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_a_scheduler_has_our_timesteps_or_is_refused_by_its_name(name, config):
    given = scheduler(name, **config)
    try:
        schedule = quiet_schedule(given)
    except ValueError as error:
        assert type(given).__name__ in str(error) and "; take " in str(error)
        return
    for n in (1, 4, 10, 25, 30, 50, 60, 99):
        given.set_timesteps(n)
        assert list(dict.fromkeys(given.timesteps.tolist())) == schedule.timesteps(n).tolist()


@pytest.mark.parametrize("name", ["DDIM", "DDPM", "PNDM", "EulerDiscrete", "LMSDiscrete"])
def test_the_usual_schedulers_of_stable_diffusion_are_followed(name):
    given = scheduler(name, timestep_spacing="leading", skip_prk_steps=True)
    assert quiet_schedule(given).timesteps(50).tolist() == list(range(981, 0, -20))


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("EulerDiscrete", {"rescale_betas_zero_snr": True}, "rescale_betas_zero_snr=True"),
        ("DDIM", {"rescale_betas_zero_snr": True}, "rescale_betas_zero_snr=True"),
        ("DDIM", {"thresholding": True}, "thresholding=True"),
        ("DDIM", {"timestep_spacing": "linspace"}, "timestep_spacing='linspace'"),
        ("EulerDiscrete", {"timestep_spacing": "linspace"}, "timestep_spacing='linspace'"),
        ("DPMSolverMultistep", {"timestep_spacing": "leading"}, "its timesteps 951, 932, 913"),
        ("DPMSolverMultistep", {"use_karras_sigmas": True}, "use_karras_sigmas=True"),
        ("EulerDiscrete", {"use_beta_sigmas": True}, "use_beta_sigmas=True"),
        ("DPMSolverMultistep", {"use_lu_lambdas": True}, "use_lu_lambdas=True"),
        ("LCM", {}, "its timesteps 999, 979, 959"),
        ("PNDM", {}, "its timesteps 981, 971, 961"),
        (
            "EulerDiscrete",
            {"timestep_spacing": "leading", "interpolation_type": "log_linear"},
            "levels of noise that are not those of its timesteps",
        ),
    ],
)
def test_the_cure_of_a_refusal_makes_a_scheduler_that_is_followed(name, options, why):
    given = scheduler(name, **options)
    with pytest.raises(ValueError, match=re.escape(f"{name}Scheduler with {why}")) as refusal:
        NoiseSchedule.from_scheduler(given)
    pipe = SimpleNamespace(scheduler=given)
    exec(str(refusal.value).partition("; take ")[2], {"pipe": pipe, "DDIMScheduler": DDIMScheduler})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(NoiseSchedule.from_scheduler(pipe.scheduler)) == 1000


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (scheduler("FlowMatchEulerDiscrete"), "FlowMatchEulerDiscreteScheduler .no alphas"),
        (scheduler("EDMEuler"), "EDMEulerScheduler .no alphas"),
        (scheduler("DDIM", prediction_type="sample"), "prediction_type='sample'"),
        (
            scheduler("UniPCMultistep", prediction_type="flow_prediction", use_flow_sigmas=True),
            "prediction_type='flow_prediction'",
        ),
    ],
)
def test_where_no_scheduler_helps_another_model_is_the_cure(given, why):
    with pytest.raises(ValueError, match=f"{why}.*take a model that predicts noise"):
        NoiseSchedule.from_scheduler(given)


def test_clipping_is_warned_of_where_it_happens():
    with pytest.warns(UserWarning, match="DDIMScheduler has clip_sample=True, .* left out"):
        NoiseSchedule.from_scheduler(scheduler("DDIM"))
    # The key of another scheduler stays in the config and means nothing.
    given = scheduler("EulerDiscrete", timestep_spacing="leading", clip_sample=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NoiseSchedule.from_scheduler(given)


def test_reading_a_scheduler_leaves_it_in_the_middle_of_its_chain():
    given = scheduler("EulerDiscrete", timestep_spacing="leading")
    given.set_timesteps(11)
    before = given.timesteps.clone()
    NoiseSchedule.from_scheduler(given)
    assert torch.equal(given.timesteps, before)


# The kind of prediction


def model(latents: torch.Tensor, timestep: int) -> torch.Tensor:
    return torch.sin(0.5 * latents + timestep / 300)


@pytest.fixture
def latents() -> torch.Tensor:
    return torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_a_velocity_schedule_is_sampled_as_diffusers_does_without_being_told(latents):
    theirs = scheduler("DDIM", prediction_type="v_prediction", clip_sample=False)
    theirs.set_timesteps(20)
    expected = latents
    for t in theirs.timesteps.tolist():
        expected = theirs.step(model(expected, t), t, expected).prev_sample
    *_, last = sample(model, latents, NoiseSchedule.from_scheduler(theirs), 20)
    assert torch.allclose(last.latents, expected, atol=2e-5)


@pytest.mark.parametrize("end", ["zero", "sigma_min"])
@pytest.mark.parametrize("name", ["EulerDiscrete", "DPMSolverMultistep"])
def test_a_solver_of_first_order_is_followed_to_its_own_end(latents, name, end):
    # The key of the pipeline's first scheduler, which these do not know, stays in the config.
    options = {"set_alpha_to_one": False, "timestep_spacing": "trailing", "solver_order": 1}
    theirs = scheduler(name, **options, final_sigmas_type=end)
    theirs.set_timesteps(20)
    # Euler's latents are those of DDIM divided by the root of alpha-bar.
    scale = (theirs.sigmas**2 + 1).sqrt() if name == "EulerDiscrete" else torch.ones(21)
    expected = latents * scale[0]
    for t in theirs.timesteps:
        noise = model(theirs.scale_model_input(expected, t), float(t))
        expected = theirs.step(noise, t, expected).prev_sample
    *_, last = sample(model, latents, quiet_schedule(theirs), 20)
    assert torch.allclose(last.latents, expected / scale[-1], atol=1e-4)


@pytest.mark.parametrize("chain", [sample, invert])
def test_a_predictor_that_says_what_it_returns_is_read_so(latents, chain):
    schedule = NoiseSchedule.stable_diffusion("v_prediction")

    def noise(x: torch.Tensor, t: int) -> torch.Tensor:
        return model(x, t)

    def velocity(x: torch.Tensor, t: int) -> torch.Tensor:
        return noise_to_velocity(model(x, t), x, t, schedule)

    noise.prediction_type = "epsilon"
    ends = [list(chain(predict, latents, schedule, 9))[-1].latents for predict in (noise, velocity)]
    told = list(chain(model, latents, schedule, 9, prediction_type="epsilon"))[-1].latents
    assert torch.allclose(*ends, atol=1e-10) and torch.equal(ends[0], told)


def test_the_package_s_own_noise_needs_no_word_either(pipe, latents):
    from course import models

    predict = models.noise_predictor(pipe, models.encode_prompt(pipe, "a red circle"))
    assert predict.prediction_type == "epsilon"
    assert NoiseSchedule.from_scheduler(pipe.scheduler).prediction_type == "v_prediction"

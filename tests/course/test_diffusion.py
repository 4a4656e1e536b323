"""The diffusion module against closed forms, itself run backwards, and diffusers' schedulers."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from diffusers import DDIMInverseScheduler, DDIMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from course.diffusion import (
    DiffusionStep,
    NoiseSchedule,
    add_noise,
    ancestral_step,
    ddim_inverse_step,
    ddim_step,
    invert,
    noise_to_velocity,
    predicted_original,
    sample,
    velocity_to_noise,
)

SCHEDULE = NoiseSchedule.stable_diffusion()
SHAPE = (3, 4, 5, 6)
CONFIG = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "clip_sample": False,
}
VARIANTS = [
    (spacing, kind, to_one, n)
    for spacing, offset in (("leading", 1), ("trailing", 0))
    for kind in ("epsilon", "v_prediction")
    for to_one in (False, True)
    for n in (50, 30, 7)
]


def randn(seed: int, dtype: torch.dtype = torch.float64, shape: tuple[int, ...] = SHAPE) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def scheduler_pair(spacing: str, kind: str, to_one: bool) -> tuple[DDIMScheduler, Callable]:
    options = {
        "timestep_spacing": spacing,
        "prediction_type": kind,
        "set_alpha_to_one": to_one,
        "steps_offset": int(spacing == "leading"),
        **CONFIG,
    }
    return DDIMScheduler(**options), DDIMInverseScheduler(**options)


def constant_noise(latents: Tensor, timestep: int) -> Tensor:
    """A prediction that depends on the timestep alone: DDIM inversion is exact for it."""
    return randn(timestep, latents.dtype)


def toy_noise(latents: Tensor, timestep: int) -> Tensor:
    return torch.sin(0.5 * latents + timestep / 300)


def last(steps) -> DiffusionStep:
    return list(steps)[-1]


def round_trip_error(refine: int, n_steps: int = 50) -> float:
    x = randn(0)
    noisy = last(invert(toy_noise, x, SCHEDULE, n_steps, refine=refine)).latents
    back = last(sample(toy_noise, noisy, SCHEDULE, n_steps)).latents
    return float((back - x).norm() / x.norm())


# The schedule -----------------------------------------------------------------------------------


def test_stable_diffusion_is_the_scheduler_that_diffusers_builds():
    theirs = DDIMScheduler(steps_offset=1, set_alpha_to_one=False, **CONFIG)
    ours = NoiseSchedule.from_scheduler(theirs)
    assert torch.equal(SCHEDULE.alphas_cumprod, ours.alphas_cumprod)
    assert torch.equal(SCHEDULE.alphas_cumprod.float(), theirs.alphas_cumprod)
    assert torch.allclose(SCHEDULE.alphas, theirs.alphas.double(), atol=1e-6, rtol=0)
    assert ours.steps_offset == 1 and not ours.set_alpha_to_one and len(ours) == 1000


def test_alphas_cumprod_is_the_running_product_of_alphas():
    product = SCHEDULE.alphas.cumprod(0)
    assert torch.allclose(product, SCHEDULE.alphas_cumprod, rtol=1e-13, atol=0)
    assert torch.equal(NoiseSchedule(SCHEDULE.alphas).alphas_cumprod, product)


def test_fifty_stable_diffusion_steps_run_from_981_to_1():
    assert SCHEDULE.timesteps(50).tolist() == list(range(981, 0, -20))


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
def test_timesteps_agree_with_diffusers_for_many_lengths(spacing):
    theirs, _ = scheduler_pair(spacing, "epsilon", True)
    ours = NoiseSchedule.from_scheduler(theirs)
    for n in [*range(1, 60), 96, 100, 250, 333, 500, 999]:
        theirs.set_timesteps(n)
        # For a few n, 61 the first, rounding gives theirs one timestep more: -1.
        assert torch.equal(ours.timesteps(n), theirs.timesteps[:n]), n


@settings(max_examples=60, deadline=None)
@given(
    total=st.integers(1, 300),
    share=st.floats(0, 1),
    offset=st.integers(0, 400),
    spacing=st.sampled_from(["leading", "trailing"]),
)
def test_timesteps_descend_inside_the_schedule(total, share, offset, spacing):
    n = 1 + round(share * (total - 1))
    schedule = NoiseSchedule(
        torch.full((total,), 0.99), steps_offset=offset, timestep_spacing=spacing
    )
    steps = schedule.timesteps(n).tolist()
    assert len(steps) == n and all(0 <= t < total for t in steps)
    assert all(a > b for a, b in zip(steps, steps[1:], strict=False))


def test_a_duck_typed_scheduler_is_enough():
    duck = SimpleNamespace(
        config=SimpleNamespace(timestep_spacing="trailing"), alphas_cumprod=torch.tensor([0.9, 0.5])
    )
    schedule = NoiseSchedule.from_scheduler(duck)
    assert schedule.timesteps(2).tolist() == [1, 0] and schedule.set_alpha_to_one
    assert torch.allclose(schedule.alphas, torch.tensor([0.9, 0.5 / 0.9], dtype=torch.float64))


# Noise, velocity and x_0 ------------------------------------------------------------------------


def test_predicted_original_undoes_add_noise():
    x, z = randn(0), randn(1)
    for t in (0, 500, 999):
        noisy = add_noise(x, z, t, SCHEDULE)
        assert torch.allclose(predicted_original(noisy, z, t, SCHEDULE), x, atol=1e-12)


def test_velocity_and_noise_convert_back_and_forth():
    x, z, level = randn(0), randn(1), SCHEDULE.alphas_cumprod[700]
    noisy = add_noise(x, z, 700, SCHEDULE)
    velocity = level.sqrt() * z - (1 - level).sqrt() * x
    assert torch.allclose(velocity_to_noise(velocity, noisy, 700, SCHEDULE), z, atol=1e-12)
    assert torch.allclose(noise_to_velocity(z, noisy, 700, SCHEDULE), velocity, atol=1e-12)


def test_add_noise_agrees_with_diffusers_for_a_timestep_per_sample():
    x, z, t = randn(0, torch.float32), randn(1, torch.float32), torch.tensor([3, 500, 999])
    theirs = DDIMScheduler(**CONFIG).add_noise(x, z, t)
    assert torch.allclose(add_noise(x, z, t, SCHEDULE), theirs, atol=1e-6)


@pytest.mark.parametrize(
    "function",
    [
        add_noise,
        predicted_original,
        velocity_to_noise,
        noise_to_velocity,
        ancestral_step,
        ddim_step,
        ddim_inverse_step,
    ],
)
def test_an_int_and_two_kinds_of_tensor_timesteps_agree(function):
    if function is ancestral_step:
        function = functools.partial(function, noise=randn(2))
    places = [
        (500, 499),
        (torch.tensor(500), torch.tensor(499)),
        (torch.full((3,), 500), torch.full((3,), 499)),
    ]
    for t, previous in places:
        extra = {"previous_timestep": previous} if "step" in str(function) else {}
        result = function(randn(0), randn(1), t, SCHEDULE, **extra)
        expected = function(
            randn(0), randn(1), 500, SCHEDULE, **({"previous_timestep": 499} if extra else {})
        )
        assert torch.allclose(result, expected, rtol=1e-12, atol=1e-14)


def test_samples_of_a_batch_may_sit_at_different_timesteps():
    t, previous = torch.tensor([900, 20, 0]), torch.tensor([880, 0, -1])
    schedule = NoiseSchedule(SCHEDULE.alphas, set_alpha_to_one=True)
    together = ddim_step(randn(0), randn(1), t, schedule, previous_timestep=previous)
    alone = [
        ddim_step(
            randn(0)[i : i + 1],
            randn(1)[i : i + 1],
            int(t[i]),
            schedule,
            previous_timestep=int(previous[i]),
        )
        for i in range(3)
    ]
    assert torch.allclose(together, torch.cat(alone), atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("timestep", [981, torch.tensor([981] * 3)])
def test_half_precision_stays_close_to_float64(dtype, timestep):
    x, z = randn(0).to(dtype), randn(1).to(dtype)
    half = ddim_step(x, z, timestep, SCHEDULE, previous_timestep=timestep - 20)
    exact = ddim_step(x.double(), z.double(), 981, SCHEDULE, previous_timestep=961)
    assert half.dtype == dtype
    assert (half - exact).abs().max() < 8 * torch.finfo(dtype).eps


# Steps ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing, kind, to_one, n", VARIANTS)
def test_each_step_agrees_with_diffusers(spacing, kind, to_one, n):
    theirs, inverse = scheduler_pair(spacing, kind, to_one)
    schedule = NoiseSchedule.from_scheduler(theirs)
    for each in (theirs, inverse):
        each.set_timesteps(n)
    x, output = randn(0, torch.float32), randn(1, torch.float32)
    clean = schedule.final_alpha_cumprod
    for t in schedule.timesteps(n).tolist():
        previous = schedule.previous_timestep(t, n)
        noise = output if kind == "epsilon" else velocity_to_noise(output, x, t, schedule)
        ours = ddim_step(x, noise, t, schedule, previous_timestep=previous)
        expected = theirs.step(output, t, x)
        assert torch.allclose(ours, expected.prev_sample, rtol=1e-6, atol=1e-6)
        original = predicted_original(x, noise, t, schedule)
        assert torch.allclose(original, expected.pred_original_sample, rtol=1e-6, atol=2e-5)
        level = schedule.level(previous, x, clean=clean)
        noise = output if kind == "epsilon" else level**0.5 * output + (1 - level) ** 0.5 * x
        ours = ddim_inverse_step(x, noise, t, schedule, previous_timestep=previous)
        expected = inverse.step(output, t, x).prev_sample
        assert torch.allclose(ours, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("spacing, kind, to_one, n", VARIANTS)
def test_whole_chains_agree_with_diffusers(spacing, kind, to_one, n):
    theirs, inverse = scheduler_pair(spacing, kind, to_one)
    schedule = NoiseSchedule.from_scheduler(theirs)
    for scheduler, chain in ((theirs, sample), (inverse, invert)):
        scheduler.set_timesteps(n)
        x = randn(0)
        extra = {} if chain is sample else {"velocity_level": "source"}
        steps = chain(toy_noise, x, schedule, n, prediction_type=kind, **extra)
        for t, step in zip(scheduler.timesteps, steps, strict=True):
            x = scheduler.step(toy_noise(x, int(t)), int(t), x).prev_sample
            assert step.timestep == t
            # Theirs has float32 coefficients, which accumulate over the chain.
            assert torch.allclose(step.latents, x, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("spacing, kind, to_one, n", VARIANTS)
def test_every_step_of_a_float32_chain_agrees_with_diffusers(spacing, kind, to_one, n):
    # Diffusers steps from our latents each time, so that rounding does not accumulate.
    theirs, inverse = scheduler_pair(spacing, kind, to_one)
    schedule = NoiseSchedule.from_scheduler(theirs)
    for scheduler, chain in ((theirs, sample), (inverse, invert)):
        scheduler.set_timesteps(n)
        x = randn(0, torch.float32)
        extra = {} if chain is sample else {"velocity_level": "source"}
        for step in chain(toy_noise, x, schedule, n, prediction_type=kind, **extra):
            t = step.timestep
            expected = scheduler.step(toy_noise(x, t), t, x).prev_sample
            assert torch.allclose(step.latents, expected, rtol=1e-6, atol=1e-6), t
            x = step.latents


def test_eta_one_has_the_variance_of_the_ddpm_posterior():
    scheduler = DDIMScheduler(set_alpha_to_one=False, steps_offset=1, **CONFIG)
    scheduler.set_timesteps(50)
    x, eps, z = randn(0, torch.float32), randn(1, torch.float32), randn(2, torch.float32)
    for t in (981, 501, 1):
        expected = scheduler.step(eps, t, x, eta=1.0, variance_noise=z).prev_sample
        ours = ddim_step(x, eps, t, SCHEDULE, previous_timestep=t - 20, eta=1.0, noise=z)
        assert torch.allclose(ours, expected, rtol=1e-6, atol=1e-6)


def test_ancestral_step_is_equation_8_letter_by_letter():
    a, bar, x, eps, z = SCHEDULE.alphas, SCHEDULE.alphas_cumprod, randn(0), randn(1), randn(2)
    for t in (1, 400, 999):
        mean = (x - (1 - a[t]) / (1 - bar[t]).sqrt() * eps) / a[t].sqrt()
        printed = mean + (1 - a[t - 1]).sqrt() * z
        assert torch.allclose(ancestral_step(x, eps, t, SCHEDULE, noise=z), printed, atol=1e-12)


def test_the_mean_of_equation_8_is_that_of_ddpm():
    x, eps, zero = randn(0), randn(1), torch.zeros(SHAPE, dtype=torch.float64)
    ours = ancestral_step(x, eps, 500, SCHEDULE, noise=zero)
    ddpm = ddim_step(x, eps, 500, SCHEDULE, previous_timestep=499, eta=1.0, noise=zero)
    ddim = ddim_step(x, eps, 500, SCHEDULE, previous_timestep=499)
    assert torch.allclose(ours, ddpm, atol=1e-13) and not torch.allclose(ours, ddim, atol=1e-4)


def test_no_noise_enters_the_step_to_the_clean_end():
    runs = [ancestral_step(randn(0), randn(1), 0, SCHEDULE, noise=randn(s)) for s in (2, 3)]
    assert torch.equal(*runs)


def test_an_alpha_of_one_does_not_divide_by_zero():
    schedule = NoiseSchedule(torch.tensor([1.0, 0.9]))
    for step in (ancestral_step, functools.partial(ddim_step, eta=1.0)):
        result = step(randn(0), randn(1), 0, schedule, previous_timestep=-1, noise=randn(2))
        assert torch.allclose(result, randn(0))


def test_the_inverse_step_undoes_the_step_with_the_same_noise():
    for t, previous in ((981, 961), (1, -19), (999, 0)):
        down = ddim_step(randn(0), randn(1), t, SCHEDULE, previous_timestep=previous)
        up = ddim_inverse_step(down, randn(1), t, SCHEDULE, previous_timestep=previous)
        assert torch.allclose(up, randn(0), atol=1e-12)


def test_gradients_pass_through_a_step():
    x, eps = randn(0).requires_grad_(), randn(1).requires_grad_()
    step = functools.partial(ddim_step, timestep=501, schedule=SCHEDULE, previous_timestep=481)
    assert torch.autograd.gradcheck(step, (x[:1, :1], eps[:1, :1]))


# Chains -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["leading", "trailing"])
@pytest.mark.parametrize("n, skip", [(50, 0), (30, 0), (20, 7), (1000, 900)])
def test_inversion_is_exact_when_the_noise_ignores_the_latents(kind, n, skip):
    schedule = NoiseSchedule(SCHEDULE.alphas, timestep_spacing=kind, steps_offset=1)
    noisy = last(invert(constant_noise, randn(0), schedule, n, skip=skip)).latents
    back = last(sample(constant_noise, noisy, schedule, n, skip=skip)).latents
    assert (back - randn(0)).abs().max() < 1e-10


def test_each_refinement_shrinks_the_round_trip_error():
    errors = [round_trip_error(refine) for refine in range(4)]
    assert all(b < a / 4 for a, b in zip(errors, errors[1:], strict=False)), errors


def test_the_round_trip_error_is_first_order_in_the_step():
    ratio = round_trip_error(0, 100) / round_trip_error(0, 200)
    assert 1.6 < ratio < 2.5


def test_refinement_closes_the_round_trip_for_velocities_too():
    noisy = last(
        invert(toy_noise, randn(0), SCHEDULE, 50, refine=12, prediction_type="v_prediction")
    ).latents
    back = last(sample(toy_noise, noisy, SCHEDULE, 50, prediction_type="v_prediction")).latents
    assert torch.allclose(back, randn(0), atol=1e-6)


@pytest.mark.parametrize("chain", [sample, invert, functools.partial(invert, refine=2)])
def test_a_velocity_chain_equals_a_wrapped_noise_chain(chain):
    def wrapped(latents: Tensor, timestep: int) -> Tensor:
        return velocity_to_noise(toy_noise(latents, timestep), latents, timestep, SCHEDULE)

    ours = last(chain(toy_noise, randn(0), SCHEDULE, 20, prediction_type="v_prediction"))
    assert torch.allclose(ours.latents, last(chain(wrapped, randn(0), SCHEDULE, 20)).latents)


def test_a_velocity_read_at_the_destination_inverts_what_the_source_level_does_not():
    def velocity(latents: Tensor, timestep: int) -> Tensor:
        return noise_to_velocity(constant_noise(latents, timestep), latents, timestep, SCHEDULE)

    options = {"prediction_type": "v_prediction"}
    errors = []
    for level in ("destination", "source"):
        noisy = last(invert(velocity, randn(0), SCHEDULE, 25, velocity_level=level, **options))
        back = last(sample(velocity, noisy.latents, SCHEDULE, 25, **options)).latents
        errors.append((back - randn(0)).abs().max())
    assert errors[0] < 1e-10 and errors[1] > 0.1


def test_the_exact_noise_of_unit_gaussian_data_keeps_the_variance_near_one():
    def exact(latents: Tensor, timestep: int) -> Tensor:
        return (1 - SCHEDULE.alphas_cumprod[timestep]) ** 0.5 * latents

    start = randn(0, shape=(1, 4, 64, 64))
    # The exact chain multiplies by the cosine of each step's angle, acos(sqrt(abar)).
    path = [*SCHEDULE.timesteps(200).tolist(), 0]
    angles = [math.acos(SCHEDULE.alphas_cumprod[t].sqrt()) for t in path]
    product = math.prod(math.cos(a - b) for a, b in zip(angles, angles[1:], strict=False))
    result = last(sample(exact, start, SCHEDULE, 200)).latents
    assert torch.allclose(result, product * start, atol=1e-12)
    assert result.var() == pytest.approx(1, abs=0.03)


def test_steps_report_where_they_are():
    steps = list(sample(toy_noise, randn(0), SCHEDULE, 5))
    assert [s.index for s in steps] == list(range(5))
    assert [s.timestep for s in steps] == SCHEDULE.timesteps(5).tolist()
    assert [s.previous_timestep for s in steps] == [601, 401, 201, 1, -1]
    assert torch.equal(steps[0].predicted_noise, toy_noise(randn(0), 801))
    assert [s.timestep for s in invert(toy_noise, randn(0), SCHEDULE, 5, skip=2)] == [1, 201, 401]


def test_a_chain_runs_no_further_than_it_is_asked():
    calls: list[int] = []

    def counting(latents: Tensor, timestep: int) -> Tensor:
        calls.append(timestep)
        return latents

    for chain in (sample, invert):
        steps = chain(counting, randn(0), SCHEDULE, 10)
        next(steps)
        steps.close()
    assert calls == [901, 1]


def test_a_chain_leaves_its_input_alone_and_repeats_itself():
    x = randn(0)
    for chain in (sample, invert):
        first, second = (last(chain(toy_noise, x, SCHEDULE, 9)).latents for _ in range(2))
        assert torch.equal(first, second) and torch.equal(x, randn(0))


def test_a_seeded_ancestral_chain_repeats_itself():
    first, second, other = (
        last(
            sample(
                toy_noise,
                randn(0),
                SCHEDULE,
                9,
                step=ancestral_step,
                generator=torch.Generator().manual_seed(seed),
            )
        ).latents
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, second) and not torch.equal(first, other)


def test_a_skipped_chain_is_the_tail_of_a_whole_one():
    whole = list(sample(toy_noise, randn(0), SCHEDULE, 10))
    tail = list(sample(toy_noise, whole[3].latents, SCHEDULE, 10, skip=4))
    assert len(tail) == 6 and torch.equal(tail[-1].latents, whole[-1].latents)


# The filter -------------------------------------------------------------------------------------


@pytest.mark.parametrize("chain", [sample, invert, functools.partial(invert, refine=2)])
@pytest.mark.parametrize("target", ["latents", "original"])
def test_the_identity_filter_changes_nothing(chain, target):
    plain = last(chain(toy_noise, randn(0), SCHEDULE, 9)).latents
    kept = last(
        chain(toy_noise, randn(0), SCHEDULE, 9, latent_filter=lambda x: x, filter_target=target)
    ).latents
    assert torch.allclose(kept, plain, atol=1e-10)


@pytest.mark.parametrize("chain", [sample, invert])
@pytest.mark.parametrize("target", ["latents", "original"])
def test_a_filter_sees_every_step_and_no_filter_is_a_chain_without(chain, target):
    seen: list[Tensor] = []

    def keep(x: Tensor) -> Tensor:
        seen.append(x)
        return x

    options = {"filter_target": target}
    steps = list(chain(toy_noise, randn(0), SCHEDULE, 6, latent_filter=keep, **options))
    plain = list(chain(toy_noise, randn(0), SCHEDULE, 6, latent_filter=None, **options))
    original = [step.predicted_original for step in steps]
    latents = [randn(0), *(step.latents for step in steps[:-1])]
    assert len(seen) == 6
    assert all(map(torch.equal, seen, latents if target == "latents" else original))
    assert torch.allclose(steps[-1].latents, plain[-1].latents, atol=1e-10)


def test_a_filter_on_latents_acts_before_the_prediction():
    step = next(sample(toy_noise, randn(0), SCHEDULE, 9, latent_filter=torch.tanh))
    filtered = torch.tanh(randn(0))
    assert torch.equal(step.predicted_noise, toy_noise(filtered, step.timestep))
    assert torch.equal(
        step.latents,
        ddim_step(
            filtered,
            step.predicted_noise,
            step.timestep,
            SCHEDULE,
            previous_timestep=step.previous_timestep,
        ),
    )


@pytest.mark.parametrize("chain", [sample, invert])
def test_a_filter_on_the_original_keeps_the_predicted_noise(chain):
    step = next(
        chain(
            toy_noise,
            randn(0),
            SCHEDULE,
            9,
            latent_filter=torch.zeros_like,
            filter_target="original",
        )
    )
    arrival = step.previous_timestep if chain is sample else step.timestep
    assert torch.equal(step.predicted_noise, toy_noise(randn(0), step.timestep))
    assert not step.predicted_original.any()
    expected = add_noise(step.predicted_original, step.predicted_noise, arrival, SCHEDULE)
    assert torch.allclose(step.latents, expected, atol=1e-12)


def test_an_ancestral_chain_with_a_filter_on_latents_is_equation_12():
    generator = torch.Generator().manual_seed(3)
    step = next(
        sample(
            toy_noise,
            randn(0),
            SCHEDULE,
            999,
            step=ancestral_step,
            latent_filter=torch.tanh,
            generator=generator,
        )
    )
    z = randn(3)
    x = torch.tanh(randn(0))
    expected = ancestral_step(x, toy_noise(x, 999), 999, SCHEDULE, noise=z)
    assert step.timestep == 999 and torch.allclose(step.latents, expected, atol=1e-12)


# Devices ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
@pytest.mark.parametrize(
    "timestep",
    [
        500,
        torch.tensor(500),
        torch.tensor(500, device="meta"),
        torch.zeros(3, dtype=torch.long, device="meta"),
    ],
)
def test_every_function_runs_on_meta_tensors(dtype, timestep):
    x = torch.empty(SHAPE, device="meta", dtype=dtype)
    results = [
        f(x, x, timestep, SCHEDULE)
        for f in (add_noise, predicted_original, velocity_to_noise, noise_to_velocity)
    ]
    for f in (ddim_step, ddim_inverse_step, ancestral_step, functools.partial(ddim_step, eta=0.5)):
        results.append(f(x, x, timestep, SCHEDULE, previous_timestep=timestep - 1))
    assert all(r.is_meta and r.dtype == dtype and r.shape == x.shape for r in results)


@pytest.mark.parametrize(
    "chain",
    [
        sample,
        invert,
        functools.partial(invert, refine=1),
        functools.partial(sample, step=ancestral_step),
    ],
)
@pytest.mark.parametrize("target", ["latents", "original"])
def test_chains_run_on_meta_tensors(chain, target):
    steps = list(
        chain(
            toy_noise,
            torch.empty(SHAPE, device="meta"),
            SCHEDULE,
            3,
            latent_filter=torch.tanh,
            filter_target=target,
            prediction_type="v_prediction",
        )
    )
    assert len(steps) == 3 and all(s.latents.is_meta for s in steps)


# Bad input --------------------------------------------------------------------------------------

NOISINGS = (add_noise, predicted_original, velocity_to_noise, noise_to_velocity)
STEPS = (ddim_step, ddim_inverse_step, ancestral_step)
INSIDE = st.floats(0, 1, exclude_min=True)
OUTSIDE = st.one_of(
    st.floats(max_value=0), st.floats(min_value=1, exclude_min=True), st.just(math.nan)
)


@settings(max_examples=80, deadline=None)
@given(good=st.lists(INSIDE, max_size=8), bad=OUTSIDE, after=st.integers(0, 8))
def test_one_alpha_outside_the_unit_interval_is_refused_and_named(good, bad, after):
    place = min(after, len(good))
    alphas = torch.tensor([*good[:place], bad, *good[place:]], dtype=torch.float64)
    with pytest.raises(ValueError, match=rf"alphas: .* at timestep {place} came; .*in \(0, 1\]"):
        NoiseSchedule(alphas)


@settings(max_examples=80, deadline=None)
@given(
    timestep=st.one_of(st.integers(max_value=-1), st.integers(min_value=1000)),
    function=st.sampled_from(NOISINGS),
)
def test_every_timestep_outside_the_schedule_is_refused(timestep, function):
    with pytest.raises(ValueError, match=rf"timestep: {timestep} came; .* between 0 and 999"):
        function(randn(0), randn(1), timestep, SCHEDULE)


@settings(max_examples=80, deadline=None)
@given(
    timesteps=st.lists(st.integers(-2000, 2000), min_size=3, max_size=3),
    function=st.sampled_from(NOISINGS),
)
def test_a_timestep_per_sample_is_refused_if_one_lies_outside(timesteps, function):
    arguments = (randn(0), randn(1), torch.tensor(timesteps), SCHEDULE)
    if all(0 <= t <= 999 for t in timesteps):
        assert function(*arguments).isfinite().all()
    else:
        with pytest.raises(ValueError, match="between 0 and 999"):
            function(*arguments)


@settings(max_examples=80, deadline=None)
@given(timestep=st.integers(0, 999), above=st.integers(0, 999), step=st.sampled_from(STEPS))
def test_every_pair_that_does_not_descend_is_refused(timestep, above, step):
    with pytest.raises(ValueError, match="previous_timestep: .* one below timestep"):
        step(randn(0), randn(1), timestep, SCHEDULE, previous_timestep=timestep + above)


@settings(max_examples=40, deadline=None)
@given(timestep=st.integers(min_value=1000), step=st.sampled_from(STEPS))
def test_a_step_from_beyond_the_schedule_is_refused(timestep, step):
    with pytest.raises(ValueError, match=rf"timestep: {timestep} came; .* between 0 and 999"):
        step(randn(0), randn(1), timestep, SCHEDULE, previous_timestep=500)


@settings(max_examples=40, deadline=None)
@given(
    n_steps=st.one_of(st.integers(max_value=0), st.integers(min_value=1001)),
    chain=st.sampled_from((sample, invert)),
)
def test_every_number_of_steps_outside_the_schedule_is_refused(n_steps, chain):
    with pytest.raises(ValueError, match=rf"n_steps: {n_steps} came; .* between 1 and 1000"):
        chain(toy_noise, randn(0), SCHEDULE, n_steps)


@pytest.mark.parametrize("alphas", [[1.2, 0.5], [0.5, 0.0], [0.5, -0.1], [math.nan], [], [[0.5]]])
def test_alphas_outside_the_unit_interval_are_refused(alphas):
    with pytest.raises(ValueError, match="alphas: "):
        NoiseSchedule(torch.tensor(alphas))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"alphas_cumprod": torch.tensor([0.5, 0.9])}, "running product"),
        ({"timestep_spacing": "linspace"}, "timestep_spacing: 'linspace' came; wanted is one of"),
        ({"prediction_type": "sample"}, "prediction_type: 'sample' came; wanted is one of"),
        ({"steps_offset": -1}, "steps_offset"),
    ],
)
def test_a_schedule_of_a_kind_we_do_not_have_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        NoiseSchedule(torch.tensor([0.9, 0.9]), **options)


def test_a_scheduler_that_cannot_be_followed_is_refused():
    with pytest.raises(TypeError, match="alphas_cumprod"):
        NoiseSchedule.from_scheduler(object())
    for options in (
        {"timestep_spacing": "linspace"},
        {"prediction_type": "sample"},
        {"rescale_betas_zero_snr": True},
    ):
        with pytest.raises(ValueError):
            NoiseSchedule.from_scheduler(DDIMScheduler(**CONFIG, **options))


@pytest.mark.parametrize("chain", [sample, invert])
@pytest.mark.parametrize(
    "error, message, changes",
    [
        (ValueError, "n_steps", {"n_steps": 0}),
        (ValueError, "n_steps", {"n_steps": 1001}),
        (TypeError, "n_steps", {"n_steps": 2.5}),
        (ValueError, "skip", {"skip": -1}),
        (ValueError, "skip", {"skip": 10}),
        (TypeError, "floating-point", {"latents": torch.zeros(SHAPE, dtype=torch.long)}),
        (TypeError, "floating-point", {"latents": None}),
        (ValueError, "filter_target", {"filter_target": "noise"}),
        (ValueError, "prediction_type", {"prediction_type": "sample"}),
    ],
)
def test_a_chain_refuses_bad_arguments_before_its_first_step(chain, error, message, changes):
    arguments = {"latents": randn(0), "schedule": SCHEDULE, "n_steps": 10, **changes}
    with pytest.raises(error, match=message):
        chain(toy_noise, **arguments)


def test_an_unknown_velocity_level_is_refused():
    with pytest.raises(ValueError, match="velocity_level"):
        invert(toy_noise, randn(0), SCHEDULE, 10, velocity_level="middle")


def test_a_negative_refine_is_refused():
    with pytest.raises(ValueError, match="refine"):
        invert(toy_noise, randn(0), SCHEDULE, 10, refine=-1)


@pytest.mark.parametrize(
    "error, timestep",
    [
        (ValueError, 1000),
        (ValueError, -1),
        (ValueError, torch.tensor(1000)),
        (ValueError, torch.tensor([0, 1, 1000])),
        (ValueError, torch.tensor([0, -1, 1])),
        (ValueError, torch.tensor([0, 1])),
        (TypeError, 0.5),
        (TypeError, True),
        (TypeError, torch.tensor(0.5)),
    ],
)
def test_timesteps_outside_the_schedule_are_refused(error, timestep):
    with pytest.raises(error, match="timestep"):
        add_noise(randn(0), randn(1), timestep, SCHEDULE)


@pytest.mark.parametrize("step", [ddim_step, ddim_inverse_step, ancestral_step])
@pytest.mark.parametrize("previous", [500, 501])
def test_timesteps_that_do_not_descend_are_refused(step, previous):
    for t, p in ((500, previous), (torch.full((3,), 500), torch.full((3,), previous))):
        with pytest.raises(ValueError, match="below timestep"):
            step(randn(0), randn(1), t, SCHEDULE, previous_timestep=p)


def test_integer_latents_and_unequal_shapes_are_refused():
    with pytest.raises(TypeError, match="int64"):
        add_noise(randn(0).long(), randn(1), 5, SCHEDULE)
    with pytest.raises(ValueError, match="noise: .* the shape of latents"):
        ddim_step(randn(0), randn(1)[:1], 5, SCHEDULE, previous_timestep=4)
    with pytest.raises(ValueError, match="eta"):
        ddim_step(randn(0), randn(1), 5, SCHEDULE, previous_timestep=4, eta=1.5)


def test_a_predictor_or_filter_that_gives_something_else_is_named():
    with pytest.raises(TypeError, match=r"noise_predictor.*\.sample"):
        next(sample(lambda x, t: SimpleNamespace(sample=x), randn(0), SCHEDULE, 2))
    with pytest.raises(ValueError, match="latent_filter"):
        next(invert(toy_noise, randn(0), SCHEDULE, 2, latent_filter=lambda x: x[:1]))

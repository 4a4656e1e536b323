"""Properties of course.recursion: exact constants, bounds that chains obey, bounds they reach."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.bilateral import bilateral_filter, displacement_bound
from course.diffusion.schedule import NoiseSchedule
from course.recursion import (
    expected_noise_norm,
    noise_variances,
    printed_bound,
    product_bound,
    product_limit,
    rms_bound,
    simulate,
    step_constants,
)

SD = NoiseSchedule.stable_diffusion()
TRAILING = NoiseSchedule(SD.alphas, SD.alphas_cumprod, timestep_spacing="trailing")
BOUNDS = [printed_bound, product_bound, rms_bound]


def ones(*shape: int) -> torch.Tensor:
    return torch.ones(shape, dtype=torch.float64)


@pytest.mark.parametrize("n_steps", [1, 7, 50, 1000])
@pytest.mark.parametrize("lipschitz", [0.0, 0.1, 1.0])
def test_constants_are_never_below_one_and_their_product_has_a_limit(n_steps, lipschitz):
    constants = step_constants(TRAILING, n_steps, lipschitz)
    assert constants.shape == (n_steps,) and (constants >= 1).all()
    limit = product_limit(TRAILING, n_steps, lipschitz)
    assert constants.prod().item() <= limit * (1 + 1e-12)


@pytest.mark.parametrize("n_steps", [50, 1000])
def test_without_a_predictor_the_product_is_that_of_the_schedule(n_steps):
    product = step_constants(TRAILING, n_steps, 0.0).prod().item()
    assert product == pytest.approx(SD.alphas_cumprod[-1].item() ** -0.5, rel=1e-12)


@pytest.mark.parametrize(("lipschitz", "product"), [(0.1, 28.5817), (1.0, 11448.08)])
def test_a_thousand_steps_of_stable_diffusion_magnify_errors(lipschitz, product):
    constants = step_constants(SD, 1000, lipschitz)
    assert constants.prod().item() == pytest.approx(product, rel=1e-5)


def test_one_constant_is_the_formula_of_lemma_4_8():
    schedule = NoiseSchedule(torch.tensor([0.9, 0.5]))
    first = step_constants(schedule, 2, 0.3)[0].item()
    assert first == pytest.approx(0.5**-0.5 + 0.5 / math.sqrt(0.5 * (1 - 0.45)) * 0.3, rel=1e-7)


def test_noise_variances_end_with_zero():
    schedule = NoiseSchedule(torch.tensor([0.9, 0.5, 0.7], dtype=torch.float64))
    torch.testing.assert_close(
        noise_variances(schedule, 3), 1 - torch.tensor([0.5, 0.9, 1]).double()
    )


def test_the_linear_predictor_reaches_the_product_of_constants():
    start = ones(3, 8).cumsum(1)
    errors = simulate(TRAILING, 20, 0.7, start, perturbation=start, add_noise=False)
    torch.testing.assert_close(
        errors[1:] / errors[:-1], step_constants(TRAILING, 20, 0.7)[:, None].expand(20, 3)
    )


def test_errors_are_counted_for_each_latent():
    start = ones(2, 3, 4) * torch.tensor([1.0, 2.0])[:, None, None]
    errors = simulate(TRAILING, 5, 0.1, start, perturbation=start, add_noise=False)
    assert errors.shape == (6, 2)
    torch.testing.assert_close(errors[:, 1], 2 * errors[:, 0])


def test_noisy_chains_reach_the_root_mean_square_bound():
    generator = torch.Generator().manual_seed(0)
    errors = simulate(TRAILING, 20, 0.2, 0 * ones(4000, 4), generator=generator)
    measured = errors[-1].square().mean().sqrt().item()
    # The mean of 16000 squares has a relative spread of sqrt(2 / 16000), its root half of that.
    assert measured == pytest.approx(rms_bound(TRAILING, 20, 0.2, n_elements=4), rel=0.02)


def test_bounds_are_ordered():
    given = {"n_elements": 64, "initial_error": 2.0}
    printed, product, rms = (bound(TRAILING, 30, 0.3, **given) for bound in BOUNDS)
    assert rms < product < printed


def test_the_noise_of_a_chain_without_predictor_telescopes():
    exact = math.sqrt(1 / SD.alphas_cumprod[-2].item() - 1)
    assert rms_bound(SD, 1000, 0.0, n_elements=1) == pytest.approx(exact, rel=1e-9)


def test_filtered_chains_obey_the_repaired_bound_and_not_the_printed_one():
    image = ones(1, 1, 6, 6) * torch.tensor([0.0, 1.0]).repeat(3)
    errors = simulate(
        TRAILING, 1, 0.0, image, latent_filter=lambda x: bilateral_filter(x, 3, 1.0, 1.0)
    )
    given = {"n_elements": 36}
    moved = 6 * displacement_bound(3, 1.0, 1.0)
    assert printed_bound(TRAILING, 1, 0.0, **given) == 0 < errors[-1].item()
    assert errors[-1].item() <= product_bound(TRAILING, 1, 0.0, displacement=moved, **given)


@pytest.mark.parametrize("d", [1, 2, 5, 64])
def test_mean_and_mean_square_of_the_noise_norm_differ(d):
    # chi distribution: mean squared plus variance is d, and the variance lies below 1/2
    assert d - 0.5 < expected_noise_norm(d) ** 2 < d


def test_printed_bound_counts_powers_as_equation_41():
    schedule = NoiseSchedule(torch.tensor([0.25, 0.25], dtype=torch.float64))
    assert printed_bound(schedule, 2, 0.0, n_elements=4) == pytest.approx(2 * 2 * math.sqrt(0.75))


def test_simulate_is_the_same_for_the_same_seed_and_leaves_the_latents_alone():
    start, runs = ones(2, 4), []
    for _ in range(2):
        generator = torch.Generator().manual_seed(3)
        runs.append(simulate(TRAILING, 4, 0.1, start, generator=generator))
    assert torch.equal(*runs) and torch.equal(start, ones(2, 4))


def test_simulate_runs_on_meta_tensors():
    errors = simulate(TRAILING, 2, 0.1, torch.empty(2, 3, device="meta"))
    assert errors.is_meta and errors.shape == (3, 2)


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_bad_lipschitz_constants_are_refused(value):
    with pytest.raises(ValueError, match="noise_lipschitz: .* a finite number of 0 or more"):
        step_constants(TRAILING, 5, value)
    with pytest.raises(ValueError, match="noise_lipschitz: .* a finite number of 0 or more"):
        simulate(TRAILING, 5, value, ones(1, 2))


@pytest.mark.parametrize("bound", BOUNDS)
def test_bounds_refuse_bad_arguments(bound):
    for n_steps in (0, 1001):
        with pytest.raises(ValueError, match="n_steps: .* between 1 and"):
            bound(TRAILING, n_steps, 0.1, n_elements=4)
    with pytest.raises(ValueError, match="n_elements: 0 came; wanted is a whole number of 1"):
        bound(TRAILING, 5, 0.1, n_elements=0)
    with pytest.raises(ValueError, match="initial_error: .* a finite number"):
        bound(TRAILING, 5, 0.1, n_elements=4, initial_error=-1.0)
    with pytest.raises(TypeError, match="noise_lipschitz: str came; wanted is a plain number"):
        bound(TRAILING, 5, "0.1", n_elements=4)


def test_simulate_refuses_integers_and_other_shapes():
    with pytest.raises(TypeError, match="int64.*convert it"):
        simulate(TRAILING, 5, 0.1, torch.ones(2, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match="shape"):
        simulate(TRAILING, 5, 0.1, ones(2, 3), perturbation=ones(3, 2))
    for shape in ((), (3,)):
        with pytest.raises(ValueError, match=r"\(N, C, ...\).*latents\[None\]"):
            simulate(TRAILING, 5, 0.1, ones(*shape))


def test_simulate_refuses_a_filter_that_changes_the_shape():
    with pytest.raises(ValueError, match="latent_filter: .* the shape of latents"):
        simulate(TRAILING, 5, 0.1, ones(2, 3), latent_filter=lambda x: x[:1])


def test_a_limit_too_large_for_a_number_is_infinite():
    assert product_limit(TRAILING, 50, 1e6) == math.inf


not_lengths = st.one_of(
    st.floats(max_value=0, exclude_max=True), st.sampled_from([math.nan, math.inf])
)


@settings(max_examples=60, deadline=None)
@given(
    value=not_lengths,
    name=st.sampled_from(["noise_lipschitz", "initial_error", "displacement"]),
    bound=st.sampled_from([product_bound, rms_bound]),
)
def test_every_number_that_is_no_length_is_refused_and_named(value, name, bound):
    arguments = {"noise_lipschitz": 0.1, "n_elements": 4} | {name: value}
    with pytest.raises(ValueError, match=f"{name}: .* a finite number of 0 or more"):
        bound(TRAILING, 5, **arguments)


@settings(max_examples=60, deadline=None)
@given(
    alphas=st.lists(st.floats(0.01, 0.9999), min_size=1, max_size=8), lipschitz=st.floats(0, 100)
)
def test_no_schedule_brings_a_constant_below_one_over_the_root_of_alpha(alphas, lipschitz):
    alphas = torch.tensor(alphas, dtype=torch.float64)
    constants = step_constants(NoiseSchedule(alphas), len(alphas), lipschitz).flip(0)
    assert (constants >= alphas.rsqrt() * (1 - 1e-12)).all() and (constants > 1).all()

"""Properties of course.bilateral: against a plain loop, the dense matrix and proven bounds."""

from __future__ import annotations

import math
import re

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kornia.filters import bilateral_blur
from skimage.restoration import denoise_bilateral
from torch import Tensor

from course.bilateral import (
    bilateral_filter,
    bilateral_weights,
    displacement_bound,
    lipschitz_bound,
)

NORMALIZATIONS = ["row", "sinkhorn"]
KERNELS = [(3, 1.0, 0.1), (5, 1.5, 0.3), (7, math.inf, 0.5)]


def random_image(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=dtype)


def filter_by_plain_loop(image: np.ndarray, size: int, spatial: float, intensity: float):
    """Eq. 9 to 11 for one channel (H, W), pixel by pixel."""
    radius, result = size // 2, np.empty_like(image)
    padded = np.pad(image, radius, mode="reflect")
    squares = np.arange(-radius, radius + 1) ** 2
    near = np.exp(-(squares[:, None] + squares[None]) / (2 * spatial**2))
    for row, column in np.ndindex(*image.shape):
        window = padded[row : row + size, column : column + size]
        weights = near * np.exp(-((window - image[row, column]) ** 2) / (2 * intensity**2))
        result[row, column] = (weights * window).sum() / weights.sum()
    return result


def apply_matrix(weights: Tensor, image: Tensor) -> Tensor:
    return (weights @ image.flatten(2)[..., None]).reshape(image.shape)


# Values


@pytest.mark.parametrize("kernel", KERNELS)
def test_filter_is_the_plain_loop_over_pixels(kernel):
    image = random_image(2, 3, 7, 9)
    channels = image.numpy().reshape(6, 7, 9)
    expected = np.stack([filter_by_plain_loop(channel, *kernel) for channel in channels])
    filtered = bilateral_filter(image, *kernel).reshape(6, 7, 9)
    torch.testing.assert_close(filtered, torch.tensor(expected), rtol=0, atol=1e-13)


def test_filter_agrees_with_scikit_image_inside():
    image = random_image(1, 1, 20, 20)
    # A box window: their table of spatial weights is one entry too long for any other.
    theirs = denoise_bilateral(
        image[0, 0].numpy(), win_size=5, sigma_color=0.2, sigma_spatial=1e6, bins=100_000
    )
    inside = bilateral_filter(image, 5, 1e6, 0.2)[0, 0, 2:-2, 2:-2]
    # Their intensity weights come from a table of steps, and their borders are zeros.
    torch.testing.assert_close(inside, torch.tensor(theirs)[2:-2, 2:-2], rtol=0, atol=1e-4)


@pytest.mark.parametrize("window", [3, 5, 9])
def test_filter_agrees_with_kornia(window):
    image = random_image(2, 1, 12, 14, dtype=torch.float32)
    theirs = bilateral_blur(image, (window, window), 0.2, (1.5, 1.5), "reflect")
    # One channel: with more they add the distances up. Otherwise the same sums in another order.
    torch.testing.assert_close(bilateral_filter(image, window, 1.5, 0.2), theirs, rtol=0, atol=1e-6)


def test_filter_agrees_with_opencv_on_its_round_window():
    image = random_image(1, 1, 12, 14, dtype=torch.float32)
    theirs = cv2.bilateralFilter(
        image[0, 0].numpy(), 3, 0.2, 0.3, borderType=cv2.BORDER_REFLECT_101
    )
    # They leave the corners out, which weigh exp(-11) here, and interpolate in a table of weights.
    ours = bilateral_filter(image, 3, 0.3, 0.2)[0, 0]
    torch.testing.assert_close(ours, torch.tensor(theirs), rtol=0, atol=2e-4)


def test_filter_of_a_step_is_the_hand_calculation_of_two_values():
    image = torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=torch.float64).expand(1, 1, 4, 4)
    edge, flat = math.exp(-0.5) * math.exp(-0.5), 1 + math.exp(-0.5)
    filtered = bilateral_filter(image, 3, 1.0, 1.0)
    torch.testing.assert_close(
        filtered[0, 0, :, 1], torch.full((4,), edge / (edge + flat), dtype=torch.float64)
    )


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_filter_is_the_dense_matrix_in_float32(normalization, kernel):
    image = random_image(2, 2, 6, 8, dtype=torch.float32)
    weights = bilateral_weights(image, *kernel, normalization=normalization)
    filtered = bilateral_filter(image, *kernel, normalization=normalization)
    torch.testing.assert_close(filtered, apply_matrix(weights, image), rtol=0, atol=1e-6)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_filter_with_a_guide_is_the_dense_matrix_of_the_guide(normalization):
    image, guide = random_image(2, 1, 2, 6, 8)
    weights = bilateral_weights(image, guide=guide, normalization=normalization)
    filtered = bilateral_filter(image, guide=guide, normalization=normalization)
    torch.testing.assert_close(filtered, apply_matrix(weights, image), rtol=0, atol=1e-13)
    of_guide = bilateral_weights(guide, normalization=normalization)
    torch.testing.assert_close(weights, of_guide, rtol=0, atol=0)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_a_constant_image_is_a_fixed_point(normalization):
    image = torch.full((1, 2, 6, 5), 0.7, dtype=torch.float64)
    filtered = bilateral_filter(image, normalization=normalization)
    torch.testing.assert_close(filtered, image, rtol=0, atol=1e-14)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_a_window_of_one_pixel_changes_nothing(normalization):
    image = random_image(1, 1, 1, 5)
    filtered = bilateral_filter(image, 1, normalization=normalization)
    torch.testing.assert_close(filtered, image, rtol=0, atol=1e-14)


def test_rows_sum_to_one_and_weights_are_positive():
    weights = bilateral_weights(random_image(2, 2, 6, 7))
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 42, dtype=torch.float64))
    assert (weights >= 0).all()


def checkerboard(height: int, width: int) -> Tensor:
    parity = (torch.arange(height)[:, None] + torch.arange(width)).remainder(2)
    return parity.double()[None, None]


@pytest.mark.parametrize("kernel", [*KERNELS, (3, math.inf, 0.1)])
@pytest.mark.parametrize("image", [random_image(1, 2, 7, 8), checkerboard(7, 8)])
def test_sinkhorn_weights_are_doubly_stochastic_symmetric_and_of_norm_one(kernel, image):
    weights = bilateral_weights(image, *kernel, normalization="sinkhorn")
    ones = torch.ones(weights.shape[:-1], dtype=torch.float64)
    torch.testing.assert_close(weights.sum(-1), ones, rtol=0, atol=1e-12)
    torch.testing.assert_close(weights.sum(-2), ones, rtol=0, atol=1e-12)
    torch.testing.assert_close(weights, weights.mT, rtol=0, atol=1e-13)
    assert torch.linalg.matrix_norm(weights, ord=2).max() < 1 + 1e-12


def test_sinkhorn_only_scales_rows_and_columns_of_the_row_kernel():
    image = random_image(1, 1, 5, 6)
    row = bilateral_weights(image)
    ratio = bilateral_weights(image, normalization="sinkhorn")[row > 0] / row[row > 0]
    i, j = torch.nonzero(row[0, 0] > 0, as_tuple=True)
    scale = torch.zeros(30, 30, dtype=torch.float64)
    scale[i, j] = ratio
    # Diagonal entries fix a_i b_i; a rank-one ratio then has r_ij r_ji = r_ii r_jj.
    torch.testing.assert_close((scale * scale.T)[i, j], (scale[i, i] * scale[j, j]))


def test_sinkhorn_keeps_the_mean_and_row_normalization_does_not():
    image = random_image(1, 1, 8, 8) ** 4
    kept = bilateral_filter(image, normalization="sinkhorn").mean() - image.mean()
    assert abs(kept) < 1e-14 and abs(bilateral_filter(image).mean() - image.mean()) > 1e-4


@pytest.mark.parametrize("sigma", [1e4, math.inf])
def test_a_wide_intensity_gives_the_gaussian_filter(sigma):
    image = random_image(1, 2, 9, 9)
    line = torch.exp(-(torch.arange(-2, 3, dtype=torch.float64) ** 2) / (2 * 1.3**2))
    kernel = torch.outer(line, line).expand(2, 1, 5, 5) / line.sum() ** 2
    padded = torch.nn.functional.pad(image, (2, 2, 2, 2), mode="reflect")
    expected = torch.nn.functional.conv2d(padded, kernel, groups=2)
    torch.testing.assert_close(bilateral_filter(image, 5, 1.3, sigma), expected, atol=1e-8, rtol=0)


def test_a_narrow_intensity_keeps_the_image():
    image = random_image(1, 2, 9, 9)
    torch.testing.assert_close(bilateral_filter(image, 5, 1.3, 1e-9), image)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_filter_commutes_with_mirroring_shifting_and_scaling_of_values(normalization):
    image = random_image(1, 2, 6, 7)
    filtered = bilateral_filter(image, 5, 1.0, 0.2, normalization=normalization)
    mirrored = bilateral_filter(image.flip(-1), 5, 1.0, 0.2, normalization=normalization)
    torch.testing.assert_close(mirrored.flip(-1), filtered)
    scaled = bilateral_filter(3 - 5 * image, 5, 1.0, 1.0, normalization=normalization)
    torch.testing.assert_close(scaled, 3 - 5 * filtered)


def test_channels_and_images_do_not_mix():
    image = random_image(2, 3, 6, 6)
    alone = bilateral_filter(image[1:, 2:])
    assert torch.equal(bilateral_filter(image)[1:, 2:], alone)


# Bounds


def half_plane_image(size: int, value: float) -> Tensor:
    """A window split by a line through its centre: 0 there, +value before it, -value after."""
    image = torch.full((size * size,), value, dtype=torch.float64)
    image[size * size // 2] = 0
    image[size * size // 2 + 1 :] = -value
    return image.reshape(1, 1, size, size)


def spatial_weight_around(size: int, sigma: float) -> float:
    line = sum(math.exp(-(k**2) / (2 * sigma**2)) for k in range(-(size // 2), size // 2 + 1))
    return line**2 - 1


@pytest.mark.parametrize(
    ("n_neighbours", "size", "constant"),
    [(8, 3, 4.2046), (24, 5, 6.4644), (48, 7, 8.1574), (440, 21, 14.4857)],
)
def test_lipschitz_bound_of_box_windows(n_neighbours, size, constant):
    bound = lipschitz_bound(size, math.inf)
    assert bound == pytest.approx(constant, abs=5e-5)
    w = (bound - 1) / 4
    assert w * math.exp(w) == pytest.approx(n_neighbours * math.exp(-1.5), rel=1e-13)


@pytest.mark.parametrize(("size", "constant"), [(3, 1.1109), (5, 1.5297), (7, 1.7835)])
def test_displacement_bound_of_box_windows(size, constant):
    assert displacement_bound(size, math.inf, 0.5) == pytest.approx(constant / 2, abs=5e-5)


@pytest.mark.parametrize("sigma", [1e-3, 0.3, 1.0, 40.0])
def test_displacement_bound_solves_its_equation(sigma):
    c, weight = displacement_bound(5, sigma, 1.0), spatial_weight_around(5, sigma)
    u = c / 2 + math.sqrt(c * c / 4 + 1)  # u - 1/u = c
    assert (u * u - 1) * math.exp(u * u / 2) == pytest.approx(weight, rel=1e-9, abs=1e-12)


def test_bounds_of_a_single_pixel_are_those_of_the_identity():
    assert displacement_bound(1, 1.0, 0.1) == 0 and lipschitz_bound(1, 1.0) == 1


@pytest.mark.parametrize(("size", "sigma_spatial", "sigma_intensity"), KERNELS)
def test_displacement_bound_holds_on_random_images(size, sigma_spatial, sigma_intensity):
    bound = displacement_bound(size, sigma_spatial, sigma_intensity)
    for contrast in (0.3, 1.0, 3.0, 10.0):
        image = contrast * random_image(8, 2, 8, 8)
        moved = bilateral_filter(image, size, sigma_spatial, sigma_intensity) - image
        assert moved.abs().max() < bound


@pytest.mark.parametrize(("size", "sigma_spatial", "sigma_intensity"), KERNELS)
def test_displacement_bound_is_reached_by_one_pixel_that_differs(
    size, sigma_spatial, sigma_intensity
):
    bound = displacement_bound(size, sigma_spatial, sigma_intensity)
    c = bound / sigma_intensity
    u = c / 2 + math.sqrt(c * c / 4 + 1)
    image = half_plane_image(size, sigma_intensity * u).abs()
    moved = bilateral_filter(image, size, sigma_spatial, sigma_intensity) - image
    assert moved.max().item() == pytest.approx(bound, rel=1e-12)


@pytest.mark.parametrize(("size", "sigma_spatial", "sigma_intensity"), KERNELS)
def test_lipschitz_bound_holds_on_random_pairs(size, sigma_spatial, sigma_intensity):
    bound = lipschitz_bound(size, sigma_spatial)
    for seed in range(20):
        x = 4 * sigma_intensity * random_image(4, 1, 8, 8, seed=seed)
        y = x + 1e-3 * (random_image(4, 1, 8, 8, seed=seed + 100) - 0.5).sign()
        moved = [bilateral_filter(z, size, sigma_spatial, sigma_intensity) for z in (x, y)]
        assert (moved[0] - moved[1]).abs().max() < bound * 1e-3


@pytest.mark.parametrize(("size", "sigma_spatial", "sigma_intensity"), KERNELS)
def test_lipschitz_bound_is_reached_by_the_half_plane_image(size, sigma_spatial, sigma_intensity):
    bound = lipschitz_bound(size, sigma_spatial)
    u = math.sqrt(3 + (bound - 1) / 2)
    image = half_plane_image(size, sigma_intensity * u).requires_grad_()
    filtered = bilateral_filter(image, size, sigma_spatial, sigma_intensity)
    row = torch.autograd.grad(filtered[0, 0, size // 2, size // 2], image)[0]
    assert row.abs().sum().item() == pytest.approx(bound, rel=1e-12)


def test_a_frozen_guide_never_expands_the_maximum_norm():
    x, y, guide = random_image(3, 1, 2, 8, 8)
    difference = bilateral_filter(x, guide=guide) - bilateral_filter(y, guide=guide)
    assert difference.abs().max() <= (x - y).abs().max()


def test_the_row_filter_can_expand_the_euclidean_norm_and_sinkhorn_cannot():
    image = torch.ones(1, 1, 2, 3, dtype=torch.float64)
    image[..., 1] = 1.3
    row, sinkhorn = (
        torch.linalg.matrix_norm(bilateral_weights(image, 3, 1e6, 10.0, normalization=n), ord=2)
        for n in NORMALIZATIONS
    )
    assert row > 1.01 and sinkhorn < 1 + 1e-12


# Gradients


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_filter_passes_gradcheck_as_its_own_guide(normalization):
    image = random_image(1, 1, 2, 3).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: bilateral_filter(x, 3, 1.0, 0.5, normalization=normalization), image
    )


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_filter_passes_gradcheck_in_image_and_guide(normalization):
    image, guide = random_image(2, 1, 2, 3, 4).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, g: bilateral_filter(x, 5, 1.0, 0.5, guide=g, normalization=normalization),
        (image, guide),
        fast_mode=True,
    )


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_weights_pass_gradcheck(normalization):
    image = random_image(1, 1, 3, 3).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: bilateral_weights(x, 3, 1.0, 0.5, normalization=normalization), image
    )


def test_row_filter_has_second_derivatives():
    image = random_image(1, 1, 3, 3).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: bilateral_filter(x, 3, 1.0, 0.5), image)


def test_sinkhorn_says_that_it_has_no_second_derivatives():
    image = random_image(1, 1, 3, 3).requires_grad_()
    filtered = bilateral_filter(image, 3, normalization="sinkhorn")
    with pytest.raises(RuntimeError, match="second derivatives of the sinkhorn"):
        torch.autograd.grad(filtered.sum(), image, create_graph=True)


def test_jacobian_rows_of_the_row_filter_sum_to_one():
    image = random_image(1, 1, 4, 5)
    jacobian = torch.func.jacrev(lambda x: bilateral_filter(x, 3, 1.0, 0.3))(image)
    rows = jacobian.reshape(20, 20).sum(dim=1)
    torch.testing.assert_close(rows, torch.ones(20, dtype=torch.float64))


def test_second_derivatives_in_image_and_guide():
    image, guide = random_image(2, 1, 1, 3, 3).requires_grad_()
    assert torch.autograd.gradgradcheck(
        lambda x, g: bilateral_filter(x, 3, 1.0, 0.5, guide=g), (image, guide), fast_mode=True
    )


def test_vmap_is_the_batch():
    images = random_image(3, 2, 1, 5, 6)
    mapped = torch.vmap(lambda x: bilateral_filter(x, 3))(images)
    torch.testing.assert_close(mapped, bilateral_filter(images.flatten(0, 1), 3).view_as(images))


@pytest.mark.parametrize("wants_gradient", [False, True])
def test_a_compiled_filter_is_the_filter(wants_gradient):
    image = random_image(1, 2, 5, 6).requires_grad_(wants_gradient)
    compiled = torch.compile(bilateral_filter, backend="aot_eager")(image, 3)
    torch.testing.assert_close(compiled, bilateral_filter(image, 3), rtol=0, atol=1e-14)
    assert compiled.requires_grad == wants_gradient


def test_what_is_compiled_without_a_gradient_is_the_loop_over_taps(monkeypatch):
    torch.compiler.reset()
    monkeypatch.setattr("course.bilateral.kernel._WeightedDifferences", None)
    image = random_image(1, 1, 5, 6)
    compiled = torch.compile(bilateral_filter, backend="aot_eager")(image, 3)
    expected = filter_by_plain_loop(image[0, 0].numpy(), 3, 1.0, 0.1)
    torch.testing.assert_close(compiled[0, 0], torch.tensor(expected), rtol=0, atol=1e-13)
    with pytest.raises(AttributeError):
        bilateral_filter(image, 3)


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_results_do_not_depend_on_the_workspace(monkeypatch, size):
    image, guide, seed = random_image(3, 2, 2, 7, 8).requires_grad_()
    results = []
    for workspace in (1 << 20, size):
        monkeypatch.setattr("course.bilateral.kernel._BUFFER_ON_CPU", workspace)
        for own in (None, guide):
            filtered = bilateral_filter(image, 5, 1.0, 0.3, guide=own)
            inputs = [image] if own is None else [image, guide]
            results += [filtered, *torch.autograd.grad(filtered, inputs, seed)]
    for one, other in zip(results[:5], results[5:]):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


def test_gradient_keeps_a_few_copies_of_the_image_whatever_the_window():
    saved: dict[int, int] = {}
    for size in (3, 9):
        kept = []
        image = random_image(1, 1, 32, 32).requires_grad_()
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, kept=kept: (kept.append(t.numel()), t)[1], lambda t: t
        ):
            bilateral_filter(image, size)
        saved[size] = sum(kept) / image.numel()
    assert saved[9] < 2 * saved[3] < 30


# Types, devices, bad input


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_half_precision_is_computed_in_float32(dtype, normalization):
    image = random_image(1, 2, 6, 6).to(dtype)
    filtered = bilateral_filter(image, normalization=normalization)
    exact = bilateral_filter(image.double(), normalization=normalization)
    assert filtered.dtype == dtype
    torch.testing.assert_close(filtered, exact.to(dtype), rtol=torch.finfo(dtype).eps, atol=1e-6)


@pytest.mark.parametrize(
    ("normalization", "dtype"),
    [("row", torch.float16), ("row", torch.float64), ("sinkhorn", torch.float16)],
)
def test_everything_runs_on_meta_tensors(normalization, dtype):
    image = torch.empty(2, 3, 6, 7, device="meta", dtype=dtype, requires_grad=True)
    filtered = bilateral_filter(image, 3, normalization=normalization)
    filtered.sum().backward()
    weights = bilateral_weights(image, 3, normalization=normalization)
    assert (filtered.shape, filtered.dtype) == (image.shape, dtype)
    assert weights.is_meta and weights.shape == (2, 3, 42, 42) and image.grad.is_meta


def test_the_image_is_not_changed():
    image = random_image(1, 1, 6, 6)
    before = image.clone()
    bilateral_filter(image, normalization="sinkhorn")
    assert torch.equal(image, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sigma", [1e-44, 1e-300, 1e30, 1e38, 1e300, math.inf])
def test_extreme_sigmas_give_finite_values_and_gradients(dtype, sigma):
    image = random_image(1, 1, 5, 5, dtype=dtype).requires_grad_()
    filtered = bilateral_filter(image, 3, sigma, sigma)
    (gradient,) = torch.autograd.grad(filtered.sum(), image)
    assert filtered.isfinite().all() and gradient.isfinite().all()


def test_an_empty_batch_stays_empty_and_so_does_its_gradient():
    image = torch.ones(0, 3, 6, 6, requires_grad=True)
    filtered = bilateral_filter(image)
    (gradient,) = torch.autograd.grad(filtered.sum(), image)
    assert filtered.shape == gradient.shape == (0, 3, 6, 6)


sizes = st.integers(1, 6)
good = {"kernel_size": st.just(1), "sigma_spatial": st.just(1.0), "sigma_intensity": st.just(0.1)}
bad_windows = st.integers(-9, 8).filter(lambda k: k < 1 or k % 2 == 0)
bad_sigmas = st.one_of(st.floats(max_value=0.0), st.just(math.nan))


@settings(deadline=None, max_examples=60)
@given(data=st.data(), name=st.sampled_from(list(good)), shape=st.tuples(*4 * [sizes]))
def test_bad_numbers_are_named_whatever_the_image(data, name, shape):
    bad = data.draw(bad_windows if name == "kernel_size" else bad_sigmas)
    arguments = {key: data.draw(value) for key, value in good.items()} | {name: bad}
    with pytest.raises(ValueError, match=rf"{name}: {re.escape(str(bad))} came"):
        bilateral_filter(torch.ones(shape), **arguments)


@settings(deadline=None, max_examples=60)
@given(height=sizes, width=sizes, radius=st.integers(0, 8))
def test_windows_are_refused_exactly_if_the_image_cannot_reflect_them(height, width, radius):
    image = torch.ones(1, 1, height, width)
    if radius < min(height, width):
        assert bilateral_filter(image, 2 * radius + 1).shape == image.shape
        return
    with pytest.raises(
        ValueError, match=f"between 1 and {2 * min(height, width) - 1}; it is too wide"
    ):
        bilateral_filter(image, 2 * radius + 1)


@settings(deadline=None, max_examples=40)
@given(
    place=st.integers(0, 2 * 3 * 4 * 5 - 1),
    value=st.sampled_from([math.nan, math.inf, -math.inf]),
    argument=st.sampled_from(["x", "guide"]),
    dtype=st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]),
)
def test_one_pixel_that_is_not_finite_is_refused(place, value, argument, dtype):
    images = {"x": torch.zeros(2, 3, 4, 5, dtype=dtype), "guide": torch.zeros(2, 3, 4, 5)}
    images[argument].view(-1)[place] = value
    with pytest.raises(ValueError, match=f"{argument}: .* wanted is every value finite"):
        bilateral_filter(**images)


@settings(deadline=None, max_examples=40)
@given(
    dtype=st.sampled_from([torch.uint8, torch.int16, torch.int64, torch.bool, torch.complex64]),
    argument=st.sampled_from(["x", "guide"]),
)
def test_tensors_that_are_not_real_floats_are_refused(dtype, argument):
    images = {"x": torch.ones(1, 1, 4, 4)} | {argument: torch.ones(1, 1, 4, 4, dtype=dtype)}
    with pytest.raises(TypeError, match=f"{argument}: .* wanted is a real floating-point tensor"):
        bilateral_filter(**images)


@settings(deadline=None, max_examples=40)
@given(shape=st.lists(sizes, max_size=6), other=st.lists(sizes, max_size=6))
def test_wrong_ranks_and_mismatched_guides_are_refused(shape, other):
    if len(shape) == 4 and shape == other:
        return
    with pytest.raises(ValueError, match=r"\(N, C, H, W\)|guide: .* the shape of x"):
        bilateral_filter(torch.ones(shape), 1, guide=torch.ones(other))


@pytest.mark.parametrize("function", [bilateral_filter, bilateral_weights])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel_size": 4}, "kernel_size: 4 came; wanted is an odd"),
        ({"kernel_size": 0}, "kernel_size: 0 came"),
        ({"kernel_size": -3}, "kernel_size: -3 came"),
        ({"kernel_size": 13}, "between 1 and 11; it is too wide to reflect"),
        ({"sigma_spatial": 0.0}, "sigma_spatial: 0.0 came; wanted is a number above 0"),
        ({"sigma_intensity": -1.0}, "sigma_intensity: -1.0 came"),
        ({"sigma_intensity": math.nan}, "sigma_intensity: nan came"),
        ({"guide": torch.ones(1, 1, 6, 7)}, "guide: .* the shape of x"),
        (
            {"normalization": "column"},
            "normalization: 'column' came; wanted is one of row, sinkhorn",
        ),
    ],
)
def test_wrong_values_are_refused(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(torch.ones(1, 2, 6, 7), **arguments)


@pytest.mark.parametrize("shape", [(6, 6), (2, 6, 6), (1, 1, 1, 6, 6)])
def test_wrong_ranks_are_refused(shape):
    with pytest.raises(ValueError, match=r"\(N, C, H, W\)"):
        bilateral_filter(torch.ones(shape))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": torch.ones(1, 1, 6, 6, dtype=torch.uint8)}, "x: .* wanted is a real floating-point"),
        ({"x": np.ones((1, 1, 6, 6))}, "x: .* wanted is a real floating-point"),
        ({"guide": torch.ones(1, 1, 6, 6).int()}, "guide: .* wanted is a real floating-point"),
        ({"kernel_size": 5.0}, "kernel_size: 5.0 came; wanted is a whole number"),
        (
            {"sigma_spatial": torch.tensor(1.0)},
            "sigma_spatial: Tensor came; wanted is a plain number",
        ),
    ],
)
def test_wrong_types_are_refused(arguments, message):
    with pytest.raises(TypeError, match=message):
        bilateral_filter(**{"x": torch.ones(1, 1, 6, 6), **arguments})


def test_bounds_refuse_bad_windows_and_sigmas():
    for size, sigma in [(4, 1.0), (0, 1.0), (5, 0.0), (5, -1.0), (5, math.nan)]:
        with pytest.raises(ValueError, match="wanted is"):
            lipschitz_bound(size, sigma)
        with pytest.raises(ValueError, match="wanted is"):
            displacement_bound(size, sigma, 1.0)

"""Properties of course.temporal, against autograd and against analytic truth."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.temporal import goals, loop_loss
from course.temporal import (
    adjacent_similarities,
    cosine_similarity,
    cosine_similarity_gradient,
    descend,
    difference_matrix,
    gradient_bound,
    second_difference_matrix,
    smoothness_bound,
    temporal_loss,
    temporal_loss_gradient,
)

SHAPES = [(3, 2), (4, 7), (5, 3, 4, 4), (12, 1, 5), (40, 3)]


def random_features(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=dtype)


def planar_video(angles: list[float] | Tensor) -> Tensor:
    angles = torch.as_tensor(angles, dtype=torch.float64)
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def autograd_gradient(features: Tensor) -> Tensor:
    features = features.clone().requires_grad_()
    return torch.autograd.grad(temporal_loss(features), features)[0]


# Cosine similarity


def test_cosine_of_planar_vectors_is_the_cosine_of_their_angle():
    f, g = planar_video([0.3, 1.4])
    assert cosine_similarity(5 * f, 0.2 * g).item() == pytest.approx(math.cos(1.1), abs=1e-15)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_cosine_ignores_positive_scale_and_follows_sign(scale):
    f, g = random_features(2, 3, 4)
    torch.testing.assert_close(cosine_similarity(scale * f, g), cosine_similarity(f, g))
    torch.testing.assert_close(cosine_similarity(-scale * f, g), -cosine_similarity(f, g))


def test_cosine_gradient_is_autograds():
    f, g = random_features(2, 3, 4, 5)
    f.requires_grad_()
    expected = torch.autograd.grad(cosine_similarity(f, g), f)[0]
    closed = cosine_similarity_gradient(f.detach(), g)
    torch.testing.assert_close(closed, expected, rtol=0, atol=1e-14)


def test_cosine_gradient_is_orthogonal_to_f_and_has_the_norm_of_lemma_4_2():
    f, g = random_features(2, 30, seed=1)
    gradient, similarity = cosine_similarity_gradient(f, g), cosine_similarity(f, g)
    assert abs((gradient * f).sum()) < 1e-14
    torch.testing.assert_close(gradient.norm(), (1 - similarity**2).sqrt() / f.norm())


def test_the_printed_bound_of_lemma_4_2_fails_below_half_its_norm_bound():
    f, g = torch.tensor([0.1, 0.0]), torch.tensor([0.0, 1.0])
    assert cosine_similarity_gradient(f, g).norm().item() == pytest.approx(10.0, rel=1e-6)


def test_cosine_and_its_gradient_pass_gradcheck():
    f, g = random_features(2, 3, 2).requires_grad_()
    assert torch.autograd.gradcheck(cosine_similarity, (f, g))
    assert torch.autograd.gradcheck(cosine_similarity_gradient, (f, g))


def test_a_zero_frame_gives_nan_and_no_invented_number():
    features = random_features(5, 4)
    features[1] = 0
    assert adjacent_similarities(features).isnan().tolist() == [True, True, False, False]
    assert cosine_similarity(features[1], features[0]).isnan()
    assert cosine_similarity_gradient(features[0], features[1]).isnan().all()
    assert temporal_loss(features).isnan()


# Similarities, matrices and loss


@pytest.mark.parametrize("shape", SHAPES)
def test_adjacent_similarities_are_the_cosines_of_the_pairs(shape):
    features = random_features(*shape)
    pairs = [cosine_similarity(f, g) for f, g in itertools.pairwise(features)]
    torch.testing.assert_close(adjacent_similarities(features), torch.stack(pairs))


@pytest.mark.parametrize("n_frames", [3, 4, 5, 17])
def test_difference_matrix_takes_successive_differences(n_frames):
    difference = difference_matrix(n_frames, dtype=torch.float64)
    s = random_features(n_frames - 1)
    assert difference.shape == (n_frames - 2, n_frames - 1)
    assert torch.equal(difference @ s, s[1:] - s[:-1])


@pytest.mark.parametrize("n_frames", [3, 5, 17, 100])
def test_second_difference_matrix_has_the_closed_form_eigenvalues(n_frames):
    matrix = second_difference_matrix(n_frames, dtype=torch.float64)
    k = torch.arange(n_frames - 1, dtype=torch.float64)
    expected = 2 - 2 * (k * math.pi / (n_frames - 1)).cos()
    torch.testing.assert_close(torch.linalg.eigvalsh(matrix), expected, rtol=0, atol=1e-13)


def test_second_difference_matrix_has_free_ends():
    assert second_difference_matrix(4).tolist() == [[1, -1, 0], [-1, 2, -1], [0, -1, 1]]


@pytest.mark.parametrize("shape", SHAPES)
def test_loss_is_the_quadratic_form_of_the_similarities(shape):
    features = random_features(*shape)
    s = adjacent_similarities(features)
    matrix = second_difference_matrix(len(features), dtype=torch.float64)
    torch.testing.assert_close(temporal_loss(features), s @ matrix @ s / (shape[0] - 1))


def test_loss_of_the_largest_flip_is_two():
    e = torch.tensor([1.0, 0.0])
    assert temporal_loss(torch.stack([e, e, -e])).item() == 2.0


@pytest.mark.parametrize("turn", [0.0, 0.4, math.pi / 2, math.pi])
def test_loss_cannot_see_a_constant_similarity(turn):
    assert temporal_loss(planar_video([turn * t for t in range(6)])) < 1e-30


# The closed-form gradient


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_closed_form_gradient_is_autograds(shape, scale):
    features = scale * random_features(*shape)
    closed = temporal_loss_gradient(features)
    torch.testing.assert_close(closed, autograd_gradient(features), rtol=0, atol=1e-12)


def test_gradient_of_a_frame_is_orthogonal_to_it():
    features = random_features(9, 4, 5)
    products = (temporal_loss_gradient(features) * features).sum(dim=(1, 2))
    assert products.abs().max() < 1e-14


def test_gradient_shrinks_as_features_grow_and_loss_does_not_change():
    features = random_features(6, 8)
    torch.testing.assert_close(temporal_loss(7 * features), temporal_loss(features))
    expected = temporal_loss_gradient(features) / 7
    torch.testing.assert_close(temporal_loss_gradient(7 * features), expected)


def test_gradient_of_a_frame_feels_only_two_neighbours_on_each_side():
    features = random_features(9, 5)
    moved = features.clone()
    moved[7] = random_features(5, seed=3)
    change = (temporal_loss_gradient(moved) - temporal_loss_gradient(features)).norm(dim=1)
    assert (change[:5] < 1e-15).all() and (change[5:] > 1e-3).all()


class CountNewTensors(TorchDispatchMode):
    """Counts the operations that return a tensor of `size` numbers or more in new memory."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size, self.names = size, []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        old = {a.untyped_storage().data_ptr() for a in args if isinstance(a, Tensor)}
        is_new = isinstance(result, Tensor) and result.untyped_storage().data_ptr() not in old
        if is_new and result.numel() >= self.size:
            self.names.append(str(function))
        return result


def test_gradient_makes_one_temporary_of_the_features_size_and_the_result():
    features = random_features(8, 4, 50)
    with CountNewTensors(features.numel() // 2) as count:
        temporal_loss_gradient(features)
    assert len(count.names) == 2, count.names


def test_loss_and_its_gradient_pass_gradcheck():
    features = random_features(4, 3).requires_grad_()
    assert torch.autograd.gradcheck(temporal_loss, features)
    assert torch.autograd.gradgradcheck(temporal_loss, features)
    assert torch.autograd.gradcheck(temporal_loss_gradient, features)


def test_gradient_of_strided_features_is_the_same_and_they_stay_unchanged():
    features = random_features(5, 4, 6).permute(0, 2, 1)
    before = features.clone()
    expected = temporal_loss_gradient(features.contiguous())
    torch.testing.assert_close(temporal_loss_gradient(features), expected)
    assert torch.equal(features, before)


# Bounds


def extremal_video(n_frames: int, a: float, b: float, sign: float) -> Tensor:
    """Frame 2 (T = 3, 4) or 3 (T >= 5) has similarities cos(a) and -cos(b); outer pairs are
    collinear: copies on the left, opposites or copies as `sign` says on the right."""
    middle = planar_video([-a, 0.0, math.pi - b])
    left = [-middle[0]] if n_frames > 4 else []
    right = [sign * middle[2]] * (n_frames - 3 - len(left))
    return torch.stack([*left, *middle, *right])


@pytest.mark.parametrize(
    ("n_frames", "a", "b", "tolerance"),
    [
        (3, math.pi / 4, math.pi / 4, 1e-12),
        (4, 0.7415163650759369, math.pi - 3 * 0.7415163650759369, 1e-12),
        (5, math.acos((math.sqrt(73) - 1) / 12), math.acos((math.sqrt(73) - 1) / 12), 1e-12),
        (9, math.acos((math.sqrt(73) - 1) / 12), math.acos((math.sqrt(73) - 1) / 12), 1e-12),
    ],
)
def test_gradient_bound_is_attained(n_frames, a, b, tolerance):
    video = extremal_video(n_frames, a, b, sign=1.0)
    largest = temporal_loss_gradient(0.3 * video).norm(dim=1).max().item()
    assert largest == pytest.approx(gradient_bound(n_frames, 0.3), rel=tolerance)


def largest_gradient_by_ascent(angles: Tensor) -> float:
    angles = angles.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([angles], lr=0.5, max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        features = torch.stack([angles.cos(), angles.sin()], dim=1)
        negative = -temporal_loss_gradient(features).norm(dim=1).amax()
        negative.backward()
        return negative

    optimiser.step(closure)
    return -closure().item()


@pytest.mark.parametrize("n_frames", [3, 4, 5, 8])
def test_ascent_does_not_break_the_gradient_bound(n_frames):
    starts = 3 * random_features(8, n_frames, seed=n_frames)
    largest = max(largest_gradient_by_ascent(start) for start in starts)
    assert 0.95 < largest / gradient_bound(n_frames, 1.0) < 1 + 1e-12


def test_gradient_bound_is_the_constant_of_the_repaired_lemma():
    assert gradient_bound(8, 0.5) * 0.5 * 7 == pytest.approx(8.977479, abs=5e-7)
    assert gradient_bound(3, 2.0) == 1.0


@pytest.mark.parametrize("n_frames", [3, 4, 5, 8, 20])
def test_hessian_stays_below_the_smoothness_bound(n_frames):
    for seed in range(5):
        features = random_features(n_frames, 3, seed=seed)
        hessian = torch.autograd.functional.hessian(temporal_loss, features)
        size = features.numel()
        norm = torch.linalg.matrix_norm(hessian.reshape(size, size), ord=2)
        assert norm < smoothness_bound(n_frames, features.norm(dim=1).min().item())


def test_smoothness_bound_is_nearly_reached_by_quarter_turns():
    features = planar_video([math.pi / 2 * t for t in range(40)])
    hessian = torch.autograd.functional.hessian(temporal_loss, features).reshape(80, 80)
    ratio = torch.linalg.matrix_norm(hessian, ord=2).item() / smoothness_bound(40, 1.0)
    assert 0.99 < ratio < 1


@pytest.mark.parametrize("bound", [gradient_bound, smoothness_bound])
@pytest.mark.parametrize(("n_frames", "min_norm"), [(2, 1.0), (5, 0.0), (5, -1.0), (5, math.nan)])
def test_bounds_refuse_what_they_do_not_hold_for(bound, n_frames, min_norm):
    with pytest.raises(ValueError, match="wanted is"):
        bound(n_frames, min_norm)


# Descent


def safe_rate(features: Tensor, factor: float) -> float:
    return factor / smoothness_bound(len(features), features.flatten(1).norm(dim=1).min().item())


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.9])
def test_descent_below_two_over_the_smoothness_bound_never_raises_the_loss(factor):
    features = random_features(6, 4)
    losses = torch.stack([p.loss for p in descend(features, safe_rate(features, factor), 100)])
    assert (losses.diff() <= 0).all() and losses[-1] < losses[0]


@pytest.mark.parametrize("factor", [1.0, 100.0])
def test_descent_never_shrinks_a_norm(factor):
    features = random_features(6, 4)
    norms = torch.stack(
        [p.features.norm(dim=1) for p in descend(features, safe_rate(features, factor), 50)]
    )
    assert (norms.diff(dim=0) >= -1e-14).all() and (norms[-1] > norms[0]).all()


def test_descent_with_the_step_size_of_the_printed_bound_raises_the_loss():
    features = 0.05 * planar_video([0.0, 1.2, 2.9])
    start, after = descend(features, learning_rate=0.12, n_steps=1)
    assert after.loss > start.loss


def test_descent_yields_the_start_and_then_each_step():
    features = random_features(4, 3, 2)
    start, first, second = descend(features, 0.01, 2)
    assert torch.equal(start.features, features)
    for here, there in [(start, first), (first, second)]:
        expected = here.features - 0.01 * autograd_gradient(here.features)
        torch.testing.assert_close(there.features, expected)


def test_a_descent_step_describes_its_own_features():
    *_, last = descend(random_features(4, 3, 2), 0.01, 3)
    torch.testing.assert_close(last.loss, temporal_loss(last.features))
    torch.testing.assert_close(last.gradient_norm, temporal_loss_gradient(last.features).norm())
    torch.testing.assert_close(last.min_norm, last.features.flatten(1).norm(dim=1).min())


def test_descent_stays_at_the_maximum_which_is_stationary():
    e = torch.tensor([1.0, 0.0], dtype=torch.float64)
    *_, last = descend(torch.stack([e, e, -e]), 0.05, 100)
    assert last.loss == 2 and last.gradient_norm == 0


def test_descent_keeps_no_graph_and_leaves_gradients_on_outside():
    for point in descend(random_features(3, 2).requires_grad_(), 0.01, 1):
        assert not point.features.requires_grad and torch.is_grad_enabled()


# Types, devices, bad input


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_accumulated_in_float32(dtype):
    features = (100 * random_features(4, 5000)).to(dtype)
    loss, gradient = temporal_loss(features), temporal_loss_gradient(features)
    torch.testing.assert_close(loss, temporal_loss(features.float()), rtol=1e-5, atol=0)
    assert loss.dtype == torch.float32 and gradient.dtype == dtype
    expected = temporal_loss_gradient(features.float()).to(dtype)
    torch.testing.assert_close(gradient, expected, rtol=1e-2, atol=1e-6)


def test_autocast_does_not_lower_the_precision_of_the_loss():
    features = random_features(6, 50, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(temporal_loss(features.clone()), temporal_loss(features))
        inside = temporal_loss(features)
    assert torch.equal(inside, temporal_loss(features))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_everything_runs_on_meta_tensors(dtype):
    features = torch.empty(4, 3, 2, device="meta", dtype=dtype)
    assert cosine_similarity(features[0], features[1]).shape == ()
    assert cosine_similarity_gradient(features[0], features[1]).shape == (3, 2)
    assert adjacent_similarities(features).shape == (3,)
    assert temporal_loss(features).is_meta
    assert temporal_loss_gradient(features).dtype == dtype
    assert second_difference_matrix(4, device="meta").shape == (3, 3)
    assert [p.features.shape for p in descend(features, 0.1, 1)] == [(4, 3, 2)] * 2


@pytest.mark.parametrize("function", [temporal_loss, temporal_loss_gradient])
@pytest.mark.parametrize("shape", [(2, 4), (1, 4), (0, 4), (5,), ()])
def test_loss_refuses_too_few_frames_or_axes(function, shape):
    with pytest.raises(ValueError, match="features"):
        function(torch.ones(shape))


def test_descent_refuses_bad_arguments_before_the_first_step():
    features = random_features(4, 3)
    for rate, steps in [(0.0, 1), (-1.0, 1), (math.inf, 1), (math.nan, 1), (0.1, -1)]:
        with pytest.raises(ValueError, match="wanted is"):
            descend(features, rate, steps)
    with pytest.raises(ValueError, match="features: 2 came; wanted is a whole number of 3"):
        descend(features[:2], 0.1, 1)


@pytest.mark.parametrize("features", [torch.ones(4, 3).int(), torch.ones(4, 3).cfloat(), [[1.0]]])
def test_other_than_real_floats_are_refused(features):
    for function in (adjacent_similarities, temporal_loss, temporal_loss_gradient):
        with pytest.raises(TypeError, match="features: .* real floating-point"):
            function(features)


def test_cosine_refuses_two_shapes():
    with pytest.raises(ValueError, match="g: .* the shape of f"):
        cosine_similarity(torch.ones(3), torch.ones(4))


@pytest.mark.parametrize("matrix", [difference_matrix, second_difference_matrix])
def test_matrices_refuse_two_frames(matrix):
    with pytest.raises(ValueError, match="n_frames: 2 came; wanted is a whole number of 3 or more"):
        matrix(2)


# The benchmark


@pytest.mark.parametrize("shape", SHAPES)
def test_the_loop_that_the_benchmark_times_gives_the_same_loss(shape):
    features = random_features(*shape)
    torch.testing.assert_close(loop_loss(features), temporal_loss(features))


def test_the_benchmark_says_which_goal_is_missed():
    figures = {
        "differences": {"autograd": 1e-16, "loop": 1e-15},
        "median": {"closed": 2.0, "autograd": 1.0, "loop": 3.0},
        "memory": {"closed": 250.0},
        "features": 100.0,
    }
    assert list(goals(figures).values()) == [True, False, True, False]

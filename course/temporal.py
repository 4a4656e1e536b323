"""Section 4.1 of the paper: cosine similarity of frames, the temporal loss, its gradient, descent.

Features have shape (T, ...): one tensor for each of T frames, compared by the Frobenius inner
product over all axes but the first. Everything here is differentiable by autograd, and the
gradients are also given in closed form.

Two conventions hold throughout. Half precision is accumulated in float32, and similarities and
losses then come back as float32, because bfloat16 cannot tell 0.994 from 0.996. A frame of norm
zero has no cosine, not even as a limit (Eq. 3 and 18 are undefined there), so it gives NaN rather
than an invented number; no function looks at the values to raise an error, as that would make the
host wait for the device.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from course.checks import (
    check_number,
    check_real,
    check_same_shape,
    check_shape,
    check_whole,
    widen,
)

_THREE = "a difference of similarities takes three frames"
# Suprema of (T - 1) m ||grad_{F_t} L|| for short clips, where a frame's two similarities have
# fewer neighbours than in Lemma 4.3's general case. With cos a = |s_{t-1}|, cos b = |s_t|:
# T = 3: 2 (cos a + cos b)(sin a + sin b) = 4 sin(a + b) cos^2((a - b)/2) <= 4.
# T = 4: 2 (sin(2a)/2 + sin(a + b) + sin(2b) + sin b), largest where b = pi - 3a.
_SHORT_CLIP_CONSTANTS = {3: 4.0, 4: 6.507145385972320}


def cosine_similarity(f: Tensor, g: Tensor) -> Tensor:
    """Return the cosine of the angle between two tensors of one shape.

    Returns a tensor of shape (), in [-1, 1] up to rounding; NaN if a norm is zero.
    Raises ValueError if the shapes differ, TypeError if a tensor is not real floating point.
    Source: Eq. 3 and 18.
    """
    check_real(f=f, g=g)
    check_same_shape(f=f, g=g)
    f, g = widen(f), widen(g)
    return (f * g).sum() / (torch.linalg.vector_norm(f) * torch.linalg.vector_norm(g))


def cosine_similarity_gradient(f: Tensor, g: Tensor) -> Tensor:
    """Return the gradient of the cosine similarity with respect to `f`, in closed form.

    It is (g/||g|| - Sim f/||f||) / ||f||: orthogonal to `f`, of norm sqrt(1 - Sim^2) / ||f||.
    Returns a tensor like `f`; NaN if a norm is zero. Raises as `cosine_similarity`.
    Source: Lemma 4.2, Eq. 20, in its repaired form.
    """
    check_real(f=f, g=g)
    check_same_shape(f=f, g=g)
    wide_f, wide_g = widen(f), widen(g)
    norm_f, norm_g = torch.linalg.vector_norm(wide_f), torch.linalg.vector_norm(wide_g)
    similarity = (wide_f * wide_g).sum() / (norm_f * norm_g)
    gradient = wide_g / (norm_f * norm_g) - wide_f * (similarity / norm_f.square())
    return gradient.to(f.dtype)


def adjacent_similarities(features: Tensor) -> Tensor:
    """Return s_t = Sim(F_t, F_{t+1}), the cosine of every frame with the next one.

    Takes features (T, ...), T >= 2; returns (T-1,), in [-1, 1] up to rounding; NaN beside a zero
    frame. Raises ValueError for fewer frames or axes, TypeError for other than real floats.
    Source: Eq. 3 and 18.
    """
    _check_features(features, least_frames=2)
    return _norms_and_similarities(features)[1]


def difference_matrix(
    n_frames: int, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> Tensor:
    """Return D, the matrix that takes similarities s to their successive differences.

    Returns (T-2, T-1): row i has -1 in column i and 1 in column i + 1. It is the first difference
    of s, although the paper calls it a second one. Raises ValueError if n_frames < 3.
    Source: Lemma 4.5, Eq. 25.
    """
    check_whole("n_frames", n_frames, 3, hint=_THREE)
    return torch.diff(torch.eye(n_frames - 1, dtype=dtype, device=device), dim=0)


def second_difference_matrix(
    n_frames: int, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> Tensor:
    """Return D'D, the negative second difference of the similarities with free ends.

    Returns (T-1, T-1), tridiagonal: 2 on the diagonal (1 at both ends) and -1 beside it. Its
    eigenvalues are 2 - 2 cos(k pi / (T-1)), k = 0..T-2; constant vectors span its null space.
    Raises ValueError if n_frames < 3. Source: Lemma 4.5, Eq. 23.
    """
    difference = difference_matrix(n_frames, dtype=dtype, device=device)
    return difference.T @ difference


def temporal_loss(features: Tensor) -> Tensor:
    """Return the sum of squared differences of successive similarities, divided by T-1.

    Takes features (T, ...), T >= 3; returns a tensor of shape (), in [0, 4 (T-2)/(T-1)]. It is
    zero for every constant similarity, orthogonal neighbours included; NaN if a frame is zero.
    Raises ValueError for fewer frames or axes, TypeError for other than real floats.
    Source: Eq. 19 (T-2 terms, and yet the divisor T-1).
    """
    _check_features(features, least_frames=3)
    return _loss(_norms_and_similarities(features)[1])


def temporal_loss_gradient(features: Tensor) -> Tensor:
    """Return the gradient of `temporal_loss` in closed form, one pass over the features.

    Takes features (T, ...), T >= 3; returns a tensor like `features`, each frame of which is
    orthogonal to that frame of `features`; NaN where a zero frame takes part. Beyond the result
    there is one temporary of the features' size (float32 copies for half precision).
    Raises as `temporal_loss`. Source: Lemma 4.3, Eq. 60, with lambda = D'D s.
    """
    _check_features(features, least_frames=3)
    return _gradient(features, *_norms_and_similarities(features)).to(features.dtype)


def gradient_bound(n_frames: int, min_norm: float) -> float:
    """Return the sharp bound on ||grad_{F_t} temporal_loss|| of one frame, if all ||F_t|| >= m.

    It is kappa / (m (T-1)), kappa = 8.977479 from T = 5 on, 6.507146 for T = 4, 4 for T = 3;
    each is attained. Raises ValueError if n_frames < 3 or min_norm is not positive.
    Source: Lemma 4.3, Eq. 21, repaired (m is a lower bound on the norms, not an upper one).
    """
    _check_bound(n_frames, min_norm)
    # The maximum of 2 (2 sin mu + 3 sin 2mu): the derivative is a quadratic in cos mu.
    mu = math.acos((math.sqrt(73) - 1) / 12)
    general = 2 * (2 * math.sin(mu) + 3 * math.sin(2 * mu))
    return _SHORT_CLIP_CONSTANTS.get(n_frames, general) / (min_norm * (n_frames - 1))


def smoothness_bound(n_frames: int, min_norm: float) -> float:
    """Return 32 / (m^2 (T-1)), which bounds the Hessian of `temporal_loss` if all ||F_t|| >= m.

    The full gradient has this Lipschitz constant on every segment along which the norms stay
    at least m; no smaller constant in place of 32 serves every T.
    Raises ValueError if n_frames < 3 or min_norm is not positive.
    Source: Theorem 4.1 and Lemma 4.3, repaired.
    """
    _check_bound(n_frames, min_norm)
    return 32.0 / (min_norm**2 * (n_frames - 1))


@dataclass(frozen=True)
class DescentStep:
    """One point of a descent: the features there and, at them, three tensors of shape ().

    `loss` is the temporal loss, `gradient_norm` the norm of its full gradient, `min_norm` the
    smallest norm of a frame.
    """

    features: Tensor
    loss: Tensor
    gradient_norm: Tensor
    min_norm: Tensor


def descend(features: Tensor, learning_rate: float, n_steps: int) -> Iterator[DescentStep]:
    """Yield the path of gradient descent on the features: the start, then n_steps more points.

    Takes features (T, ...), T >= 3; they are not changed, and no graph is kept. Half precision
    descends in float32, as rounding would hide small steps. Norms of frames never shrink on the
    way, so with learning_rate < 2 / smoothness_bound(T, min_norm of the start) the loss falls in
    every step. Raises ValueError for fewer frames or axes, a learning rate that is not positive
    and finite or a negative n_steps, TypeError for other than real floats.
    Source: Eq. 17 and 22, Theorem 4.4, on features in place of parameters.
    """
    _check_features(features, least_frames=3)
    check_number("learning_rate", learning_rate, above=0, plain=False)
    check_whole("n_steps", n_steps, 0)
    # A separate generator, so that wrong arguments fail here and not at the first step.
    return _descent_path(widen(features.detach()), learning_rate, n_steps)


@torch.no_grad()
def _descent_path(features: Tensor, learning_rate: float, n_steps: int) -> Iterator[DescentStep]:
    for step in range(n_steps + 1):
        norms, similarities = _norms_and_similarities(features)
        gradient = _gradient(features, norms, similarities)
        gradient_norm = torch.linalg.vector_norm(gradient)
        yield DescentStep(features, _loss(similarities), gradient_norm, norms.amin())
        if step < n_steps:
            features = torch.sub(features, gradient, alpha=learning_rate)


def _loss(similarities: Tensor) -> Tensor:
    return similarities.diff().square().sum() / len(similarities)


def _norms_and_similarities(features: Tensor) -> tuple[Tensor, Tensor]:
    frames = widen(features).reshape(len(features), -1)
    norms = torch.linalg.vector_norm(frames, dim=1)
    # Multiply and sum, not a matrix product: under autocast that would run in half precision.
    products = (frames[1:] * frames[:-1]).sum(dim=1)
    return norms, products / (norms[1:] * norms[:-1])


def _gradient(features: Tensor, norms: Tensor, similarities: Tensor) -> Tensor:
    """Combine every frame with its two neighbours; lambda below is D'D s, without the matrix."""
    lambdas = -pad(similarities.diff(), (1, 1)).diff()
    weights = 2 * lambdas / len(similarities)
    pulls = weights * similarities
    own = -(pad(pulls, (1, 0)) + pad(pulls, (0, 1))) / norms.square()
    neighbour = weights / (norms[1:] * norms[:-1])
    per_frame = (-1,) + (1,) * (features.ndim - 1)
    own, neighbour = own.reshape(per_frame), neighbour.reshape(per_frame)
    gradient = features * own  # float32 for half-precision features: the larger type wins
    gradient[1:].addcmul_(features[:-1], neighbour)
    gradient[:-1].addcmul_(features[1:], neighbour)
    return gradient


def _check_features(features: Tensor, least_frames: int) -> None:
    check_real(features=features)
    hint = "the cosine of single numbers is only their sign"
    check_shape("features", features, "T", "N", "...", hint=hint)
    check_whole("frames along the first axis of features", len(features), least_frames)


def _check_bound(n_frames: int, min_norm: float) -> None:
    check_whole("n_frames", n_frames, 3, hint=_THREE)
    check_number("min_norm", min_norm, above=0, finite=False, plain=False)

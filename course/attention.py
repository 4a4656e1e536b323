"""Section 4.3 of the paper: cross-attention, how token errors reach its output, and its limits.

Hidden states are (..., M, d), one row a position; tokens are (..., L, d_z), one row a token.
Weights act from the right, Q = X W_Q, which is what Eq. 14 must mean (torch.nn.Linear keeps the
transpose). They are w_q (d, k), w_k (d_z, k) and w_v (d_z, v); the paper has d = d_z = k = v.
There is one head. Leading axes are batches and broadcast, those of weights too.

Half precision is computed in float32. Attention comes back in its own type; error terms, norms
and bounds stay float32, as they are small differences of larger numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.linalg import matrix_norm, vector_norm

from course.checks import (
    check_attention,
    check_choice,
    check_real,
    check_shape,
    widen,
)  # fmt: skip
from course.reachability import effective_queries, plateau_gap, reachability_gap

__all__ = [
    "SOFTMAX_LIPSCHITZ", "AlignmentConstants", "alignment_bound", "alignment_constants",
    "attention_weights", "cross_attention", "decompose", "effective_queries", "enclosing_radius",
    "plateau_gap", "printed_gamma", "reachability_gap", "row_norm", "softmax_jacobian",
]  # fmt: skip

SOFTMAX_LIPSCHITZ = 0.5
"""The Lipschitz constant of softmax in the Euclidean norm; reached at p = (1/2, 1/2, 0, ...)."""

_CENTRE_STEPS = 16  # of `enclosing_radius`; a radius is valid after any number of them


def softmax_jacobian(logits: Tensor) -> Tensor:
    """Return diag(p) - p p' for p = softmax(logits) along the last axis, (..., L, L).

    Symmetric, positive semi-definite, its rows sum to 0, and its spectral norm is at most 1/2.
    Source: the constant L_softmax of Lemma 4.12.
    """
    check_real(logits=logits)
    p = widen(logits).softmax(dim=-1)
    return torch.diag_embed(p) - p.unsqueeze(-1) * p.unsqueeze(-2)


def attention_weights(
    hidden_states: Tensor, encoder_hidden_states: Tensor, w_q: Tensor, w_k: Tensor
) -> Tensor:
    """Return softmax(Q K' / sqrt(k)), the share of each token at each position: (..., M, L).

    Rows sum to 1. Float32 for half precision. Raises as `cross_attention`. Source: Eq. 15.
    """
    check_attention(hidden_states, encoder_hidden_states, w_q, w_k)
    return _weights(*map(widen, (hidden_states, encoder_hidden_states, w_q, w_k)))


def cross_attention(
    hidden_states: Tensor, encoder_hidden_states: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor
) -> Tensor:
    """Return softmax(X W_Q W_K' Z' / sqrt(k)) Z W_V, what text tokens give to each position.

    Takes hidden states X (..., M, d) and tokens Z (..., L, d_z); returns (..., M, v), each row a
    mean of the rows of Z W_V. The order of the tokens does not matter. Equal to torch's
    scaled_dot_product_attention of Q, K and V. Raises TypeError for other than real floats or
    mixed types, ValueError for shapes that do not fit. Source: Eqs. 14, 15 and 45.
    """
    check_attention(hidden_states, encoder_hidden_states, w_q, w_k, w_v)
    x, z, wide_q, wide_k, wide_v = map(widen, (hidden_states, encoder_hidden_states, w_q, w_k, w_v))
    return (_weights(x, z, wide_q, wide_k) @ (z @ wide_v)).to(hidden_states.dtype)


def decompose(
    hidden_states: Tensor,
    encoder_hidden_states: Tensor,
    ideal_hidden_states: Tensor,
    ideal_encoder_hidden_states: Tensor,
    w_q: Tensor,
    w_k: Tensor,
    w_v: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return (term_a, term_b), whose sum is the attention of (X, Z) minus that of (X*, Z*).

    term_a = (P - P*) Z* W_V is the change of the attention weights, term_b = P (Z - Z*) W_V that
    of the values; each (..., M, v). Both token matrices must have the same number of rows. Where
    X* is a fixed point, as in Eq. 43, its attention is X* itself. For a query that is the same
    on both sides, as the proof of Lemma 4.12 has it, pass X twice.
    Raises as `cross_attention`. Source: Lemma 4.11, Eq. 46.
    """
    x, z, ideal_x, ideal_z, w_q, w_k, w_v = _checked_pair(
        hidden_states, encoder_hidden_states, ideal_hidden_states, ideal_encoder_hidden_states,
        w_q, w_k, w_v,
    )  # fmt: skip
    weights, ideal_weights = _weights(x, z, w_q, w_k), _weights(ideal_x, ideal_z, w_q, w_k)
    return (weights - ideal_weights) @ (ideal_z @ w_v), weights @ ((z - ideal_z) @ w_v)


def printed_gamma(
    w_k: Tensor,
    w_v: Tensor,
    delta: float | Tensor | None = None,
    *,
    softmax_lipschitz: float = SOFTMAX_LIPSCHITZ,
) -> Tensor:
    """Return L_softmax ||W_K|| ||W_V|| / delta, the constant that Theorem 4.10 prints.

    `delta` is the paper's lower bound on the smallest singular value of W_V; left out, it is that
    value. Returns (...). It bounds nothing: scaling W_V scales the error and not this number.
    Raises as `cross_attention`. Source: Eqs. 44 and 51, as printed; `alignment_bound` is repaired.
    """
    check_real(one_type=True, w_k=w_k, w_v=w_v)
    for name, weight in (("w_k", w_k), ("w_v", w_v)):
        check_shape(name, weight, "...", "d_z", "k", least=1)
    w_k, w_v = widen(w_k), widen(w_v)
    smallest = torch.linalg.svdvals(w_v).amin(dim=-1) if delta is None else delta
    return softmax_lipschitz * matrix_norm(w_k, 2) * matrix_norm(w_v, 2) / smallest


@dataclass(frozen=True)
class AlignmentConstants:
    """How much an error of the output is, per error of the tokens and per error of the queries.

    ||output - ideal output|| <= tokens ||Z - Z*|| + queries ||X - X*||, both tensors of shape
    (...). They are gamma' and kappa of the repaired Theorem 4.10.
    """

    tokens: Tensor
    queries: Tensor

    @property
    def fixed_point(self) -> Tensor:
        """gamma' / (1 - kappa): ||X - X*|| per ||Z - Z*|| if X and X* are both fixed points.

        Infinite where kappa is 1 or more: fixed points need not be unique then.
        """
        room = 1 - self.queries
        return torch.where(room > 0, self.tokens / room, math.inf)


def alignment_constants(
    hidden_states: Tensor,
    ideal_encoder_hidden_states: Tensor,
    w_q: Tensor,
    w_k: Tensor,
    w_v: Tensor,
    *,
    norm: str = "frobenius",
) -> AlignmentConstants:
    """Return the constants of the repaired Theorem 4.10 in one of two norms.

    norm="frobenius": with W = W_Q W_K' and matrices centred over the tokens,
    gamma' = ||X|| ||W|| ||V*_c|| / (2 sqrt(k)) + sqrt(M) ||W_V||,
    kappa = ||W|| ||Z*_c|| ||V*_c|| / (2 sqrt(k)), all spectral norms.
    norm="row", the largest Euclidean norm of a row (position or token), free of M and L:
    gamma' = ||W_V|| + R_V ||W|| max ||x_i|| / sqrt(k), kappa = R_V R_Z ||W|| / sqrt(k), with
    R the radius of a ball around the rows of V* or Z*. Each is reached, though not both at once.
    Raises ValueError for another norm and as `cross_attention`. Source: Theorem 4.10, repaired.
    """
    check_choice("norm", norm, ("frobenius", "row"))
    check_attention(hidden_states, ideal_encoder_hidden_states, w_q, w_k, w_v)
    x, z, w_q, w_k, w_v = map(widen, (hidden_states, ideal_encoder_hidden_states, w_q, w_k, w_v))
    product = matrix_norm(w_q @ w_k.mT, 2) / math.sqrt(w_q.shape[-1])
    values, own = z @ w_v, matrix_norm(w_v, 2)
    if norm == "frobenius":
        spread = SOFTMAX_LIPSCHITZ * product * matrix_norm(_centred(values), 2)
        gamma = spread * matrix_norm(x, 2) + math.sqrt(x.shape[-2]) * own
        return AlignmentConstants(gamma, spread * matrix_norm(_centred(z), 2))
    spread = product * enclosing_radius(values)
    return AlignmentConstants(own + spread * row_norm(x), spread * enclosing_radius(z))


def alignment_bound(
    hidden_states: Tensor,
    encoder_hidden_states: Tensor,
    ideal_hidden_states: Tensor,
    ideal_encoder_hidden_states: Tensor,
    w_q: Tensor,
    w_k: Tensor,
    w_v: Tensor,
    *,
    norm: str = "frobenius",
) -> Tensor:
    """Return a bound on the norm of cross_attention(X, Z) - cross_attention(X*, Z*), (...).

    It is gamma' ||Z - Z*|| + kappa ||X - X*|| with `alignment_constants`; for norm="row" the
    left side is the `row_norm` of the difference. Pass X twice for the same query on both sides.
    Raises as `decompose` and `alignment_constants`. Source: Theorem 4.10, repaired.
    """
    x, z, ideal_x, ideal_z, *weights = _checked_pair(
        hidden_states, encoder_hidden_states, ideal_hidden_states, ideal_encoder_hidden_states,
        w_q, w_k, w_v,
    )  # fmt: skip
    constants = alignment_constants(x, ideal_z, *weights, norm=norm)
    size = row_norm if norm == "row" else matrix_norm  # Frobenius is matrix_norm's default
    return constants.tokens * size(z - ideal_z) + constants.queries * size(x - ideal_x)


def row_norm(matrix: Tensor) -> Tensor:
    """Return the largest Euclidean norm of a row; (..., n, d) gives (...)."""
    return vector_norm(widen(matrix), dim=-1).amax(dim=-1)


def enclosing_radius(points: Tensor) -> Tensor:
    """Return the radius of a ball that holds all rows; (..., n, d) gives (...).

    For two rows it is half their distance; in general at most a few per cent above the smallest.
    """
    points = widen(points)
    centre, radius = points.mean(dim=-2, keepdim=True), None
    for step in range(_CENTRE_STEPS):
        distances = vector_norm(points - centre, dim=-1, keepdim=True)
        farthest = distances.amax(dim=-2)[..., 0]
        radius = farthest if radius is None else torch.minimum(radius, farthest)
        # Badoiu and Clarkson 2003: go towards the farthest row, less far each time.
        target = torch.take_along_dim(points, distances.argmax(dim=-2, keepdim=True), dim=-2)
        centre = centre + (target - centre) / (step + 2)
    return radius


def _weights(x: Tensor, z: Tensor, w_q: Tensor, w_k: Tensor) -> Tensor:
    logits = (x @ w_q) @ (z @ w_k).mT
    return (logits / math.sqrt(w_q.shape[-1])).softmax(dim=-1)


def _centred(tokens: Tensor) -> Tensor:
    return tokens - tokens.mean(dim=-2, keepdim=True)


def _checked_pair(x: Tensor, z: Tensor, ideal_x: Tensor, ideal_z: Tensor, *weights: Tensor):
    """Check both sides of a comparison and return all arguments, half precision widened."""
    check_attention(x, z, *weights)
    check_attention(ideal_x, ideal_z, *weights)
    hint = "both sides are subtracted row by row"
    for name, here, ideal in (("hidden_states", x, ideal_x), ("encoder_hidden_states", z, ideal_z)):
        check_shape(name, here, "...", *ideal.shape[-2:], hint=hint)
    return tuple(map(widen, (x, z, ideal_x, ideal_z, *weights)))

"""A counterexample to the printed gamma (Theorem 4.10)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.linalg import matrix_norm, svdvals, vector_norm

from classroom.exercises.exercise import Case, Exercise, Misconception, Property, by_properties
from classroom.exercises.inputs import drawn_sizes
from lessons.attention_bounds.exercises.shared import LESSON

# A counterexample to the printed gamma


def _measured(value: object) -> tuple[float, float] | str:
    """Return the error and the printed bound of (tokens, w_v), or what is wrong with them.

    X = X* = 0, Z* = 0, W_Q = W_K = I, so that attention is the mean of the tokens times W_V.
    """
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        return "Return two tensors, tokens and w_v."
    if not all(isinstance(t, Tensor) and t.is_floating_point() and t.ndim == 2 for t in value):
        return "Both tokens (L, d) and w_v (d, d) must be floating-point tensors of two axes."
    tokens, w_v = (tensor.detach().double() for tensor in value)
    if w_v.shape != (tokens.shape[1],) * 2 or tokens.numel() == 0:
        return f"Shapes {tuple(tokens.shape)} and {tuple(w_v.shape)} came; wanted (L, d), (d, d)."
    error = vector_norm(tokens.mean(0) @ w_v)
    gamma = 0.5 * matrix_norm(w_v, 2) / svdvals(w_v).min()
    return float(error), float(gamma * vector_norm(tokens))


def _on_measures(law: Callable[[Tensor, Tensor, float, float], object]) -> Callable:
    """Make a `matches` of a law on (tokens, w_v, error / bound / factor, factor)."""

    def matches(arguments: tuple, value: object) -> bool:
        measured = _measured(value)
        if isinstance(measured, str):
            return False
        error, bound = measured
        ratio = error / bound / arguments[0] if bound > 0 else math.nan
        tokens, w_v = (tensor.detach().double() for tensor in value)
        return bool(law(tokens, w_v, ratio, arguments[0]))

    return matches


def _is_an_answer(arguments: tuple, value: object) -> str | None:
    measured = _measured(value)
    return measured if isinstance(measured, str) else None


def _breaks_the_bound(arguments: tuple, value: object) -> str | None:
    measured = _measured(value)
    if isinstance(measured, str):
        return None
    error, bound = measured
    if error > arguments[0] * bound * (1 + 1e-6):
        return None
    if not math.isfinite(bound):
        return "The printed bound is infinite or NaN: W_V has no inverse."
    return f"Error {error:.4g}, printed bound {bound:.4g}: not more than {arguments[0]:g} times."


def _setting(tokens: list[float], w_v: float) -> tuple[Tensor, Tensor]:
    column = torch.tensor(tokens, dtype=torch.float64).unsqueeze(1)
    return column, torch.tensor([[w_v]], dtype=torch.float64)


def _factor_cases(generator: torch.Generator) -> list[Case]:
    factors = [1.0, 14.0, 1e3, 1e6, 0.01, 1e30, *drawn_sizes(generator, 0, 20, 2)]
    return [Case(f"factor = {factor:g}", (factor,)) for factor in factors]


def _spread(w_v: Tensor) -> float:
    """Return the largest singular value over the smallest one."""
    return float(matrix_norm(w_v, 2) / svdvals(w_v).min())


def _is_one_answer(pairs: Sequence[tuple[tuple, tuple]]) -> bool:
    """Return whether the factor changes nothing, and the error is not 0."""
    first = pairs[0][1]
    same = all(torch.equal(a, b) for _, value in pairs for a, b in zip(first, value))
    error, bound = _measured(first)
    return same and error > 0 and 0 < bound < math.inf


BREAK_THE_PRINTED_BOUND = Exercise(
    name="break_the_printed_bound",
    lesson=LESSON,
    title="Break the printed bound",
    reference=lambda factor: _setting([1.0, 1.0], 2 * factor),
    cases=_factor_cases,
    misconceptions=(
        Misconception(
            "perfect_tokens",
            "Your tokens are the ideal ones, all 0. Then both sides are 0. Move the tokens.",
            lambda factor: _setting([0.0, 0.0], 2 * factor),
            matches=_on_measures(lambda z, w, ratio, factor: not z.any()),
        ),
        Misconception(
            "singular_values",
            "W_V = 0 has no inverse, and the theorem asks for one: the printed gamma is 0/0. Make "
            "W_V large instead.",
            lambda factor: _setting([1.0, 1.0], 0.0),
            matches=_on_measures(lambda z, w, ratio, factor: not svdvals(w).min()),
        ),
        Misconception(
            "tokens_that_cancel",
            "Your tokens have mean 0. At X = 0 all have the same share, so their values cancel and "
            "there is no error. Move them the same way.",
            lambda factor: _setting([1.0, -1.0], 2 * factor),
            matches=_on_measures(
                lambda z, w, ratio, factor: (
                    z.any() and vector_norm(z.mean(0)) < 1e-9 * vector_norm(z)
                )
            ),
        ),
        Misconception(
            "moved_the_tokens_further",
            "You made the token error larger. Here both sides grow with it alike, so the ratio "
            "stays. Look for what is on one side only.",
            lambda factor: _setting([10 * factor, 10 * factor], 1.0),
            matches=_on_measures(
                lambda z, w, ratio, factor: (
                    (z.abs().max() > 1.5 or factor < 0.15)
                    and 0.5 < svdvals(w).min() <= matrix_norm(w, 2) < 1.5
                )
            ),
        ),
        Misconception(
            "made_the_values_small",
            "You made W_V small, perhaps since it stands below the line as delta. But the error "
            "shrinks with W_V, and gamma does not: it has W_V above the line too.",
            lambda factor: _setting([1.0, 1.0], 0.5 / factor),
            matches=_on_measures(lambda z, w, ratio, factor: 0 < matrix_norm(w, 2) <= 0.6),
        ),
        Misconception(
            "just_not_enough",
            "The error is exactly the factor times the bound. Wanted is more: a slightly larger "
            "W_V.",
            lambda factor: _setting([1.0], factor / 2),
            matches=_on_measures(lambda z, w, ratio, factor: abs(ratio - 1) < 1e-6),
        ),
        Misconception(
            "scaled_too_little",
            "The ratio grows with the factor, but not fast enough. The printed bound has the norm "
            "of all the tokens' errors, which is larger than their mean.",
            lambda factor: _setting([1.0, 1.0], 0.4 * factor),
            matches=_on_measures(
                lambda z, w, ratio, factor: 0.1 <= ratio < 1 - 1e-6 and _spread(w) < 1.5
            ),
        ),
        Misconception(
            "one_direction_grows",
            "Your W_V stretches one direction much more than another one. The printed gamma has "
            "||W_V|| over the smallest singular value, so it grows along. Let all directions grow.",
            lambda factor: (
                torch.ones(2, 2, dtype=torch.float64),
                torch.tensor([[10.0 * factor, 0.0], [0.0, 0.1]], dtype=torch.float64),
            ),
            matches=_on_measures(
                lambda z, w, ratio, factor: math.isfinite(ratio) and ratio < 1 and _spread(w) > 1.5
            ),
        ),
        Misconception(
            "one_answer_for_every_factor",
            "Your pair breaks the bound by a fixed factor. Let W_V grow with the factor that is "
            "asked for: then no constant in front of gamma can save it.",
            lambda factor: _setting([1.0, 1.0], 10.0),
            together=_is_one_answer,
            though_right=True,
        ),
    ),
    properties=(
        Property("tokens (L, d) and w_v (d, d)", _is_an_answer),
        Property("the error is larger than factor times the printed bound", _breaks_the_bound),
    ),
    compare=by_properties,
    returns="tensors",
)

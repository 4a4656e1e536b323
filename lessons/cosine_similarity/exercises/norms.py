"""The length of that gradient, and why an upper norm bound cannot hold (Lemma 4.2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception, Property, by_properties
from classroom.exercises.inputs import drawn_sizes
from lessons.cosine_similarity.exercises.gradient import gradient
from lessons.cosine_similarity.exercises.shared import LESSON

# The length of the gradient


def _length_cases(generator: torch.Generator) -> list[Case]:
    double = [(0.0, 1.0), (0.6, 1.0), (-0.8, 0.5), (1.0, 3.0), (0.0, 1e-4)]
    double.append(tuple(torch.rand(2, generator=generator).tolist()))
    single = [(0.6, 2.0), (-1.0, 0.25), (0.99, 56.0), (0.25, 1e4)]
    return [
        Case(
            f"Sim = {similarity:.3g} and ||f|| = {norm:.3g}, {str(dtype).removeprefix('torch.')}",
            (torch.tensor(similarity, dtype=dtype), torch.tensor(norm, dtype=dtype)),
        )
        for dtype, pairs in ((torch.float64, double), (torch.float32, single))
        for similarity, norm in pairs
    ]


def _sine(similarity: Tensor) -> Tensor:
    return (1 - similarity.square()).sqrt()


GRADIENT_NORM = Exercise(
    name="gradient_norm",
    lesson=LESSON,
    title="The length of the gradient",
    reference=lambda similarity, norm: _sine(similarity) / norm,
    cases=_length_cases,
    misconceptions=(
        Misconception(
            "forgot_the_root",
            "This is the squared length of the unit arrow's part, over ||f||. Take the root of "
            "1 - s^2.",
            lambda s, norm: (1 - s.square()) / norm,
        ),
        Misconception(
            "forgot_to_square_the_cosine",
            "Pythagoras needs s^2: the legs are s and sqrt(1 - s^2).",
            lambda s, norm: (1 - s).sqrt() / norm,
        ),
        Misconception(
            "cosine_for_sine",
            "This is the part of g along f. The gradient is the part across: the sine, not the "
            "cosine. At parallel frames it must be 0.",
            lambda s, norm: s.abs() / norm,
        ),
        Misconception(
            "angle_for_sine",
            "This is the angle, in radians, over ||f||. Wanted is its sine, sqrt(1 - s^2).",
            lambda s, norm: s.acos() / norm,
        ),
        Misconception(
            "forgot_the_norm",
            "This is right for a frame of norm 1. A longer f must move further for the same "
            "turn: divide by ||f||.",
            lambda s, norm: _sine(s) + 0 * norm,
        ),
        Misconception(
            "multiplied_by_the_norm",
            "You multiplied by ||f||. The gradient shrinks as f grows: divide.",
            lambda s, norm: _sine(s) * norm,
        ),
        Misconception(
            "divided_by_the_squared_norm",
            "One power of ||f|| too many. If f is twice as long, the gradient is half as long.",
            lambda s, norm: _sine(s) / norm.square(),
        ),
        Misconception(
            "triangle_inequality",
            "This is the paper's bound, a sum of the lengths of two terms. They are not "
            "parallel: use Pythagoras, which is exact.",
            lambda s, norm: 2 / norm + 0 * s,
        ),
        Misconception(
            "largest_over_all_angles",
            "This is the largest value, for orthogonal frames. Let s take part: frames that are "
            "almost parallel have a short gradient.",
            lambda s, norm: 1 / norm + 0 * s,
        ),
        Misconception(
            "one_minus_the_cosine",
            "1 - s is the distance in cosine. The length of the part across needs Pythagoras: "
            "the root of 1 - s^2.",
            lambda s, norm: (1 - s) / norm,
        ),
    ),
    returns="number",
)


# A counterexample to the printed bound


def _measured(value: object) -> tuple[float, float, float] | str:
    """Return ||f||, ||g|| and the norm of the gradient, or what is wrong with the answer."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        return "Return two tensors, f and g."
    if not all(isinstance(frame, Tensor) and frame.is_floating_point() for frame in value):
        return "Both f and g must be tensors of floating point."
    f, g = (frame.detach().double() for frame in value)
    if f.shape != g.shape:
        return f"f and g must have one shape, but {tuple(f.shape)} and {tuple(g.shape)} came."
    return float(f.norm()), float(g.norm()), float(gradient(f, g).norm())


def _on_measures(law: Callable[[float, float, float, float], bool]) -> Callable:
    """Make a `matches` of a law on (limit, ||f||, ||g||, gradient norm)."""

    def matches(arguments: tuple, value: object) -> bool:
        measured = _measured(value)
        return not isinstance(measured, str) and bool(law(arguments[0], *measured))

    return matches


def _is_a_pair(arguments: tuple, value: object) -> str | None:
    measured = _measured(value)
    return measured if isinstance(measured, str) else None


def _is_short(arguments: tuple, value: object) -> str | None:
    measured = _measured(value)
    if isinstance(measured, str) or measured[0] <= 1 + 1e-6:
        return None
    return f"||f|| is {measured[0]:.4g}, but it may be 1 at most."


def _breaks_the_limit(arguments: tuple, value: object) -> str | None:
    measured = _measured(value)
    if isinstance(measured, str):
        return None
    # More than rounding, and no more than that: a norm of 1 / (limit + 1) is a right answer.
    # Of large limits 1 / limit is the same number; there, reaching it is enough.
    eps = torch.finfo(value[0].dtype).eps
    if measured[2] > arguments[0] * (1 + 4 * eps * (1 if arguments[0] * eps < 0.1 else -1)):
        return None
    if math.isnan(measured[2]):
        return "The gradient is NaN: a frame of norm zero has no cosine."
    return f"The gradient is {measured[2]:.4g} long; wanted is more than {arguments[0]:g}."


def _right_angle(f_norm: float, g_norm: float = 1.0) -> tuple[Tensor, Tensor]:
    axes = torch.eye(2, dtype=torch.float64)
    return f_norm * axes[0], g_norm * axes[1]


def _parallel(limit: float) -> tuple[Tensor, Tensor]:
    f, _ = _right_angle(0.5 / limit)
    return f, 2 * f


def _limit_cases(generator: torch.Generator) -> list[Case]:
    limits = [2.0, 10.0, 1e3, 1e6, 1e30, *drawn_sizes(generator, 1, 20, 2)]
    return [Case(f"limit = {limit:g}", (limit,)) for limit in limits]


def _on_all_measures(law: Callable[[float, float, float, float], bool]) -> Callable:
    """Make a `together` of a law on (limit, ||f||, ||g||, gradient norm) of every input."""
    one = _on_measures(law)
    return lambda pairs: all(one(arguments, value) for arguments, value in pairs)


def _is_one_pair(pairs: Sequence[tuple[tuple, object]]) -> bool:
    """Return whether the limit changes nothing about a pair of short frames at an angle."""
    first = pairs[0][1]
    length, _, slope = _measured(first)
    same = all(torch.equal(a, b) for _, value in pairs for a, b in zip(first, value))
    return same and 0 < length <= 1 + 1e-6 and slope * length > 1e-6


COUNTEREXAMPLE_UPPER_BOUND = Exercise(
    name="counterexample_upper_bound",
    lesson=LESSON,
    title="Break the printed bound",
    reference=lambda limit: _right_angle(min(1.0, 0.5 / limit)),
    cases=_limit_cases,
    misconceptions=(
        Misconception(
            "made_f_long",
            "Your f is longer than 1. A long frame has a short gradient: go the other way.",
            lambda limit: _right_angle(2 * limit),
            together=_on_all_measures(lambda limit, f, g, slope: f > 1 + 1e-6),
        ),
        Misconception(
            "zero_frame",
            "A frame of norm zero has no cosine, so it has no gradient either. Come close to "
            "zero, but not there.",
            lambda limit: _right_angle(0.0),
            matches=_on_measures(lambda limit, f, g, slope: f == 0 or g == 0),
        ),
        Misconception(
            "parallel_pair",
            "f is short, but it is parallel to g. There the cosine is at its end, and the "
            "gradient is zero. Open an angle; a right angle is best.",
            _parallel,
            matches=_on_measures(lambda limit, f, g, slope: 0 < f <= 1.001 and slope * f < 1e-6),
        ),
        Misconception(
            "trusted_the_two",
            "You counted on a gradient of 2 / ||f||. It is sqrt(1 - s^2) / ||f||, at most "
            "1 / ||f||: f must be shorter still.",
            lambda limit: _right_angle(2 / limit),
            matches=_on_measures(lambda limit, f, g, slope: abs(slope - limit / 2) < 1e-3 * limit),
        ),
        Misconception(
            "only_reaches_the_limit",
            "The gradient is just as long as the limit. Wanted is more: take f a little shorter.",
            lambda limit: _right_angle(1 / limit),
            matches=_on_measures(lambda limit, f, g, slope: abs(slope - limit) < 1e-5 * limit),
        ),
        Misconception(
            "shortened_g",
            "You made g short. The cosine does not know the length of g, and the gradient with "
            "respect to f does not know it either. Make f short.",
            lambda limit: _right_angle(1.0, 0.5 / limit),
            matches=_on_measures(
                lambda limit, f, g, slope: 0 < g < f and slope * f > 1e-6 and slope <= limit
            ),
        ),
        Misconception(
            "one_pair_for_every_limit",
            "You return one pair for every limit. Its gradient has one length, and there is a "
            "larger limit. Let ||f|| depend on the limit: no bound of any size survives.",
            lambda limit: _right_angle(0.01),
            together=_is_one_pair,
            though_right=True,
        ),
    ),
    properties=(
        Property("two frames of one shape", _is_a_pair),
        Property("||f|| is at most 1", _is_short),
        Property("the gradient is longer than the limit", _breaks_the_limit),
    ),
    compare=by_properties,
    returns="tensors",
)

"""Exercises of lesson 01: the cosine of two frames and its gradient (Eq. 3, 18, Lemma 4.2).

Each reference is written out rather than taken from `course.temporal`, so that a test can hold one
against the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional

from course.exercises.exercise import Case, Exercise, Misconception, Property, by_properties

LESSON = "01_cosine_similarity"


def _dot(f: Tensor, g: Tensor) -> Tensor:
    return (f * g).sum()


def _cosine(f: Tensor, g: Tensor) -> Tensor:
    return _dot(f, g) / (f.norm() * g.norm())


def _pairs(generator: torch.Generator) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield labelled pairs of frames, small ones first; the special ones are exact in binary."""

    def draw(*shape: int) -> Tensor:
        return torch.randn(2, *shape, generator=generator, dtype=torch.float64)

    for shape in ((1, 2), (1, 2, 3), (3, 4, 5)):
        yield f"random frames of shape {shape}, float64", *draw(*shape)
    yield "random frames of shape (4, 8, 8), float32", *draw(4, 8, 8).float()
    ones = torch.ones(1, 2, 2, dtype=torch.float64)
    signs = torch.tensor([[[1, -1], [1, -1]]], dtype=torch.float64)
    yield "parallel frames, float64", 2 * ones, 8 * ones
    yield "antiparallel frames, float32", 4 * ones.float(), -ones.float()
    yield "orthogonal frames, float64", ones, 4 * signs
    f, g = draw(3, 2, 2)
    yield "very dark frames, norms near 0.0001, float64", 3e-5 * f, 2e-5 * g
    yield "very dark frames, norms near 0.0001, float32", 2e-5 * f.float(), 3e-5 * g.float()
    yield "a huge frame and a small one, float32", 2e4 * f.float(), 1e-2 * g.float()


# The cosine after scaling


COSINE_AFTER_SCALING = Exercise(
    name="cosine_after_scaling",
    lesson=LESSON,
    title="What scaling does",
    reference=lambda: -0.6,
    cases=lambda generator: [Case("the question", ())],
    misconceptions=(
        Misconception(
            "ignored_the_sign",
            "Lengths do not matter, that is right. But a minus turns the arrow round.",
            lambda: 0.6,
        ),
        Misconception(
            "multiplied_by_both_factors",
            "You scaled the cosine with both arrows. The norms below the line grow as well. And "
            "a cosine is never below -1.",
            lambda: -3.6,
        ),
        Misconception(
            "multiplied_by_one_factor",
            "You scaled the cosine with one arrow. The norm of that arrow below the line grows "
            "by 3 as well.",
            lambda: -1.8,
        ),
        Misconception(
            "right_angle",
            "An arrow that is turned round does not stand at a right angle. Look at -F in the "
            "figure: its angle to G is 180 degrees less the old one.",
            lambda: 0.0,
        ),
    ),
    tolerance={torch.float64: 1e-6},  # computed with two float32 tensors, it is right as well
    returns="number",
)


# The cosine of two frames


def _epsilon_shows(arguments: tuple, value: object) -> bool:
    """Return whether a small number, added below the line, explains a cosine."""
    f, g = (frame.double() for frame in arguments)
    if not isinstance(value, Tensor) or value.ndim or not value.isfinite():
        return False
    product, norms = float(_dot(f, g)), float(f.norm() * g.norm())
    if norms > 1e-3:  # only small frames show what was added
        return abs(float(value) - product / norms) < 1e-6 + 2e-4 / norms
    if abs(product) < 1e-6 * norms or float(value) == 0:
        return abs(float(value)) < 1e-6
    return -1e-5 * norms <= product / float(value) - norms <= 1e-4


def _centred_cosine(f: Tensor, g: Tensor) -> Tensor:
    return _cosine(f - f.mean(), g - g.mean())


def _mean_of_channel_cosines(f: Tensor, g: Tensor) -> Tensor:
    return functional.cosine_similarity(f.flatten(1), g.flatten(1), dim=1).mean()


COSINE_OF_FRAMES = Exercise(
    name="cosine_of_frames",
    lesson=LESSON,
    title="One cosine for two frames",
    reference=_cosine,
    cases=lambda generator: [Case(label, (f, g)) for label, f, g in _pairs(generator)],
    misconceptions=(
        Misconception(
            "a_cosine_for_every_pixel",
            "You have one cosine for each pixel: the products were added over the first axis "
            "only. The paper's frame is one long vector, so add over all axes.",
            lambda f, g: functional.cosine_similarity(f, g, dim=0),
        ),
        Misconception(
            "mean_of_pixel_cosines",
            "You took a cosine at each pixel and then their mean. A mean of cosines gives a dark "
            "pixel as much weight as a bright one. Flatten first, then take one cosine.",
            lambda f, g: functional.cosine_similarity(f, g, dim=0).mean(),
        ),
        Misconception(
            "mean_over_torch_default",
            "`torch.nn.functional.cosine_similarity` works along axis 1 unless told, so you "
            "averaged many cosines. Flatten both frames and use dim=0.",
            lambda f, g: functional.cosine_similarity(f, g).mean(),
        ),
        Misconception(
            "mean_of_channel_cosines",
            "You took a cosine for each channel and then their mean. The paper's frame is one "
            "vector over channels, rows and columns together.",
            _mean_of_channel_cosines,
        ),
        Misconception(
            "forgot_the_norms",
            "This is the inner product. Divide it by both norms, or a brighter frame gets a "
            "larger cosine.",
            _dot,
        ),
        Misconception(
            "forgot_the_norm_of_g",
            "You divided by the norm of f only. Make g four times as long and your number "
            "changes; a cosine does not.",
            lambda f, g: _dot(f, g) / f.norm(),
        ),
        Misconception(
            "forgot_the_norm_of_f",
            "You divided by the norm of g only. Make f four times as long and your number "
            "changes; a cosine does not.",
            lambda f, g: _dot(f, g) / g.norm(),
        ),
        Misconception(
            "squared_norms",
            "You divided by the squared norms. A norm is the root of the sum of squares.",
            lambda f, g: _dot(f, g) / (_dot(f, f) * _dot(g, g)),
        ),
        Misconception(
            "subtracted_the_mean",
            "You subtracted the mean first. That is the correlation of two frames, a good number "
            "too, but Eq. 18 takes the frames as they are.",
            _centred_cosine,
        ),
        Misconception(
            "angle_instead_of_cosine",
            "This is the angle, in radians. Wanted is its cosine: leave out the arc cosine.",
            lambda f, g: _cosine(f, g).clamp(-1, 1).acos(),
        ),
        Misconception(
            "distance_instead_of_similarity",
            "This is 1 minus the cosine, which is 0 for equal frames. Wanted is the cosine, "
            "which is 1 for them.",
            lambda f, g: 1 - _cosine(f, g),
        ),
        Misconception(
            "lost_the_sign",
            "You took the absolute value. Opposite frames have cosine -1, not 1.",
            lambda f, g: _cosine(f, g).abs(),
        ),
        Misconception(
            "added_an_epsilon",
            "A small number added below the line is not small beside very dark frames: it pulls "
            "their cosine to 0. Eq. 18 has no such number; leave it out.",
            lambda f, g: _dot(f, g) / (f.norm() * g.norm() + 1e-8),
            matches=_epsilon_shows,
        ),
    ),
)


# The similarity of neighbours in a clip


def _clips(generator: torch.Generator) -> list[Case]:
    cases = []
    for shape, dtype in (
        ((2, 3), torch.float64),
        ((3, 2, 2), torch.float64),
        ((6, 10), torch.float32),
        ((5, 3, 4, 6), torch.float64),
    ):
        clip = torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
        name = str(dtype).removeprefix("torch.")
        cases.append(Case(f"random clip of shape {shape}, {name}", (clip,)))
    grows = clip * torch.logspace(-1, 2, 5, dtype=clip.dtype).reshape(5, 1, 1, 1)
    still = torch.ones(4, 1, 2, 2)
    flips = still * torch.tensor([1.0, -1.0, 1.0, 1.0]).reshape(4, 1, 1, 1)
    return [
        *cases,
        Case("a clip that brightens a thousandfold, float64", (grows,)),
        Case("a still clip, float32", (still,)),
        Case("a clip that turns negative once, float32", (flips,)),
    ]


def _row_cosines(left: Tensor, right: Tensor) -> Tensor:
    left, right = left.flatten(1), right.flatten(1)
    return (left * right).sum(1) / (left.norm(dim=1) * right.norm(dim=1))


def _adjacent(features: Tensor) -> Tensor:
    return _row_cosines(features[:-1], features[1:])


def _by_position(features: Tensor) -> Tensor:
    return functional.cosine_similarity(features[:-1], features[1:], dim=1)


ADJACENT_SIMILARITY = Exercise(
    name="adjacent_similarity",
    lesson=LESSON,
    title="The similarities of a clip",
    reference=_adjacent,
    cases=_clips,
    misconceptions=(
        Misconception(
            "compared_with_the_first_frame",
            "You compared every frame with the first one. s_t compares frame t with frame t + 1.",
            lambda x: _row_cosines(x[:1].expand_as(x[1:]), x[1:]),
        ),
        Misconception(
            "compared_with_itself",
            "All your numbers are 1: each frame was compared with itself. One of the two slices "
            "must start one frame later.",
            lambda x: _row_cosines(x[:-1], x[:-1]),
        ),
        Misconception(
            "closed_the_circle",
            "`torch.roll` puts the last frame before the first, so you have T numbers. A clip "
            "has a first and a last frame and T - 1 pairs: use the slices [:-1] and [1:].",
            lambda x: _row_cosines(x, x.roll(-1, 0)),
        ),
        Misconception(
            "dropped_the_wrong_pair",
            "Your first number compares the first frame with the last one: `torch.roll` joined "
            "them. Use the slices [:-1] and [1:].",
            lambda x: _row_cosines(x, x.roll(1, 0))[:-1],
        ),
        Misconception(
            "a_cosine_for_every_position",
            "dim=1 adds over one axis and leaves the others, so each pair has many cosines. "
            "Flatten all axes but the first: features.flatten(1).",
            _by_position,
        ),
        Misconception(
            "mean_of_position_cosines",
            "Each pair got the mean of many cosines, one for each position. Flatten all axes but "
            "the first, then take one cosine a pair.",
            lambda x: _by_position(x).reshape(len(x) - 1, -1).mean(1),
        ),
        Misconception(
            "norm_of_the_whole_clip",
            "You divided by norms over all frames together. Each frame has a norm of its own: "
            "keep the first axis, for example with norm(dim=1) after flatten(1).",
            lambda x: (x[:-1] * x[1:]).flatten(1).sum(1) / (x[:-1].norm() * x[1:].norm()),
        ),
        Misconception(
            "forgot_the_norms",
            "These are inner products. Divide each by the norms of its two frames.",
            lambda x: (x[:-1] * x[1:]).flatten(1).sum(1),
        ),
        Misconception(
            "distance_instead_of_similarity",
            "These are distances, 1 minus the cosine. A still clip must give ones, not zeros.",
            lambda x: 1 - _adjacent(x),
        ),
        Misconception(
            "averaged_over_the_clip",
            "This is the mean over the clip, one number. Wanted are all T - 1 numbers: lesson 02 "
            "needs each of them.",
            lambda x: _adjacent(x).mean(),
        ),
    ),
)


# The gradient


def _gradient(f: Tensor, g: Tensor) -> Tensor:
    return (g / g.norm() - _cosine(f, g) * f / f.norm()) / f.norm()


def _is_its_direction(arguments: tuple, value: object) -> bool:
    """Return whether a value is the gradient made as long as 1; 0 / 0 may be anything."""
    expected = _gradient(*(frame.double() for frame in arguments))
    if not isinstance(value, Tensor) or value.shape != expected.shape:
        return False
    length = expected.norm() * arguments[0].double().norm()
    if length < 1e-6:
        return True
    return torch.allclose(value.double(), expected / expected.norm(), rtol=0, atol=1e-5)


def _draw_gradient(arguments: tuple, expected: Tensor, actual: object):
    """Draw the two gradients at the tip of f where the frames have two numbers; else nothing."""
    from matplotlib.figure import Figure

    f, g = (frame.flatten().tolist() for frame in arguments)
    if len(f) != 2 or not isinstance(actual, Tensor) or actual.shape != expected.shape:
        return None
    figure = Figure(figsize=(4.5, 4.0), layout="constrained")
    axes = figure.subplots()
    arrows = {"f": (f, (0, 0), "#0072B2", "-"), "g": (g, (0, 0), "#000000", "-")}
    arrows["wanted"] = (expected.flatten().tolist(), f, "#009E73", "-")
    arrows["yours"] = (actual.flatten().tolist(), f, "#D55E00", "--")
    for name, (way, start, colour, line) in arrows.items():
        ends = [[start[axis], start[axis] + way[axis]] for axis in (0, 1)]
        axes.plot(*ends, line, color=colour, label=name, linewidth=2)
        axes.plot(ends[0][1:], ends[1][1:], "o", color=colour)  # the dot marks the tip
    axes.set(aspect="equal", xlabel="first number", ylabel="second number")
    axes.set_title("gradients start at the tip of f; dots mark tips", fontsize=9)
    axes.legend(frameon=False)
    numbers = [", ".join(f"{x:.3g}" for x in t.flatten().tolist()) for t in (expected, actual)]
    figure.set_label(f"At the tip of f: the gradient wanted, ({numbers[0]}), and yours, "
                     f"({numbers[1]}).")  # fmt: skip
    return figure


COSINE_GRADIENT = Exercise(
    name="cosine_gradient",
    lesson=LESSON,
    title="The gradient of the cosine",
    reference=_gradient,
    cases=lambda generator: [Case(label, (f, g)) for label, f, g in _pairs(generator)],
    misconceptions=(
        Misconception(
            "kept_the_radial_part",
            "You kept the part along f: a cosine does not change when f only grows. Take the "
            "projection out.",
            lambda f, g: g / (f.norm() * g.norm()),
        ),
        Misconception(
            "forgot_the_norm_of_f",
            "The direction is right, the length is not: you treat f as if its norm were 1. "
            "Turning a long arrow by one degree takes a longer step, so divide by ||f||.",
            lambda f, g: _gradient(f, g) * f.norm(),
        ),
        Misconception(
            "forgot_the_norm_of_g",
            "Your gradient grows with g. The length of g does not matter: use g / ||g||.",
            lambda f, g: _gradient(f, g) * g.norm(),
        ),
        Misconception(
            "with_respect_to_g",
            "This is the gradient with respect to g. The one with respect to f points from f "
            "towards g.",
            lambda f, g: _gradient(g, f),
        ),
        Misconception(
            "wrong_sign",
            "The sign is turned round: your arrow leads away from g, where the cosine falls. "
            "That would be the gradient of 1 - Sim.",
            lambda f, g: -_gradient(f, g),
        ),
        Misconception(
            "plus_instead_of_minus",
            "The second term has the wrong sign. The quotient rule subtracts it, and only then "
            "is the gradient orthogonal to f.",
            lambda f, g: (g / g.norm() + _cosine(f, g) * f / f.norm()) / f.norm(),
        ),
        Misconception(
            "one_norm_too_few",
            "In the second term f needs two powers of its norm: Sim f / ||f||^2, one to make f "
            "a unit arrow and one from the derivative.",
            lambda f, g: g / (f.norm() * g.norm()) - _cosine(f, g) * f / f.norm(),
        ),
        Misconception(
            "forgot_the_square",
            "The second term has no norm of f at all. It is Sim f / ||f||^2.",
            lambda f, g: g / (f.norm() * g.norm()) - _cosine(f, g) * f,
        ),
        Misconception(
            "assumed_unit_frames",
            "This is right where both frames have norm 1, and only there. Put f / ||f|| and "
            "g / ||g|| in, and divide the whole by ||f||.",
            lambda f, g: g - _dot(f, g) * f,
        ),
        Misconception(
            "normalised_the_gradient",
            "You made the gradient a unit arrow. Its direction is right, but its length says "
            "how fast the cosine changes; keep it.",
            lambda f, g: functional.normalize(_gradient(f, g).flatten(), dim=0).reshape(f.shape),
            matches=_is_its_direction,
        ),
    ),
    draw=_draw_gradient,
)


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
    reference=lambda s, norm: _sine(s) / norm,
    cases=_length_cases,
    tolerance={torch.float64: 1e-6},  # torch.tensor(number) is float32, and right as well
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
    return float(f.norm()), float(g.norm()), float(_gradient(f, g).norm())


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
    if measured[2] > arguments[0] * (1 + 4 * torch.finfo(value[0].dtype).eps):
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


COUNTEREXAMPLE_UPPER_BOUND = Exercise(
    name="counterexample_upper_bound",
    lesson=LESSON,
    title="Break the printed bound",
    reference=lambda limit: _right_angle(0.5 / limit),
    cases=lambda generator: [
        Case(f"limit = {limit:g}", (limit,)) for limit in (2.0, 10.0, 1e3, 1e6)
    ],
    misconceptions=(
        Misconception(
            "made_f_long",
            "Your f is longer than 1. A long frame has a short gradient: go the other way.",
            lambda limit: _right_angle(2 * limit),
            matches=_on_measures(lambda limit, f, g, slope: f > 1 + 1e-6),
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
            "Your pair breaks a small limit, but not a large one. Let ||f|| depend on the limit: "
            "no bound of any size survives.",
            lambda limit: _right_angle(0.01),
            matches=_on_measures(
                # Any fixed pair has one slope: it beats the smallest limit, not the largest.
                lambda limit, f, g, slope: 2 < limit < 1e6 or (slope > limit) == (limit == 2)
            ),
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


EXERCISES: tuple[Exercise, ...] = (
    COSINE_AFTER_SCALING,
    COSINE_OF_FRAMES,
    ADJACENT_SIMILARITY,
    COSINE_GRADIENT,
    GRADIENT_NORM,
    COUNTEREXAMPLE_UPPER_BOUND,
)

"""The gradient of a cosine (Lemma 4.2, Eq. 20)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from classroom.exercises.exercise import Case, Exercise, Misconception
from lessons.cosine_similarity.exercises.shared import LESSON, cosine, dot, frame_pairs

# The gradient


def gradient(f: Tensor, g: Tensor) -> Tensor:
    return (g / g.norm() - cosine(f, g) * f / f.norm()) / f.norm()


def _is_its_direction(arguments: tuple, value: object) -> bool:
    """Return whether a value is the gradient made as long as 1; 0 / 0 may be anything."""
    expected = gradient(*(frame.double() for frame in arguments))
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
    reference=gradient,
    cases=lambda generator: [Case(label, (f, g)) for label, f, g in frame_pairs(generator)],
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
            lambda f, g: gradient(f, g) * f.norm(),
        ),
        Misconception(
            "forgot_the_norm_of_g",
            "Your gradient grows with g. The length of g does not matter: use g / ||g||.",
            lambda f, g: gradient(f, g) * g.norm(),
        ),
        Misconception(
            "with_respect_to_g",
            "This is the gradient with respect to g. The one with respect to f points from f "
            "towards g.",
            lambda f, g: gradient(g, f),
        ),
        Misconception(
            "wrong_sign",
            "The sign is turned round: your arrow leads away from g, where the cosine falls. "
            "That would be the gradient of 1 - Sim.",
            lambda f, g: -gradient(f, g),
        ),
        Misconception(
            "plus_instead_of_minus",
            "The second term has the wrong sign. The quotient rule subtracts it, and only then "
            "is the gradient orthogonal to f.",
            lambda f, g: (g / g.norm() + cosine(f, g) * f / f.norm()) / f.norm(),
        ),
        Misconception(
            "one_norm_too_few",
            "In the second term f needs two powers of its norm: Sim f / ||f||^2, one to make f "
            "a unit arrow and one from the derivative.",
            lambda f, g: g / (f.norm() * g.norm()) - cosine(f, g) * f / f.norm(),
        ),
        Misconception(
            "forgot_the_square",
            "The second term has no norm of f at all. It is Sim f / ||f||^2.",
            lambda f, g: g / (f.norm() * g.norm()) - cosine(f, g) * f,
        ),
        Misconception(
            "assumed_unit_frames",
            "This is right where both frames have norm 1, and only there. Put f / ||f|| and "
            "g / ||g|| in, and divide the whole by ||f||.",
            lambda f, g: g - dot(f, g) * f,
        ),
        Misconception(
            "normalised_the_gradient",
            "You made the gradient a unit arrow. Its direction is right, but its length says "
            "how fast the cosine changes; keep it.",
            lambda f, g: functional.normalize(gradient(f, g).flatten(), dim=0).reshape(f.shape),
            matches=_is_its_direction,
        ),
        Misconception(
            "for_unit_frames",
            "This is right for frames of norm 1. For others f must be divided by its norm too, "
            "and the whole by ||f|| once more.",
            lambda f, g: g / g.norm() - cosine(f, g) * f,
        ),
    ),
    draw=_draw_gradient,
)

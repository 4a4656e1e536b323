"""One step of descent, and the norms after it (Eq. 17)."""

from __future__ import annotations

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception, Property
from classroom.exercises.inputs import DTYPES, frames_reversed
from classroom.exercises.variations import Variation
from course.temporal import temporal_loss_gradient
from lessons.gradient_descent.exercises.shared import (
    LESSON,
    clips,
    frame_norms,
    per_frame,
    still_clip,
)


def _step_cases(generator: torch.Generator) -> list[Case]:
    """Pair each clip with a step size that moves it by about its own length."""
    rates = (0.7, 1.7, 2.5, 3.5)
    cases = [
        Case(f"{label}, step size {rates[index % 4]}", (clip, rates[index % 4]))
        for index, (label, clip) in enumerate(clips(generator))
    ]
    cases += [Case("four equal frames", (still_clip(dtype), 0.5)) for dtype in DTYPES]
    return cases


_DOUBLED = Variation(
    "frames twice as long, step four times as large",
    lambda arguments: (2 * arguments[0], 4 * arguments[1]),
    lambda value, arguments: 2 * value,  # gradients shrink as frames grow
)


# One step


def _descent_step(features: Tensor, learning_rate: float) -> Tensor:
    return features - learning_rate * temporal_loss_gradient(features)


def _climbed(features: Tensor, learning_rate: float) -> Tensor:
    return features + learning_rate * temporal_loss_gradient(features)


def _full_step(features: Tensor, learning_rate: float) -> Tensor:
    return features - temporal_loss_gradient(features)


def _projected_back(features: Tensor, learning_rate: float) -> Tensor:
    moved = _descent_step(features, learning_rate)
    return moved * per_frame(frame_norms(features) / frame_norms(moved), features)


def _unit_gradient(features: Tensor, learning_rate: float) -> Tensor:
    gradient = temporal_loss_gradient(features)
    length = gradient.norm()
    return features - learning_rate * (gradient / length if length > 0 else gradient)


def _only_the_change(features: Tensor, learning_rate: float) -> Tensor:
    return -learning_rate * temporal_loss_gradient(features)


def _falls_at_first(arguments: tuple, answer: Tensor) -> str | None:
    """Check the direction: a step must not go uphill, whatever its length."""
    features, _ = arguments
    gradient = temporal_loss_gradient(features).double()
    uphill = ((answer.double() - features.double()) * gradient).sum()
    if uphill > 1e-5 * (1 + gradient.square().sum()):
        return "The step goes along the gradient, so the loss rises at first."
    return None


DESCENT_STEP = Exercise(
    name="descent_step",
    lesson=LESSON,
    title="One step of descent",
    reference=_descent_step,
    cases=_step_cases,
    misconceptions=(
        Misconception(
            "climbed",
            "Your step follows the gradient, and the gradient points uphill. Eq. 17 has a "
            "minus sign.",
            _climbed,
        ),
        Misconception(
            "forgot_the_learning_rate",
            "Your step does not depend on the learning rate. Multiply the gradient by it.",
            _full_step,
        ),
        Misconception(
            "projected_back",
            "You brought each frame back to its old norm after the step. Eq. 17 does not, "
            "and the growth of the norms is just what makes the proof work.",
            _projected_back,
        ),
        Misconception(
            "normalised_the_gradient",
            "You divided the gradient by its norm, so the step keeps its length even near a "
            "minimum. Eq. 17 uses the gradient as it is.",
            _unit_gradient,
        ),
        Misconception(
            "returned_only_the_change",
            "This is the change and not the new frames. Add it to the features.",
            _only_the_change,
        ),
    ),
    properties=(Property("goes downhill", _falls_at_first),),
    variations=(frames_reversed(lambda value: value.flip(0)), _DOUBLED),
)


# Norms after a step


def _norms_after_step(features: Tensor, learning_rate: float) -> Tensor:
    gradient = frame_norms(temporal_loss_gradient(features))
    return (frame_norms(features).square() + (learning_rate * gradient).square()).sqrt()


def _added_norms(features: Tensor, learning_rate: float) -> Tensor:
    return frame_norms(features) + learning_rate * frame_norms(temporal_loss_gradient(features))


def _rate_not_squared(features: Tensor, learning_rate: float) -> Tensor:
    gradient = frame_norms(temporal_loss_gradient(features))
    return (frame_norms(features).square() + learning_rate * gradient.square()).sqrt()


def _whole_gradient(features: Tensor, learning_rate: float) -> Tensor:
    gradient = temporal_loss_gradient(features).norm()
    return (frame_norms(features).square() + (learning_rate * gradient).square()).sqrt()


def _no_root(features: Tensor, learning_rate: float) -> Tensor:
    return _norms_after_step(features, learning_rate).square()


def _norms_before(features: Tensor, learning_rate: float) -> Tensor:
    return frame_norms(features)


def _never_shorter(arguments: tuple, answer: Tensor) -> str | None:
    before = frame_norms(arguments[0])
    if bool((answer < before * (1 - 1e-5)).any()):
        return "A norm comes out below its start; a step at a right angle cannot do that."
    return None


NORMS_AFTER_STEP = Exercise(
    name="norms_after_step",
    lesson=LESSON,
    title="The norms after a step",
    reference=_norms_after_step,
    cases=_step_cases,
    misconceptions=(
        Misconception(
            "added_the_norms",
            "You added the two lengths, as if the step pointed along the frame. It stands at a "
            "right angle to it: add the squares.",
            _added_norms,
        ),
        Misconception(
            "step_size_not_squared",
            "The step is learning_rate times the gradient, so its square has the square of "
            "learning_rate in it too.",
            _rate_not_squared,
        ),
        Misconception(
            "norm_of_the_whole_gradient",
            "You used the norm of the whole gradient for each frame. A frame moves only by its "
            "own part: take one norm per frame.",
            _whole_gradient,
        ),
        Misconception(
            "forgot_the_root",
            "These are the squared norms. Take the square root.",
            _no_root,
        ),
        Misconception(
            "assumed_norms_stay",
            "You returned the norms before the step. The gradient has no part along the frame, "
            "but a step along the tangent still leaves the circle.",
            _norms_before,
        ),
    ),
    properties=(Property("no norm falls", _never_shorter),),
    variations=(frames_reversed(lambda value: value.flip(0)), _DOUBLED),
)

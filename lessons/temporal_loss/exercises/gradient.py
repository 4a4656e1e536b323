"""The gradient of one frame (Lemma 4.3, Eq. 60)."""

from __future__ import annotations

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception
from lessons.temporal_loss.exercises.matrix import fixed_ends, second_difference
from lessons.temporal_loss.exercises.shared import LESSON, clips, neighbour_similarities

# The gradient of one frame


def _frame_cases(generator: torch.Generator) -> list[Case]:
    places = {3: (0, 1), 4: (1, 3), 5: (2,), 6: (3,), 12: (6,), 40: (1, 38)}
    return [
        Case(f"{label}, frame {frame}", (features, frame))
        for label, features in clips(generator)
        for frame in places[len(features)]
    ]


def _cosine_gradient(f: Tensor, g: Tensor) -> Tensor:
    similarity = (f * g).sum() / (f.norm() * g.norm())
    return (g / g.norm() - similarity * f / f.norm()) / f.norm()


def _pulls(features: Tensor) -> Tensor:
    """Return dL/ds, (T-1,): 2/(T-1) D'D s."""
    return (
        second_difference(len(features), features.dtype)
        @ neighbour_similarities(features)
        * (2 / (len(features) - 1))
    )


def _spread(features: Tensor, frame: int, pulls: Tensor, gradient=_cosine_gradient) -> Tensor:
    """Carry dL/ds on to one frame, through the one or two similarities that it takes part in."""
    total = torch.zeros_like(features[frame])
    if frame > 0:
        total = total + pulls[frame - 1] * gradient(features[frame], features[frame - 1])
    if frame < len(features) - 1:
        total = total + pulls[frame] * gradient(features[frame], features[frame + 1])
    return total


def _loss_gradient(features: Tensor, frame: int) -> Tensor:
    return _spread(features, frame, _pulls(features))


def _half_gradient(features: Tensor, frame: int) -> Tensor:
    return _loss_gradient(features, frame) / 2


def _wrong_divisor(features: Tensor, frame: int) -> Tensor:
    return _loss_gradient(features, frame) * (len(features) - 1) / (len(features) - 2)


def _only_next(features: Tensor, frame: int) -> Tensor:
    pulls = _pulls(features)
    if frame == len(features) - 1:
        return torch.zeros_like(features[frame])
    return pulls[frame] * _cosine_gradient(features[frame], features[frame + 1])


def _one_difference(features: Tensor, frame: int) -> Tensor:
    if frame in (0, len(features) - 1):
        return torch.zeros_like(features[frame])
    pulls = torch.zeros_like(_pulls(features))
    step = 2 / (len(features) - 1) * neighbour_similarities(features).diff()[frame - 1]
    pulls[frame - 1], pulls[frame] = -step, step
    return _spread(features, frame, pulls)


def _kept_radial(features: Tensor, frame: int) -> Tensor:
    return _spread(features, frame, _pulls(features), lambda f, g: g / (f.norm() * g.norm()))


def _gradient_with_fixed_ends(features: Tensor, frame: int) -> Tensor:
    matrix = fixed_ends(len(features), features.dtype)
    pulls = matrix @ neighbour_similarities(features) * (2 / (len(features) - 1))
    return _spread(features, frame, pulls)


def _wraps_around(features: Tensor, frame: int) -> Tensor:
    """Use index -1 before the first frame, which Python takes for the last."""
    pulls = _pulls(features)
    total = pulls[frame - 1] * _cosine_gradient(features[frame], features[frame - 1])
    if frame < len(features) - 1:
        total = total + pulls[frame] * _cosine_gradient(features[frame], features[frame + 1])
    return total


def _in_the_other_argument(features: Tensor, frame: int) -> Tensor:
    return _spread(features, frame, _pulls(features), lambda f, g: _cosine_gradient(g, f))


def _similarities_for_pulls(features: Tensor, frame: int) -> Tensor:
    return _spread(features, frame, neighbour_similarities(features))


def _similarities_scaled(features: Tensor, frame: int) -> Tensor:
    factor = 2 / (len(features) - 1)
    return _spread(features, frame, factor * neighbour_similarities(features))


def _counted_from_one(features: Tensor, frame: int) -> Tensor:
    return _loss_gradient(features, (frame - 1) % len(features))


def _last_two_pulls(features: Tensor, frame: int) -> Tensor:
    """Give each neighbour the pull of the other one, where there are two."""
    pulls = _pulls(features)
    if 0 < frame < len(features) - 1:
        pulls[frame - 1], pulls[frame] = pulls[frame].clone(), pulls[frame - 1].clone()
    return _spread(features, frame, pulls)


def _subtracted(features: Tensor, frame: int) -> Tensor:
    pulls = _pulls(features).clone()
    pulls[frame:] = -pulls[frame:]
    return _spread(features, frame, pulls)


LOSS_GRADIENT_OF_FRAME = Exercise(
    name="loss_gradient_of_frame",
    lesson=LESSON,
    title="The gradient that one frame feels",
    reference=_loss_gradient,
    cases=_frame_cases,
    misconceptions=(
        Misconception(
            "forgot_the_two",
            "Your gradient is half of what is wanted. The derivative of a square brings a 2.",
            _half_gradient,
        ),
        Misconception(
            "divisor_t_minus_2",
            "The direction is right, but you divide by T-2. Eq. 19 divides by T-1.",
            _wrong_divisor,
        ),
        Misconception(
            "only_the_next_similarity",
            "You used the similarity with the next frame only. Frame t also takes part in the "
            "one with the frame before it.",
            _only_next,
        ),
        Misconception(
            "only_the_middle_difference",
            "You used the one difference that has the frame in its middle. Its two similarities "
            "also stand in the difference before and the one after.",
            _one_difference,
        ),
        Misconception(
            "kept_the_radial_part",
            "You left out -Sim f/||f|| in the gradient of the cosine. The result must be "
            "orthogonal to the frame, since its length does not matter (lesson 01).",
            _kept_radial,
        ),
        Misconception(
            "fixed_ends",
            "At the ends of the clip you used 2 in the corner of D'D. The first and the last "
            "similarity stand in one difference only.",
            _gradient_with_fixed_ends,
        ),
        Misconception(
            "wrapped_around",
            "At frame 0 Python reads index -1 as the last one, so the first frame feels the last. "
            "It has no frame before it: leave that part out.",
            _wraps_around,
        ),
        Misconception(
            "in_the_other_argument",
            "These are gradients with respect to the neighbours. Put features[frame] first: it is "
            "the one that moves.",
            _in_the_other_argument,
        ),
        Misconception(
            "similarities_for_pulls",
            "You multiplied by the similarities themselves. The factor is the derivative of the "
            "loss by each of them, 2/(T-1) D'D s.",
            _similarities_for_pulls,
        ),
        Misconception(
            "similarities_without_the_matrix",
            "You multiplied by 2/(T-1) s. The matrix D'D is missing: the loss is made of the "
            "differences of s, not of s.",
            _similarities_scaled,
        ),
        Misconception(
            "counted_from_one",
            "This is the gradient of the frame before (at frame 0: of the last one). `frame` "
            "counts from 0.",
            _counted_from_one,
        ),
        Misconception(
            "swapped_the_pulls",
            "The two factors have changed places. Similarity t - 1 belongs to the frame before, "
            "similarity t to the frame after.",
            _last_two_pulls,
        ),
        Misconception(
            "wrong_sign",
            "The sign is turned round. This is the way down; the gradient points up.",
            lambda features, frame: -_loss_gradient(features, frame),
        ),
        Misconception(
            "subtracted_one_part",
            "You subtract one of the two parts. The frame stands in both similarities, and the "
            "two parts of the chain rule add up.",
            _subtracted,
        ),
    ),
)

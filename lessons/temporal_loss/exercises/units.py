"""Exercise of lesson 02 on units: what scaling all frames does to the loss and its derivatives.

The loss is a function of directions alone (Theorem 4.1). So a clip that is c times as long has the
same loss, and each derivative is divided by c once: the Hessian by c squared, where the constants
of Lemma 4.3 and Theorem 4.4 have it by c.
"""

from __future__ import annotations

import torch

from classroom.exercises.exercise import Case, Exercise, Misconception
from lessons.temporal_loss.exercises.shared import LESSON


def _factors(factor: float) -> tuple[float, float, float]:
    return 1.0, 1 / factor, 1 / factor**2


def _cases(generator: torch.Generator) -> list[Case]:
    drawn = torch.rand(4, generator=generator, dtype=torch.float64).mul(4).sub(2)
    factors = [2.0, 0.1, 1.0, 0.5, 10.0, 1000.0, *(10**drawn).tolist()]
    return [Case(f"all frames {factor:g} times as long", (factor,)) for factor in factors]


FACTORS_OF_SCALING = Exercise(
    name="factors_of_scaling",
    lesson=LESSON,
    title="Loss, gradient and Hessian of longer frames",
    reference=_factors,
    cases=_cases,
    misconceptions=(
        Misconception(
            "derivatives_grow",
            "Your derivatives grow with the frames. The loss stays, and a longer frame turns less "
            "for the same step: a derivative is divided by the factor.",
            lambda factor: (1.0, factor, factor**2),
        ),
        Misconception(
            "one_division_for_two_derivatives",
            "This is what the printed constants say: gradient and Hessian alike. The Hessian is "
            "the derivative of the gradient, so it is divided once more.",
            lambda factor: (1.0, 1 / factor, 1 / factor),
        ),
        Misconception(
            "loss_with_a_length",
            "A loss that is a length would grow like this. This one is made of cosines, which do "
            "not know how long their arrows are.",
            lambda factor: (factor, 1.0, 1 / factor),
        ),
        Misconception(
            "loss_of_squares",
            "A loss made of squared lengths would do this, a squared distance for example. Here "
            "cosines are squared, and they have no unit.",
            lambda factor: (factor**2, factor, 1.0),
        ),
        Misconception(
            "nothing_changes",
            "The loss stays, and you let its derivatives stay as well. They divide by a length: "
            "the same step turns a longer frame by less.",
            lambda factor: (1.0, 1.0, 1.0),
        ),
        Misconception(
            "gradient_stays",
            "You let the gradient stay and divide the Hessian once. Count again: one derivative is "
            "one division, two are two.",
            lambda factor: (1.0, 1.0, 1 / factor),
        ),
    ),
    returns="any",
)

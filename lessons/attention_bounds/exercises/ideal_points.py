"""How many ideal points there are: the fixed points of Eq. 43."""

from __future__ import annotations

from classroom.exercises.exercise import Case, Exercise, Misconception
from lessons.attention_bounds.exercises.shared import LESSON

# How many ideal points


def _count(weight: float) -> int:
    return 3 if weight > 1 else 1


# From 0.999 on the outer solutions lie so near to 0 that a coarse grid misses them.
_WEIGHTS = (0.3, 0.9, 1.0, 1.2, 3.0, -0.5, -3.0, 0.999, 1.001, 1.00001, 1.05, 40.0, -1.0, 0.0)


COUNT_IDEAL_POINTS = Exercise(
    name="count_ideal_points",
    lesson=LESSON,
    title="How many ideal points?",
    reference=_count,
    cases=lambda generator: [Case(f"w = {weight:g}", (weight,)) for weight in _WEIGHTS],
    misconceptions=(
        Misconception(
            "always_one",
            "Brouwer gives at least one solution. It does not say that there is only one: draw "
            "tanh(3x) and x.",
            lambda weight: 1,
        ),
        Misconception(
            "always_three",
            "For a small w the curve is flatter than the line x, and both meet at 0 only.",
            lambda weight: 3,
        ),
        Misconception(
            "forgot_the_mirror_image",
            "tanh is odd: with x also -x is a solution. And 0 always is one.",
            lambda weight: 2 if weight > 1 else 1,
        ),
        Misconception(
            "forgot_zero",
            "x = 0 is a solution for every w. Count it too.",
            lambda weight: 2 if weight > 1 else 0,
        ),
        Misconception(
            "one_counts_as_steep",
            "At w = 1 the curve touches the line at 0 and stays on one side of it beyond: one "
            "solution. Three need w > 1.",
            lambda weight: 3 if weight >= 1 else 1,
        ),
        Misconception(
            "forgot_the_sign",
            "For a negative w the curve falls while the line rises. They meet once, however steep "
            "the curve is.",
            lambda weight: 3 if abs(weight) > 1 else 1,
        ),
        Misconception(
            "threshold_at_two",
            "The slope of tanh at 0 is 1, not 1/2. So the curve is steeper than the line from "
            "w = 1 on.",
            lambda weight: 3 if weight > 2 else 1,
        ),
    ),
    returns="number",
)

"""When left > right is more than rounding: what counts against a bound."""

from __future__ import annotations

import torch

from classroom.exercises.exercise import Case, Exercise, Misconception
from lessons.ledger.exercises.shared import LESSON


def _violation_cases(generator: torch.Generator) -> list[Case]:
    pairs = (
        ("clearly larger", 2.0, 1.0),
        ("clearly smaller", 1.0, 2.0),
        ("equal", 1.0, 1.0),
        ("larger by rounding", 1.0 + 1e-12, 1.0),
        ("smaller by rounding", 1.0, 1.0 + 1e-12),
        ("large numbers, rounding", 1e9 + 1e-2, 1e9),
        ("large numbers, a real difference", 1.001e9, 1e9),
        ("against zero", 0.4, 0.0),
        ("against zero, rounding of 0.1 + 0.2 - 0.3", 5.6e-17, 0.0),
        ("both zero", 0.0, 0.0),
        ("negative and equal", -1.0, -1.0),
        ("negative numbers, rounding", -1e9, -1e9 - 1e-2),
        ("negative numbers, a real difference", -1.0, -2.0),
    )
    cases = [Case(label, (left, right, 1e-9, 1.0)) for label, left, right in pairs]
    small = (("a real difference", 3e-12, 1e-12), ("against zero", 3e-12, 0.0))
    cases += [Case(f"small numbers, {label}", (*pair, 1e-9, 1e-12)) for label, *pair in small]
    large = (("rounding against zero", 1e-3, 0.0), ("more than rounding", 0.1, 0.0))
    cases += [Case(f"made of large numbers, {label}", (*pair, 1e-9, 1e7)) for label, *pair in large]
    # Loose tolerances tell the largest magnitude from the smallest one, the sum and the mean.
    loose = (
        (1.8, 1.0, 0.5, 0.1), (2.5, 1.0, 0.5, 0.1), (1.5, 1.0, 0.1, 0.1), (-1.0, -1.8, 0.5, 0.1),
        (1.8, 1.0, 0.3, 2.5), (1.8, 1.0, 0.3, 3.0), (0.5, 0.1, 0.3, 1.0), (2.2, 1.0, 0.5, 2.0),
        (2.0, 1.0, 0.5, 0.1), (0.0, 0.0, 0.5, 0.0),  # just the tolerance, which is no more than it
    )  # fmt: skip
    for left, right, tolerance, scale in loose:
        label = f"{left} and {right}, tolerance {tolerance}, scale {scale}"
        cases.append(Case(label, (left, right, tolerance, scale)))
    return cases


def _is_violation(left: float, right: float, tolerance: float, scale: float) -> bool:
    return left - right > tolerance * max(abs(left), abs(right), scale)


def _no_tolerance(left: float, right: float, tolerance: float, scale: float) -> bool:
    return left > right


def _absolute_tolerance(left: float, right: float, tolerance: float, scale: float) -> bool:
    return left - right > tolerance


def _any_difference(left: float, right: float, tolerance: float, scale: float) -> bool:
    return abs(left - right) > tolerance * max(abs(left), abs(right), scale)


def _other_way_round(left: float, right: float, tolerance: float, scale: float) -> bool:
    return _is_violation(right, left, tolerance, scale)


def _divided(left: float, right: float, tolerance: float, scale: float) -> bool:
    return left / right > 1 + tolerance


def _without_scale(left: float, right: float, tolerance: float, scale: float) -> bool:
    return left - right > tolerance * max(abs(left), abs(right))


def _by_the_scale_alone(left: float, right: float, tolerance: float, scale: float) -> bool:
    return left - right > tolerance * scale


def _by_the_right_side(left: float, right: float, tolerance: float, scale: float) -> bool:
    return left - right > tolerance * max(abs(right), scale)


def _without_signs(left: float, right: float, tolerance: float, scale: float) -> bool:
    return left - right > tolerance * max(left, right, scale)


def _sum_of_all(left: float, right: float, tolerance: float, scale: float) -> bool:
    return left - right > tolerance * (abs(left) + abs(right) + scale)


def _right_side_enlarged(left: float, right: float, tolerance: float, scale: float) -> bool:
    return left > right * (1 + tolerance)


def _mean_of_sides(left: float, right: float, tolerance: float, scale: float) -> bool:
    return left - right > tolerance * (abs(left) + abs(right)) / 2


def _by_the_right_side_alone(left: float, right: float, tolerance: float, scale: float) -> bool:
    return left - right > tolerance * abs(right)


def _signed_sides_alone(left: float, right: float, tolerance: float, scale: float) -> bool:
    return left - right > tolerance * max(left, right)


def _sum_of_sides(left: float, right: float, tolerance: float, scale: float) -> bool:
    return left - right > tolerance * (abs(left) + abs(right))


def _at_least_one(left: float, right: float, tolerance: float, scale: float) -> bool:
    return left - right > tolerance * max(abs(left), abs(right), 1)


def _share_of_the_left(left: float, right: float, tolerance: float, scale: float) -> bool:
    return (left - right) / left > tolerance


IS_VIOLATION = Exercise(
    name="is_violation",
    lesson=LESSON,
    title="More than rounding",
    reference=_is_violation,
    cases=_violation_cases,
    misconceptions=(
        Misconception(
            "no_tolerance",
            "You took every excess for a violation, rounding included. Ask for more than the "
            "tolerance, as a share of the largest number.",
            _no_tolerance,
        ),
        Misconception(
            "absolute_tolerance",
            "You compared the difference with the tolerance itself. Rounding grows with the "
            "numbers: multiply the tolerance by the largest magnitude.",
            _absolute_tolerance,
        ),
        Misconception(
            "any_difference",
            "You also report a left side that is smaller. The claim says left <= right, so only "
            "a larger left side breaks it.",
            _any_difference,
        ),
        Misconception(
            "other_way_round",
            "You report where the claim holds: left <= right. A violation is left > right.",
            _other_way_round,
        ),
        Misconception(
            "divided",
            "You divided by the right side, which may be 0: the strongest violations have a right "
            "side of zero. Compare the difference.",
            _divided,
        ),
        Misconception(
            "without_scale",
            "You left the scale out. Against a right side of 0 every positive left side is then a "
            "violation, 0.1 + 0.2 - 0.3 too. Take the largest of both magnitudes and the scale.",
            _without_scale,
        ),
        Misconception(
            "scale_alone",
            "You measured by the scale alone. Where the two sides are larger than it, their "
            "rounding is larger too: take the largest of all three.",
            _by_the_scale_alone,
        ),
        Misconception(
            "right_side_alone",
            "You left out the magnitude of the left side. Take the largest of both magnitudes and "
            "the scale.",
            _by_the_right_side,
        ),
        Misconception(
            "without_absolute_values",
            "A negative side has a magnitude too. Take absolute values before the largest.",
            _without_signs,
        ),
        Misconception(
            "right_side_enlarged",
            "You made the right side larger by the tolerance. Where it is 0 nothing is added, and "
            "where it is negative it falls. Take the largest magnitude and the scale.",
            _right_side_enlarged,
        ),
        Misconception(
            "mean_of_the_sides",
            "You took the mean of the two magnitudes. Take the largest of them and of the scale.",
            _mean_of_sides,
        ),
        Misconception(
            "one_for_the_scale",
            "You put 1 in place of the scale. Where the numbers are small or large by nature, that "
            "is too much or too little: use the scale that is given.",
            _at_least_one,
        ),
        Misconception(
            "right_side_without_scale",
            "You measured by the right side alone. Where it is 0, every positive left side is then "
            "a violation. Take the largest of both magnitudes and the scale.",
            _by_the_right_side_alone,
        ),
        Misconception(
            "signed_sides_without_scale",
            "You left the scale out, and the absolute values too. Where no side is above 0 the "
            "allowance is negative. Take the largest of both magnitudes and the scale.",
            _signed_sides_alone,
        ),
        Misconception(
            "sum_of_the_sides",
            "You added the two magnitudes and left the scale out. Take the largest of both "
            "magnitudes and the scale.",
            _sum_of_sides,
        ),
        Misconception(
            "share_of_the_left_side",
            "You divided by the left side. It may be 0 or negative, and small beside the scale. "
            "Compare the difference with the tolerance times the largest of the three.",
            _share_of_the_left,
        ),
        Misconception(
            "sum_of_magnitudes",
            "You added the magnitudes. Take the largest of them.",
            _sum_of_all,
        ),
        Misconception(
            "tolerance_itself_counts",
            "You count an excess of exactly the tolerance, also one of 0. It has to be larger.",
            lambda left, right, tolerance, scale: (
                left - right >= tolerance * max(abs(left), abs(right), scale)
            ),
        ),
    ),
    returns="number",
)

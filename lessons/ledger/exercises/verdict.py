"""What the facts come to, and when left > right is more than rounding (the ledger's verdicts)."""

from __future__ import annotations

import torch

from classroom.exercises.exercise import Case, Exercise, Misconception
from lessons.ledger.exercises.shared import LESSON

# What the facts come to


def _verdict_cases(generator: torch.Generator) -> list[Case]:
    facts = [(a, b, c) for a in (True, False) for b in (True, False) for c in (True, False)]
    return [
        Case(
            f"{'types fit' if typed else 'types do not fit'}, "
            f"{'it fails' if fails else 'no failure'}, {'mended' if mended else 'not mended'}",
            (typed, fails, mended),
        )
        for typed, fails, mended in facts
    ]


def _verdict_of(typed: bool, fails: bool, mended: bool) -> str:
    if not typed:
        return "ill_typed"
    if not fails:
        return "holds"
    return "repaired" if mended else "false"


def _types_do_not_matter(typed: bool, fails: bool, mended: bool) -> str:
    return _verdict_of(True, fails, mended)


def _a_failure_is_the_end(typed: bool, fails: bool, mended: bool) -> str:
    found = _verdict_of(typed, fails, mended)
    return "false" if found == "repaired" else found


def _mended_claims_hold(typed: bool, fails: bool, mended: bool) -> str:
    found = _verdict_of(typed, fails, mended)
    return "holds" if found == "repaired" else found


def _ill_typed_only_if_it_fails(typed: bool, fails: bool, mended: bool) -> str:
    return "holds" if not fails else _verdict_of(typed, fails, mended)


def _repair_first(typed: bool, fails: bool, mended: bool) -> str:
    return "repaired" if mended and typed else _verdict_of(typed, fails, mended)


def _types_last(typed: bool, fails: bool, mended: bool) -> str:
    if fails:
        return "repaired" if mended else "false"
    return "holds" if typed else "ill_typed"


VERDICT_OF = Exercise(
    name="verdict_of",
    lesson=LESSON,
    title="From facts to a verdict",
    reference=_verdict_of,
    cases=_verdict_cases,
    misconceptions=(
        Misconception(
            "types_do_not_matter",
            "You never answered ill_typed. A formula whose sides do not fit together says nothing "
            "that could hold or fail: ask that first.",
            _types_do_not_matter,
        ),
        Misconception(
            "a_failure_is_the_end",
            "You called every claim with a counterexample false. Where a small change of the "
            "statement makes it true, the verdict is repaired.",
            _a_failure_is_the_end,
        ),
        Misconception(
            "mended_claims_hold",
            "You said holds for a claim that fails as printed. The repair is another statement: "
            "the verdict is repaired.",
            _mended_claims_hold,
        ),
        Misconception(
            "ill_typed_only_if_it_fails",
            "You looked for failures before you asked whether the types fit. What does not type "
            "check cannot be tried at all.",
            _ill_typed_only_if_it_fails,
        ),
        Misconception(
            "a_repair_without_a_failure",
            "You said repaired for a claim that never failed. What holds as printed needs no "
            "repair, even if a nicer statement is known.",
            _repair_first,
        ),
        Misconception(
            "types_asked_last",
            "You asked whether the types fit last of all. What does not type check can neither "
            "fail nor be mended: ask that first.",
            _types_last,
        ),
        Misconception(
            "hyphen",
            "The name has an underscore: ill_typed.",
            lambda typed, fails, mended: _verdict_of(typed, fails, mended).replace("_", "-"),
        ),
        Misconception(
            "never_false",
            "You called every failure repaired. Without a mended statement the verdict is false.",
            lambda typed, fails, mended: _verdict_of(typed, fails, True),
        ),
    ),
    returns="text",
)


# When left > right is more than rounding


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
    ),
    returns="number",
)

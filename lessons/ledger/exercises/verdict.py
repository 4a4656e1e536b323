"""What the facts come to: the verdicts of the ledger."""

from __future__ import annotations

import torch

from classroom.exercises.exercise import Case, Exercise, Misconception
from lessons.ledger.exercises.shared import LESSON


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

"""Other right answers, and further wrong ones, to the exercises of lesson 11."""

from __future__ import annotations

import math

import torch

from classroom.exercises import reference
from course.claims import ledger


def verdict_by_table(typed, fails, mended):
    table = {(False, False): "holds", (True, True): "repaired", (True, False): "false"}
    return "ill_typed" if not typed else table[fails, mended and fails]


def verdict_in_one_line(typed, fails, mended):
    return ("holds", "repaired" if mended else "false")[fails] if typed else "ill_typed"


def violation_by_isclose(left, right, tolerance, scale):
    close = math.isclose(left, right, rel_tol=tolerance, abs_tol=tolerance * scale)
    return left > right and not close


def violation_as_a_tensor(left, right, tolerance, scale):
    sides = torch.tensor([left, right, scale], dtype=torch.float64)
    return sides[0] - sides[1] > tolerance * sides.abs().max()


def tightness_in_a_loop(left, right):
    best = -math.inf
    for a, b in zip(left.tolist(), right.tolist()):
        best = max(best, a / b)
    return best


def start_in_a_loop(left, right, starts):
    best = None
    for start in starts:
        ratio = left(start[None])[0] / right(start[None])[0]
        if best is None or ratio > best[0]:
            best = ratio, start
    return best[1]


def start_by_sorting(left, right, starts):
    return starts[torch.argsort(left(starts) / right(starts), descending=True)][0]


ALTERNATIVES = {
    "verdict_of": [verdict_by_table, verdict_in_one_line],
    "is_violation": [violation_by_isclose, violation_as_a_tensor],
    "tightness": [tightness_in_a_loop, lambda a, b: torch.stack([a / b]).amax()],
    "worst_start": [start_in_a_loop, start_by_sorting],
}
WRONG = {
    "verdict_of": [lambda typed, fails, mended: "repaired", lambda typed, fails, mended: None],
    "is_violation": [
        lambda a, b, t, s: a >= b,
        lambda a, b, t, s: True,
        lambda a, b, t, s: a - b > 1e-9 * max(abs(a), abs(b), s),  # a tolerance of its own
        lambda a, b, t, s: a - b > t * abs(b),
        lambda a, b, t, s: a - b > t * abs(a),
        lambda a, b, t, s: a - b > t * min(abs(a), abs(b), s),  # the smallest
        lambda a, b, t, s: a - b > t * (s + max(a, b)),  # right for positive sides only
    ],
    "tightness": [
        lambda a, b: (a / b).median(),
        lambda a, b: a / b,
        lambda a, b: (a / b).abs().max(),
        lambda a, b: (a / b).max().clamp(0, 1),  # a bound may be broken, and far from reached
    ],
    "worst_start": [lambda left, right, starts: starts[0], lambda left, right, starts: starts],
}


def test_the_exercise_reads_verdicts_as_the_ledger_gives_them():
    for claim in ledger():
        if claim.verdict != "ill_typed":
            facts = True, claim.counterexample is not None, claim.repaired is not None
            assert reference("verdict_of")(*facts) == claim.verdict

"""What is said of wrong answers that are no misconception: never a false name, mostly a hint."""

from __future__ import annotations

import re
from functools import cache

import pytest
import torch

import wrong_answers
from classroom.exercises import get, judge, names
from classroom.exercises.judge import Limits
from classroom.exercises.report import Report
from classroom.exercises.trial import attempt

_BARE = ("The number is wrong", "The truth value is wrong", "The text is another", "value")
_COUNTS = ("It is right on", "It is not right yet")


def split(slip: wrong_answers.Slip) -> tuple:
    """Return an answer and the names that fit it."""
    return (slip[0], set(slip[1:])) if isinstance(slip, tuple) else (slip, set())


@cache
def reports(name: str) -> list[tuple[Report, set[str]]]:
    pairs = map(split, wrong_answers.SLIPS[name])
    return [(judge(get(name), answer, limits=Limits(2.0, 10.0)), fits) for answer, fits in pairs]


def says_what_differs(report: Report) -> bool:
    """Return whether a report says more than that a value is wrong, and on how many inputs."""
    lines = [line for line in report.message.split("\n") if not line.startswith(_COUNTS)]
    lines = [line for line in lines if not line.startswith("All that is wrong is too")]
    lines = [re.sub(r"^Value \d+ of the result: (?=The number|\d+ of)", "", each) for each in lines]
    bare = lines[0].startswith(_BARE) or "values are wrong" in lines[0]
    return report.misconception is not None or len(lines) > 1 or not bare


def fails_somewhere(name: str, answer) -> bool:
    exercise = get(name)
    cases = (case for draw in exercise.draws() for case in draw)
    return any(attempt(exercise, answer, case, 2.0, False).fault is not None for case in cases)


def test_each_exercise_has_three_slips_and_an_escape():
    assert set(wrong_answers.SLIPS) == set(wrong_answers.ESCAPES) == set(names())
    assert min(map(len, wrong_answers.SLIPS.values())) >= 3


@pytest.mark.parametrize("name", wrong_answers.SLIPS)
def test_a_slip_fails_and_is_given_no_name_or_one_that_fits(name):
    for index, (report, fits) in enumerate(reports(name)):
        assert report.state == "failed", (index, report.text)
        assert report.misconception is None or report.misconception in fits, (index, report.text)


@pytest.mark.parametrize("name", wrong_answers.ESCAPES)
def test_an_answer_to_the_inputs_and_not_the_question_fails(name):
    answers = [split(slip)[0] for slip in wrong_answers.ESCAPES[name]]
    assert [fails_somewhere(name, answer) for answer in answers] == [True] * len(answers)


def at_most(most):
    return lambda value: value.clamp(max=most) if torch.is_tensor(value) else min(value, most)


def at_least(least):
    return lambda value: value.clamp(min=least) if torch.is_tensor(value) else max(value, least)


LIMITED = [
    ("refined_inversion", 4, at_most(3)),
    ("power_iteration", 3, at_most(5)),
    ("power_iteration", 3, at_least(1)),
    ("step_constant", 1, at_most(10)),
    ("accumulate", 0, at_most(10)),
    ("accumulate", 0, at_least(1)),
    ("rms_combine", 0, at_least(1)),
    ("chain_variance", 1, at_most(1)),
    ("mixture_noise", 2, at_most(2)),
    ("mixture_noise", 3, at_most(1)),
    ("count_ideal_points", 0, lambda weight: weight if weight > 1.0001 else min(weight, 1)),
    ("softmax_norm_range", 1, at_most(100)),
    ("row_bound", 2, at_least(1)),
    ("token_distance", 1, at_most(1e4)),
    ("token_distance", 1, at_least(1e-6)),
    ("sigma_for_displacement", 0, at_least(1e-3)),
    ("spatial_weights", 0, at_most(9)),
    ("bilateral_filter_1d", 2, at_most(3)),
    ("bilateral_filter_1d", 3, at_most(1)),
    ("lora_forward", 4, abs),
    ("merge_lora", 3, at_least(1)),
    ("total_loss", 4, at_most(10)),
    ("tightness", 1, at_least(1e-6)),
    ("loss_of_clip", None, at_most(1)),
    ("signal_to_noise", None, at_least(1e-4)),
    ("safe_step_size", None, at_least(1e-6)),
]


@pytest.mark.parametrize(("name", "index", "limit"), LIMITED)
def test_an_argument_or_a_result_that_is_kept_within_limits_is_found_out(name, index, limit):
    right = get(name).reference

    def limited(*given):
        if index is None:
            return limit(right(*given))
        return right(*given[:index], limit(given[index]), *given[index + 1 :])

    assert fails_somewhere(name, limited)


EYE, EDGE = torch.eye(2, dtype=torch.float64), torch.tensor([[0.0, 1e35], [0.0, 1e35]])
ONE_FOR_ALL = {
    "counterexample_upper_bound": lambda limit: (1e-35 * EYE[0], EYE[1]),
    "counterexample_perfect_start": lambda limit: (EDGE.double()[None, None], 1e35),
    "break_the_printed_bound": lambda factor: (EYE.sum(1, keepdim=True), 1e40 * EYE[:1, :1]),
    "unreachable_target": lambda queries, error: -1e35 * queries,
}


@pytest.mark.parametrize("name", ONE_FOR_ALL)
def test_one_answer_for_every_limit_fails_however_far_it_goes(name):
    answer, exercise = ONE_FOR_ALL[name], get(name)
    assert not fails_somewhere(name, answer)  # on each input by itself it is right
    report = judge(exercise, answer)
    named = [each.name for each in exercise.misconceptions if each.though_right]
    assert report.state == "failed" and [report.misconception] == named


def test_half_of_the_slips_get_a_name_or_are_told_what_differs():
    told = [says_what_differs(report) for name in names() for report, _ in reports(name)]
    assert sum(told) >= len(told) / 2

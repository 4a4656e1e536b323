"""Wrong answers as code: what is shown is code that runs and earns the report beside it."""

from __future__ import annotations

import ast
import math

import pytest
import torch
from torch import Tensor

from classroom.exercises import get, judge, names
from classroom.site.answers import MOST, REFERENCE, code_of, wrong_answers

EXERCISES = ("neighbour_pairs", "loss_of_clip", "dark_pixel", "loss_gradient_of_frame")


def right(values: Tensor) -> Tensor:
    return values.sum()


def helped(values: Tensor) -> Tensor:
    return right(values) / 2


def factory(power: int):
    return lambda values: values**power


half = lambda values: right(values) / 2  # noqa: E731
tenth, fifth = (lambda values: values / 10), (lambda values: values / 5)


@pytest.mark.parametrize("name", names())
def test_every_exercise_has_three_wrong_answers_with_code_that_python_reads(name):
    exercise = get(name)
    codes = [code_of(m.answer, name, exercise.reference) for m in exercise.misconceptions]
    shown = [code for code in codes if code]
    assert len(shown) >= MOST
    for code in shown:
        assert any(getattr(each, "name", "") == name for each in ast.parse(code).body)


@pytest.mark.parametrize("name", EXERCISES)
def test_the_code_that_is_shown_earns_the_report_beside_it(name):
    exercise = get(name)
    for answer in wrong_answers(exercise):
        space = {"math": math, "torch": torch, "Tensor": Tensor, REFERENCE: exercise.reference}
        exec(answer.code, space)
        report = judge(exercise, space[name])
        assert report.misconception == answer.title.replace(" ", "_")
        assert report._repr_html_() == answer.card


def test_the_first_three_are_shown_in_the_order_of_the_exercise():
    exercise = get("loss_of_clip")
    titles = [answer.title for answer in wrong_answers(exercise)]
    assert titles == [m.name.replace("_", " ") for m in exercise.misconceptions][:3]


def test_a_lambda_is_written_as_the_function_that_it_is():
    assert code_of(tenth, "share", right) == "def share(values):\n    return values / 10"
    assert code_of(fifth, "share", right) == "def share(values):\n    return values / 5"


def test_a_lambda_that_calls_a_module_has_code_to_show():
    assert code_of(lambda values: torch.sum(values), "share", right).endswith("torch.sum(values)")


def test_a_function_that_carries_values_has_no_code_to_show():
    assert code_of(factory(3), "share", right) is None


def test_the_right_answer_itself_is_never_shown_as_a_wrong_one():
    assert code_of(right, "share", right) is None

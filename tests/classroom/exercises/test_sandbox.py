"""What an answer must not do to the check, the notebook and the marks."""

from __future__ import annotations

import builtins
import math
import signal
import sys
import time
import warnings

import pytest
import torch

from classroom import exercises
from classroom.exercises import Limits, check, judge
from classroom.exercises.registry import reference

from .test_core import DOUBLE, PLAIN, QUICK, variant


def printing(x):
    for number in range(3_000):
        print("line", number)
    return 2 * x


def warning(x):
    warnings.warn("to copy construct", UserWarning, stacklevel=1)
    print("an error", file=sys.stderr)
    return 2 * x


def asking(x):
    return 2 * x * float(input("how much? "))


def endless(x):
    sys.setrecursionlimit(10**6)
    return endless(x)


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def unspeakable(x):
    raise Unspeakable


class Ending(BaseException):
    def __str__(self):
        raise SystemExit


def ending(x):
    raise Ending


def deaf(x):
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    time.sleep(0.3)
    return 2 * x


class Nothing:
    """An object on which nothing works."""

    def __getattribute__(self, name):
        raise RuntimeError(name)


def test_a_flood_of_output_is_cut(capsys):
    assert judge(DOUBLE, printing).passed
    printed = capsys.readouterr().out
    assert len(printed) < 2_500 and "characters more, not shown" in printed


def test_nothing_is_written_to_stderr(capsys):
    assert judge(DOUBLE, warning).passed
    captured = capsys.readouterr()
    assert not captured.err and "an error" in captured.out


def test_input_is_refused_and_said():
    before = builtins.input
    assert "waits for a person" in judge(DOUBLE, asking).text
    assert builtins.input is before


def test_an_endless_recursion_is_told_whatever_limit_it_sets():
    limits = sys.getrecursionlimit(), sys.setrecursionlimit
    assert "RecursionError" in judge(DOUBLE, endless).text
    assert (sys.getrecursionlimit(), sys.setrecursionlimit) == limits


@pytest.mark.parametrize(
    "answer",
    [
        unspeakable,
        ending,
        lambda x: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
        lambda x: Nothing(),
        lambda x: {"a": x}.items(),
    ],
)
def test_the_strangest_answers_are_reported(answer):
    assert judge(DOUBLE, answer, limits=QUICK).state == "failed"
    assert judge(PLAIN, answer, limits=QUICK)._repr_html_()


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="no alarm to switch off")
def test_an_answer_that_switches_the_alarm_off_is_ended_after_the_input_that_it_is_at():
    report = judge(DOUBLE, deaf, limits=Limits(0.1, 0.2))
    assert "All inputs together took more than 0.2 seconds" in report.message


def test_a_replaced_function_of_torch_passes_nothing(monkeypatch):
    exercise = variant(reference=lambda x: x.abs(), misconceptions=())
    monkeypatch.setattr(torch.Tensor, "abs", lambda self: self, raising=False)
    assert judge(exercise, lambda x: x).state == "failed"
    assert torch.Tensor.abs(torch.tensor(-1.0)) == -1  # and the notebook has its own again


def test_an_answer_that_replaces_functions_passes_nothing():
    def meddling(x):
        math.sin = torch.Tensor.abs = torch.sin = lambda x: x
        return x.sin()

    exercise = variant(reference=lambda x: x.sin().abs(), misconceptions=())
    before = math.sin
    assert judge(exercise, meddling).state == "failed"
    assert math.sin is before and torch.tensor(-1.0).abs() == 1


@pytest.fixture
def graded(monkeypatch):
    monkeypatch.setattr(sys.modules["classroom.exercises.registry"], "registry", registered)
    monkeypatch.setattr(exercises, "registry", registered)
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")


def registered():
    return {"double": DOUBLE}


def test_the_courses_own_answers_earn_nothing(graded):
    own = reference("double")
    for answer in (own, lambda x: own(x), lambda x: reference("double")(x)):
        with pytest.raises(AssertionError):
            check("double", answer)
    assert check("double", lambda x: x + x).passed


def test_outside_of_an_answer_the_reference_may_be_called(graded):
    assert float(reference("double")(torch.tensor(2.0))) == 4


def test_the_check_runs_under_the_default_dtype_of_the_notebook():
    torch.set_default_dtype(torch.float64)
    try:
        assert judge(DOUBLE, lambda x: torch.tensor([2.0]) * x).passed
        assert judge(DOUBLE, lambda x: torch.zeros(x.shape) + 2 * x).passed
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_numbers_float32_constant_is_right_and_half_precision_is_not():
    exercise = variant(
        reference=lambda n: math.sqrt(2) * n,
        cases=lambda g: [exercises.Case(f"{n}", (n,)) for n in (1, 2, 3)],
        misconceptions=(),
        returns="number",
    )
    assert judge(exercise, lambda n: n * torch.tensor(2.0).sqrt()).passed
    assert judge(exercise, lambda n: n * torch.tensor(2.0).sqrt().half()).state == "failed"

"""The machinery of checks, on small exercises made up here."""

from __future__ import annotations

import functools
import random
import signal
import sys
import threading
import time
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from classroom import exercises
from classroom.exercises import Case, Exercise, Limits, Misconception, Property, judge
from classroom.exercises.guard import TimeLimit, limited
from classroom.exercises.registry import collect

QUICK = Limits(case=0.2, total=2.0)


def cases(generator: torch.Generator) -> list[Case]:
    shapes = [(2,), (2, 3), (4, 3, 2), (64,)]
    return [
        Case(f"{shape} {dtype}", (torch.randn(shape, generator=generator, dtype=dtype),))
        for shape in shapes
        for dtype in (torch.float64, torch.float32)
    ]


def in_place(x: Tensor) -> Tensor:
    return x.mul_(2)


def crash(x: Tensor) -> Tensor:
    raise IndexError("one too many")


def cubed(x: Tensor) -> Tensor:
    return x**3


DOUBLE = Exercise(
    name="double",
    lesson="90_made_up",
    title="Twice",
    reference=lambda x: 2 * x,
    cases=cases,
    misconceptions=(
        Misconception("squared", "You squared it. Multiply by two.", lambda x: x**2),
        Misconception("in_place", "You doubled the input itself. Make a copy.", in_place),
        Misconception("too_far", "The index runs too far. Count again.", crash),
        Misconception("flat", "You flattened it. Keep the shape.", lambda x: 2 * x.flatten()[None]),
        Misconception("single", "You made it float32. Keep dtypes.", lambda x: (2 * x).float()),
    ),
)


def variant(**fields) -> Exercise:
    return Exercise(**{**DOUBLE.__dict__, **fields})


PLAIN = variant(misconceptions=())


def said(answer, exercise=DOUBLE) -> str:
    report = judge(exercise, answer, limits=QUICK)
    assert report.state == "failed", report.text
    return report.text


class Twice(nn.Module):
    def forward(self, x):
        return x + x


class Callable:
    def __call__(self, x):
        return x + x


def by_numpy(x):
    return torch.from_numpy(np.add(x.numpy(), x.numpy()))


def by_loop(x):
    return torch.stack([value + value for value in x.flatten()]).reshape(x.shape)


def by_autograd(x):
    x = x.requires_grad_()
    return torch.autograd.grad((x**2).sum(), x)[0]


def with_gradient(x):
    return 2 * x.clone().requires_grad_()


@pytest.mark.parametrize(
    "answer",
    [
        Twice(),
        Callable(),
        by_numpy,
        by_loop,
        by_autograd,
        with_gradient,
        functools.partial(torch.mul, other=2),
        Twice().forward,
        lambda *a: a[0] * 2,
    ],
)
def test_right_answers_of_every_kind_pass(answer):
    report = judge(DOUBLE, answer)
    assert report.passed, report.text


@pytest.mark.parametrize("misconception", DOUBLE.misconceptions, ids=lambda each: each.name)
def test_a_misconception_is_known_by_all_of_its_behaviour(misconception):
    report = judge(DOUBLE, misconception.answer)
    assert report.misconception == misconception.name
    assert misconception.hint in report.message


def test_a_misconception_is_known_where_it_is_defined():
    def guarded(x):
        return x**2 if x.ndim > 1 else x * x

    known = Misconception("squared", "You squared it.", lambda x: x**2 if x.ndim < 3 else x / 0 * 0)
    assert judge(variant(misconceptions=(known,)), guarded).misconception == "squared"


def test_an_answer_is_not_called_by_a_misconception_that_it_only_meets_once():
    once = Misconception("tripled", "You tripled it.", lambda x: 3 * x)
    report = judge(variant(misconceptions=(once,)), lambda x: 3 * x if x.shape == (2,) else x)
    assert report.state == "failed" and report.misconception is None


def stub(x):
    raise NotImplementedError


def invited(x):
    # YOUR CODE HERE
    raise NotImplementedError()


def empty(x):
    """Only words."""


def dots(x): ...


@pytest.mark.parametrize("answer", [stub, invited, ...])
def test_what_is_not_written_is_not_attempted(answer):
    assert judge(DOUBLE, answer).state == "not attempted"


@pytest.mark.parametrize("answer", [empty, dots, lambda x: None])
def test_a_body_that_returns_nothing_is_said_to_return_none(answer):
    assert "It returned None" in said(answer)


def test_another_error_of_the_same_type_is_not_the_misconception():
    def slip(x):
        raise IndexError("list out of range: index 7")

    assert judge(DOUBLE, slip).misconception is None


def test_inputs_that_are_slow_together_are_said_to_be_slow():
    def slow(x):
        time.sleep(0.03)
        return 2 * x

    report = judge(DOUBLE, slow, limits=Limits(case=60.0, total=0.1))
    assert "together took more than 0.1 seconds" in report.message


def test_a_report_says_what_kind_of_fault_it_is():
    assert "raised ZeroDivisionError" in said(lambda x: x * (1 // 0), PLAIN)
    assert "NaN" in said(lambda x: x * float("nan"), PLAIN)
    assert "infinite" in said(lambda x: x / 0, PLAIN)
    assert "shape (1, 2); wanted (2,)" in said(lambda x: (2 * x)[None], PLAIN)
    assert "float16; wanted float64" in said(lambda x: (2 * x).half(), PLAIN)
    assert "torch.from_numpy" in said(lambda x: 2 * x.numpy(), PLAIN)
    assert "torch.stack" in said(lambda x: list(2 * x), PLAIN)
    assert "is on meta; wanted cpu" in said(lambda x: (2 * x).to("meta"), PLAIN)
    assert "that fits" in said(lambda x: (2 * x).to_sparse(), PLAIN)


def test_a_report_names_the_line_of_the_learner():
    def answer(x):
        return x.no_such_thing

    assert "return x.no_such_thing" in said(answer)


def test_a_report_names_the_argument_that_changed():
    def answer(x):
        x += 1
        return 2 * x - 2

    assert "changes its input in place: x" in said(answer)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (torch.ones(2), "a tensor (2,) of float32, not a function"),
        (None, "None, not a function"),
        (Twice, "the class Twice"),
        (lambda: 1, "calls it with 1 argument"),
        (lambda x, y: x, "calls it with 1 argument"),
    ],
)
def test_what_is_no_answer_is_said_to_be_none(answer, words):
    assert words in said(answer)


def forever(x):
    while True:
        pass


def stubborn(x):
    while True:
        try:
            x = x + 0
        except Exception:
            x = x * 1


def very_stubborn(x):
    while True:
        try:
            x = x + 0
        except:  # noqa: E722
            x = x * 1


def endless_again(x):
    while True:
        try:
            while True:
                pass
        except:  # noqa: E722
            continue


ENDLESS = [forever, stubborn, very_stubborn, endless_again, lambda x: time.sleep(30)]


@pytest.mark.parametrize("answer", ENDLESS)
def test_an_endless_answer_is_stopped(answer):
    before = signal.getsignal(signal.SIGALRM)
    assert "did not return within 0.2 seconds" in said(answer)
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_an_endless_answer_is_stopped_in_another_thread_too():
    found = []
    thread = threading.Thread(target=lambda: found.append(said(forever)))
    thread.start()
    thread.join(30)
    assert "did not return within" in found[0]


def test_a_timer_that_ran_before_runs_on():
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 1000)
    try:
        assert limited(lambda: 7, 5) == 7
        assert 900 < signal.getitimer(signal.ITIMER_REAL)[0] <= 1000
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_an_error_of_the_function_goes_through_the_limit():
    with pytest.raises(KeyError):
        limited(lambda: {}["a"], 5)
    with pytest.raises(TimeLimit):
        limited(lambda: forever(0), 0.05)


def test_an_answer_cannot_end_the_kernel():
    assert "SystemExit" in said(lambda x: exit(3))


def test_a_check_changes_no_random_number_and_no_setting():
    def meddling(x):
        torch.manual_seed(9), torch.rand(3), np.random.rand(3), random.random()
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        return 2 * x

    states = [torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()]
    assert judge(DOUBLE, meddling).passed
    assert torch.equal(states[0], torch.get_rng_state())
    assert (states[1] == np.random.get_state()[1]).all() and states[2] == random.getstate()
    assert torch.get_default_dtype() == torch.float32 and torch.is_grad_enabled()


def test_autograd_works_in_an_answer_where_gradients_are_off():
    with torch.no_grad():
        assert judge(DOUBLE, by_autograd).passed


def test_printing_comes_through_once(capsys):
    judge(DOUBLE, lambda x: print("seen") or 2 * x)
    assert capsys.readouterr().out.count("seen") == 1


def test_the_smallest_failing_input_is_shown():
    report = judge(DOUBLE, lambda x: 2 * x if x.ndim < 2 else 5 * x)
    assert "(2, 3) torch.float64" in report.text and "right on 8 of 18" in report.text


def test_what_fails_in_one_dtype_only_is_said_so():
    assert "all that fail are float32" in said(lambda x: x * (2 if x.dtype == torch.float64 else 3))


def test_what_works_for_one_shape_only_fails():
    assert "(2, 3)" in said(lambda x: 2 * x if x.shape == (2,) else torch.zeros_like(x))


def test_a_constant_from_one_draw_fails():
    seen = {c.label: 2 * c.arguments[0] for c in DOUBLE.draws()[0]}
    assert said(lambda x: seen[f"{tuple(x.shape)} {x.dtype}"])


def test_values_that_print_alike_are_printed_with_more_digits():
    text = said(lambda x: 2 * x + 1e-4)
    rows = [line for line in text.splitlines() if "[" in line]
    assert rows[-1].split(":")[1] != rows[-2].split(":")[1]


def summed(x: Tensor) -> Tensor:
    return (x * x).sum()


SUM = variant(name="total", reference=summed, misconceptions=(), returns="number")


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: float(summed(x)),
        lambda x: np.float64(summed(x).item()),
        lambda x: np.asarray(summed(x)),
        lambda x: sum(v * v for v in x.flatten().tolist()),
        lambda x: functools.reduce(torch.add, (x * x).flatten()),
        lambda x: x.flatten().flip(0) @ x.flatten().flip(0),
    ],
)
@pytest.mark.parametrize("returns", ["number", "tensor"])
def test_a_number_may_come_in_any_form(answer, returns):
    report = judge(variant(**{**SUM.__dict__, "returns": returns}), answer)
    assert report.passed, report.text


def test_a_number_in_brackets_is_a_wrong_shape():
    assert "shape (1,)" in said(lambda x: summed(x)[None], SUM)
    assert "wanted a number" in said(lambda x: str(summed(x)), SUM)


def angle(f: Tensor, g: Tensor) -> Tensor:
    unit = f / f.norm()
    return g / g.norm() - unit * (unit @ (g / g.norm()))


def parallel(generator: torch.Generator) -> list[Case]:
    dtypes = (torch.float32, torch.float64)
    vectors = [torch.randn(9, generator=generator, dtype=dtype) for dtype in dtypes]
    return [Case(f"parallel {f.dtype}", (f, 3 * f)) for f in vectors]


def test_rounding_around_zero_is_forgiven_and_an_error_is_not():
    exercise = variant(reference=angle, cases=parallel, misconceptions=())
    double = lambda f, g: angle(f.double(), g.double()).to(f.dtype)  # noqa: E731
    assert judge(exercise, double).passed
    assert said(lambda f, g: angle(f, g) + 1e-4 * f, exercise)


def test_an_expected_nan_is_right_and_only_there():
    numbers = [Case("ratio", (torch.tensor([0.0, 1.0]),))]
    exercise = variant(reference=lambda x: x / x, cases=lambda g: numbers, misconceptions=())
    assert judge(exercise, lambda x: x.clone() / x).passed
    assert said(lambda x: torch.ones_like(x), exercise)


def pair(x):
    return torch.ones(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)


def is_orthogonal(expected, actual, arguments):
    product = float(actual[0] @ actual[1])
    return None if abs(product) < 1e-9 else f"The product is {product:.3g}, not 0."


def test_where_many_answers_are_right_the_own_comparison_decides():
    exercise = variant(reference=pair, compare=is_orthogonal, misconceptions=(), returns="tensors")
    assert judge(exercise, lambda x: (torch.eye(2)[0], torch.eye(2)[1])).passed
    assert "The product is 2, not 0." in said(lambda x: (torch.ones(2), torch.ones(2)), exercise)
    assert "wanted a tuple" in said(lambda x: 3, exercise)
    assert "that fits" in said(lambda x: (1, 2), exercise)


def test_a_misconception_may_recognise_many_values():
    known = Misconception("big", "Too large.", lambda x: 100 * x, lambda a, v: v.abs().sum() > 50)
    exercise = variant(compare=lambda e, v, a: "No." if v.abs().sum() > 50 else None)
    exercise = Exercise(**{**exercise.__dict__, "misconceptions": (known,)})
    assert judge(exercise, lambda x: 999 * x.sign()).misconception == "big"
    assert judge(exercise, known.answer).misconception == "big"
    assert judge(exercise, lambda x: None).misconception is None


def test_a_broken_law_is_said():
    law = Property("even", lambda arguments, value: "The values are odd." if value.sum() else None)
    exercise = variant(properties=(law,), misconceptions=())
    assert "The values are odd." in said(lambda x: 2 * x, exercise)


def test_an_expected_error_has_to_be_raised():
    def strict(x):
        if x.ndim > 1:
            raise ValueError("one axis only")
        return 2 * x

    exercise = variant(reference=strict, misconceptions=())
    assert judge(exercise, strict).passed
    assert "ValueError" in said(lambda x: 2 * x, exercise)


def test_what_is_yielded_is_compared_step_by_step():
    def steps(x):
        for factor in range(3):
            yield factor * x

    exercise = variant(reference=steps, misconceptions=(), returns="tensors")
    assert judge(exercise, lambda x: [0 * x, x, x + x]).passed
    assert "Value 2" in said(lambda x: [0 * x, x, x], exercise)


def test_a_text_may_differ_in_case_and_spaces():
    exercise = variant(reference=lambda: "No change", cases=lambda g: [Case("asked", ())])
    exercise = variant(**{**exercise.__dict__, "misconceptions": (), "returns": "text"})
    assert judge(exercise, lambda: " no  change ").passed
    assert said(lambda: "change", exercise)


def test_without_tensors_going_in_any_floating_dtype_may_come_out():
    exercise = variant(
        reference=lambda n: torch.eye(n) / 3,
        cases=lambda g: [Case("n = 2", (2,)), Case("n = 3", (3,))],
        misconceptions=(),
    )
    assert judge(exercise, lambda n: torch.from_numpy(np.eye(n)) / 3).passed
    assert "int64" in said(lambda n: torch.eye(n).long(), exercise)


def test_a_figure_is_shown_with_its_words():
    from matplotlib.figure import Figure

    def draw(arguments, expected, actual):
        figure = Figure(figsize=(1, 1))
        figure.set_label("Two <arrows>")
        return figure

    card = judge(variant(draw=draw), lambda x: 5 * x)._repr_html_()
    assert 'alt="Two &lt;arrows&gt;"' in card and "data:image/png" in card


@pytest.mark.parametrize(
    ("answer", "word"), [(DOUBLE.reference, "Passed"), (stub, "Not attempted"), (cubed, "Not yet")]
)
def test_a_state_is_a_word_on_the_card_and_in_the_text(answer, word):
    report = judge(DOUBLE, answer)
    assert f"<strong>{word}</strong>" in report._repr_html_()
    assert repr(report).startswith(f"{word}: Twice")


def test_no_warning_of_the_machine_itself():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert judge(DOUBLE, lambda x: 2 * x).passed


def test_two_exercises_of_one_name_are_an_error():
    with pytest.raises(ValueError, match="two exercises are called 'double'"):
        collect([DOUBLE, DOUBLE])


def test_two_misconceptions_of_one_name_are_an_error():
    with pytest.raises(ValueError, match="two misconceptions"):
        variant(misconceptions=DOUBLE.misconceptions[:1] * 2)


def test_an_unknown_name_is_answered_with_the_nearest(monkeypatch):
    module = sys.modules["classroom.exercises.registry"]
    monkeypatch.setattr(module, "registry", lambda: {"double": DOUBLE})
    with pytest.raises(ValueError, match="did you mean double"):
        exercises.get("dubble")
    with pytest.raises(ValueError, match="there are double"):
        exercises.check("zzz", stub)

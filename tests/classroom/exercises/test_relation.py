"""What a report says of wrong answers without a name: one relation that holds on all inputs."""

from __future__ import annotations

import ast

import pytest
import torch

from classroom.exercises import Case, get, judge, mutants, names, rewrites
from classroom.exercises.trial import attempt

from .test_core import PLAIN, variant

RIGHT = PLAIN.reference


def rows(generator):
    return [
        Case(f"shape {shape}", (torch.randn(shape, generator=generator, dtype=torch.float64),))
        for shape in ((3, 3), (4, 5), (5, 4))
    ]


SQUARE = variant(cases=rows, misconceptions=())
RELATIONS = {
    "minus the right one": lambda x: -2 * x,
    "1/4 times the right one": lambda x: x / 2,
    "1.5 times the right one": lambda x: 3 * x,
    "0.25 larger than the right one": lambda x: 2 * x + 0.25,
    "transposed": lambda x: 2 * x.T,
    "in reverse order": lambda x: 2 * x.flip(0),
    "the last axis in reverse order": lambda x: 2 * x.flip(1),
    "one place too far": lambda x: 2 * x.roll(1, 0),
    "absolute value of the right one": lambda x: 2 * x.abs(),
    "negative ones came as 0": lambda x: 2 * x.clamp(min=0),
    "divided by the length of x": lambda x: 2 * x / len(x),
    "times the root of the number of values in x": lambda x: 2 * x * x.numel() ** 0.5,
    "the argument x as it came in": lambda x: x,
    "0 on every input": lambda x: 0 * x,
    "times one number, another number on each": lambda x: 2 * x * x[0, 0],
    "but in another order": lambda x: 2 * x.flatten().sort().values.reshape(x.shape),
    "nearly right": lambda x: 2 * x + 1e-3 * x.sin(),
    "only the first entry is right": lambda x: torch.cat([2 * x[:1], x[1:].sin()]),
    "times the length of x and divided by the root of": lambda x: (
        2 * x * len(x) / x.shape[1] ** 0.5
    ),
    "All that is wrong is too large": lambda x: 2 * x + x.square() + 0.1,
    "only the first entry is wrong": lambda x: torch.cat([x[:1].sin(), 2 * x[1:]]),
    "the last one is missing": lambda x: 2 * x[:-1],
    "one more stands at the end": lambda x: 2 * torch.cat([x, x[:1]]),
    "only the shape is not": lambda x: (2 * x).flatten(),
    "the sum of the right values": lambda x: (2 * x).sum(),
}


@pytest.mark.parametrize("words", RELATIONS)
def test_a_relation_that_holds_on_all_inputs_is_said(words):
    assert words in judge(SQUARE, RELATIONS[words]).message


MATRICES = variant(
    cases=lambda g: [
        Case(f"size {n}", (torch.randn(n, n, generator=g, dtype=torch.float64),)) for n in (2, 3, 4)
    ],
    misconceptions=(),
)
DIAGONAL = {
    "Beside the diagonal all is right": lambda x: 2 * x + x.diag().sin().diag(),
    "On the diagonal all is right": lambda x: 2 * x + (x.sin() - x.sin().diag().diag()),
}


@pytest.mark.parametrize("words", DIAGONAL)
def test_a_diagonal_that_is_wrong_alone_or_right_alone_is_said(words):
    assert words in judge(MATRICES, DIAGONAL[words]).message


def test_a_relation_that_holds_on_some_inputs_is_not_said():
    message = judge(SQUARE, lambda x: -2 * x if len(x) < 5 else x.exp()).message
    assert "minus" not in message and "right one" not in message


def test_the_right_part_of_a_tuple_is_said():
    exercise = variant(cases=rows, reference=lambda x: (x, 2 * x), misconceptions=())
    message = judge(exercise, lambda x: (x, -2 * x)).message
    assert "Value 0 of the result is right" in message and "minus the right one" in message


def test_an_exercise_without_inputs_does_not_give_its_answer_away():
    exercise = variant(
        reference=lambda: 0.75, cases=lambda g: [Case("asked", ())], misconceptions=()
    )
    text = judge(exercise, lambda: 1.5).text
    assert "0.75" not in text and "times" not in text and "inputs" not in text
    assert judge(exercise, lambda: 0.75).message == "Right."


WEIGHTED = variant(
    reference=lambda x, weight: weight**2 * x + x.sin(),
    cases=lambda g: [
        Case(f"weight {w}", (x, w)) for (_, x), w in zip(cases_of(g), (0.5, 2.0, 3.0))
    ],
    misconceptions=(),
)


def cases_of(generator):
    return [(each.label, each.arguments[0]) for each in rows(generator)]


ALTERED = {
    "right if the root of weight stands for weight": lambda x, weight: weight * x + x.sin(),
    "right if 1 stands for weight": lambda x, weight: x + x.sin(),
    "the right one plus x": lambda x, weight: weight**2 * x + x.sin() + x,
}


@pytest.mark.parametrize("words", ALTERED)
def test_the_input_that_an_answer_would_fit_is_said(words):
    assert words in judge(WEIGHTED, ALTERED[words]).message


def test_a_difference_of_rounding_is_not_told_as_two_sizes_of_which_one_divides_the_other():
    exercise = variant(
        cases=lambda g: [Case(str(n), (torch.rand(n, generator=g),)) for n in (2, 3, 4, 5)],
        reference=lambda x: x.double(), misconceptions=(), returns="tensor",
    )  # fmt: skip
    assert "times" not in judge(exercise, lambda x: x.double() * (1 + 3e-5)).message


def test_exchanged_arguments_are_said():
    pairs = [Case(f"{a} and {b}", (a, b)) for a, b in ((1.0, 2.0), (2.0, 5.0), (3.0, 7.0))]
    exercise = variant(
        reference=lambda a, b: a - b * b, cases=lambda g: pairs, misconceptions=(), returns="number"
    )
    assert "a and b have changed places" in judge(exercise, lambda a, b: b - a * a).message


def test_one_text_that_stands_for_another_is_said():
    cases = [Case(str(n), (n,)) for n in range(1, 7)]
    exercise = variant(
        reference=lambda n: ["even", "odd", "odd"][n % 3], cases=lambda g: cases,
        misconceptions=(), returns="text",
    )  # fmt: skip
    message = judge(exercise, lambda n: "odd").message
    assert "'odd' stands wherever 'even' is right" in message


def test_a_right_value_of_another_type_is_not_told_of_another_input():
    rank = get("token_rank")
    report = judge(rank, lambda shared, frame: rank.reference(shared, frame).double())
    assert report.state == "failed"
    assert "stands for" not in report.text


SIZES = variant(
    cases=lambda g: [
        Case(f"{shape}", (torch.randn(shape, generator=g, dtype=torch.float64), flag))
        for shape, flag in (
            ((1, 3), True), ((1, 5), False), ((4, 4), True), ((3, 3), False), ((4, 5), False)
        )
    ],
    reference=lambda x, flag: x.exp(),
    misconceptions=(),
)  # fmt: skip
PLACES = {
    "right where x has the length 1": lambda x, flag: x.exp() if len(x) == 1 else x.sin(),
    "right where x is square": lambda x, flag: x.exp() if len(x) == x.shape[1] else x.sin(),
    "wrong where flag is True": lambda x, flag: x.sin() if flag else x.exp(),
}


@pytest.mark.parametrize("words", PLACES)
def test_the_inputs_on_which_an_answer_is_right_are_told_apart(words):
    assert words in judge(SIZES, PLACES[words]).message


def test_a_multiple_of_an_argument_that_was_added_is_said():
    message = judge(SIZES, lambda x, flag: x.exp() + x[0, 0] * x).message
    assert "a multiple of x was added" in message


def test_a_size_that_a_formula_holds_too_often_is_said():
    exercise = variant(
        cases=rows, reference=lambda x: (x / x.shape[-1] ** 0.5).exp(), misconceptions=()
    )
    message = judge(exercise, lambda x: (x / x.shape[-1]).exp()).message
    assert "one factor more at x: 1 over the root of the last axis of x" in message


def test_a_zero_has_no_wrong_sign():
    message = judge(MATRICES, lambda x: (2 * x).triu()).message
    assert "signs" not in message


def test_a_truth_that_is_turned_round_is_said():
    exercise = variant(
        cases=lambda g: [Case(str(n), (n,)) for n in range(6)], reference=lambda n: n > 2,
        misconceptions=(), returns="number",
    )  # fmt: skip
    assert "Turned round" in judge(exercise, lambda n: n <= 2).message


def test_a_slip_in_the_solution_of_the_lesson_is_said():
    message = judge(get("gradient_norm"), lambda s, n: (1 + s**2).sqrt() / n).message
    assert "if one thing is changed: a plus stands where a minus belongs." in message


def test_an_answer_that_ignores_its_input_is_told_so_and_no_slip():
    message = judge(get("chain_variance"), lambda alphas, fresh: torch.ones((), dtype=alphas.dtype))
    assert "the same on every input" in message.text and "one thing" not in message.text


def test_of_right_values_no_slip_in_the_solution_is_said():
    def changing(frames, warped_next, occlusion):
        value = get("error_along_flow").reference(frames, warped_next, occlusion)
        warped_next.zero_()
        return value

    message = judge(get("error_along_flow"), changing).message
    assert "changes its input" in message and "one thing is changed" not in message


def test_a_changed_solution_is_said_without_the_names_of_its_own_parts():
    logits = judge(get("softmax_jacobian"), lambda x: x.softmax(0).diag() - x.outer(x.softmax(0)))
    assert "logits stands where something that was made of the arguments" in logits.message


@pytest.mark.parametrize("name", ("step_constant", "key_frame_blend", "token_distance"))
def test_each_change_of_a_solution_is_in_one_place_and_has_words(name):
    function, _ = mutants._solution(get(name))
    texts = [ast.unparse(changed) for _, changed in rewrites.changes(function)]
    assert len(texts) > 10 and ast.unparse(function) not in texts
    assert all(words for words, _ in rewrites.changes(function))


def test_every_solution_of_the_course_can_be_built_and_is_right():
    for name in names():
        function, space = mutants._solution(get(name))
        built = mutants._built(function, space)
        case = get(name).draws()[0][0]
        assert attempt(get(name), built, case, 5.0, False).fault is None, name

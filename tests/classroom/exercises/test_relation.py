"""What a report says of wrong answers without a name: one relation that holds on all inputs."""

from __future__ import annotations

import pytest
import torch

from classroom.exercises import Case, judge

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
    "only the first entry is wrong": lambda x: torch.cat([x[:1].sin(), 2 * x[1:]]),
    "the last one is missing": lambda x: 2 * x[:-1],
    "one more stands at the end": lambda x: 2 * torch.cat([x, x[:1]]),
    "only the shape is not": lambda x: (2 * x).flatten(),
    "the sum of the right values": lambda x: (2 * x).sum(),
}


@pytest.mark.parametrize("words", RELATIONS)
def test_a_relation_that_holds_on_all_inputs_is_said(words):
    assert words in judge(SQUARE, RELATIONS[words]).message


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

"""The tests of the tests: every exercise of the course, held against right and wrong answers.

A lesson's own test module may hold ALTERNATIVES (right answers written otherwise) and WRONG (wrong
answers without a name), each a dict from the exercise's name to a list of functions.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import itertools
import math
import re
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import torch

from classroom.exercises import get, judge, names
from classroom.exercises.compare import difference
from classroom.exercises.outcome import identical
from classroom.exercises.tolerance import Scale

LESSONS = Path(__file__).parents[2] / "lessons"


@cache
def lesson_tests() -> list[ModuleType]:
    """Return the test modules of the lessons, loaded under names of their own."""
    modules = []
    for path in sorted(LESSONS.glob("test_*.py")):
        spec = importlib.util.spec_from_file_location(f"answers_of_{path.stem}", path)
        modules.append(importlib.util.module_from_spec(spec))
        spec.loader.exec_module(modules[-1])
    return modules


def answers(table: str) -> dict[str, list]:
    """Return ALTERNATIVES or WRONG of all lessons, by exercise."""
    found: dict[str, list] = {}
    for module in lesson_tests():
        for name, functions in getattr(module, table, {}).items():
            found.setdefault(name, []).extend(functions)
    return found


def listed(table: str) -> list:
    """Return a parameter (name, function) for each answer of a table."""
    pairs = [(name, each) for name, functions in answers(table).items() for each in functions]
    return [
        pytest.param(name, each, id=f"{name}-{getattr(each, '__name__', 'answer')}-{index}")
        for index, (name, each) in enumerate(pairs)
    ]


def bent(value: object) -> object:
    """Return a value that no thought leads to."""
    if isinstance(value, bool):
        return "perhaps"
    if isinstance(value, torch.Tensor):
        return value + 7 if not value.is_floating_point() else 1.37 * value.sin() + 0.611
    if isinstance(value, (int, float)):
        return value + 7 if isinstance(value, int) else 1.37 * math.sin(value) + 0.611
    if isinstance(value, (tuple, list)):
        return type(value)(bent(item) for item in value)
    return str(value)[::-1]


def slips(name: str) -> list:
    """Return wrong answers that are no misconception of any exercise."""
    right, calls = get(name).reference, itertools.count()

    def out_of_range(*arguments):
        return [][len(arguments)]

    def does_not_multiply(*arguments):
        return torch.zeros(2, 3) @ torch.zeros(2, 3)

    def every_other(*arguments):
        value = right(*arguments)
        return bent(value) if next(calls) % 2 else value

    return [
        lambda *arguments: bent(right(*arguments)),
        lambda *arguments: [right(*arguments), None, None],
        out_of_range,
        does_not_multiply,
        every_other,
    ]


FITTING = {
    ("cosine_of_frames", "mean_of_pixel_cosines"),
    ("counterexample_upper_bound", "zero_frame"),
    ("counterexample_upper_bound", "only_reaches_the_limit"),
    ("counterexample_upper_bound", "made_f_long"),
    ("stuck_clip", "not_stationary"),
    ("spatial_weights", "steps_along_the_axes"),
    ("second_difference_eigenvalues", "last_angle_is_pi"),
    ("steepest_logits", "two_a_little_ahead"),
    ("power_iteration", "largest_singular_value"),
    ("error_along_flow", "against_its_own_warp"),
    ("loss_gradient_of_frame", "wrong_sign"),
    ("safe_step_size", "norm_of_the_whole_clip"),
    ("is_violation", "right_side_without_scale"),
    ("key_frame_blend", "all_key_frames"),
}
"""Misconceptions that other wrong answers are rightly given: another way to write the same slip."""

MISCONCEPTIONS = [
    pytest.param(name, each, id=f"{name}-{each.name}")
    for name in names()
    for each in get(name).misconceptions
]


def stub_arguments() -> dict[str, list[str]]:
    """Return the arguments of every exercise's function, as its lesson has them."""
    found = {}
    for path in sorted((LESSONS.parents[1] / "lessons").glob("*/lesson.md")):
        cells = re.findall(r":tags: \[exercise\].*?\n\n(.*?)```", path.read_text(), re.DOTALL)
        functions = [node for cell in cells for node in ast.parse(cell).body]
        found |= {each.name: [a.arg for a in each.args.args] for each in functions}
    return found


def test_a_report_names_arguments_as_the_lesson_does():
    asked = stub_arguments()
    assert set(asked) == set(names())
    for name in names():
        own = list(inspect.signature(get(name).reference).parameters)
        assert own[: len(asked[name])] == asked[name]


@pytest.mark.parametrize("name", names())
def test_a_stub_is_not_attempted(name):
    def stub(*arguments):
        raise NotImplementedError

    assert judge(get(name), stub).state == "not attempted"


@pytest.mark.parametrize("name", names())
def test_the_reference_passes(name):
    report = judge(get(name), get(name).reference)
    assert report.passed, report.text


@pytest.mark.parametrize(("name", "answer"), listed("ALTERNATIVES"))
def test_a_right_answer_written_otherwise_passes(name, answer):
    report = judge(get(name), answer)
    assert report.passed, report.text


@pytest.mark.parametrize(("name", "misconception"), MISCONCEPTIONS)
def test_a_misconception_fails_and_is_named_as_itself(name, misconception):
    report = judge(get(name), misconception.answer)
    assert (report.state, report.misconception) == ("failed", misconception.name), report.text


@pytest.mark.parametrize(("name", "answer"), listed("WRONG"))
def test_another_wrong_answer_fails(name, answer):
    report = judge(get(name), answer)
    assert report.state == "failed", report.text
    named = report.misconception
    assert named is None or (name, named) in FITTING, report.text


@pytest.mark.parametrize("name", names())
def test_a_slip_of_another_kind_is_given_no_name_or_a_fitting_one(name):
    reports = [judge(get(name), answer) for answer in slips(name)]
    named = {report.misconception for report in reports} - {None}
    assert all((name, each) in FITTING for each in named), named


@pytest.mark.parametrize("name", names())
def test_a_variation_does_to_the_answer_what_it_says(name):
    exercise, found = get(name), []
    for variation, case in itertools.product(exercise.variations, exercise.cases(seeded())):
        changed = variation.change(case.arguments)
        if changed is not None:
            expected = variation.answer(exercise.reference(*case.arguments), case.arguments)
            scale = Scale(1e-4, 1e-4, typed=False)
            found.append(difference(expected, exercise.reference(*changed), scale, "any"))
    assert not any(found)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize("name", names())
def test_constants_and_echoes_fail(name):
    first = get(name).draws()[0][0].arguments
    value = get(name).reference(*first)
    wrong = [lambda *a: a[0] if a else None, lambda *a: a]
    if len(get(name).draws()[0]) > 1:
        wrong.append(lambda *a: value)
    assert [judge(get(name), each).state for each in wrong] == ["failed"] * len(wrong)


@pytest.mark.parametrize("name", names())
def test_cases_are_the_same_at_every_draw(name):
    generators = (torch.Generator().manual_seed(3) for _ in range(2))
    first, second = (list(get(name).cases(generator)) for generator in generators)
    assert [case.label for case in first] == [case.label for case in second]
    assert all(identical(a.arguments, b.arguments) for a, b in zip(first, second))


@pytest.mark.parametrize("name", names())
def test_three_misconceptions_and_two_alternatives_or_more(name):
    assert len(get(name).misconceptions) >= 3
    assert len(answers("ALTERNATIVES").get(name, [])) >= 2


@pytest.mark.parametrize("name", names())
def test_what_an_exercise_says_is_a_sentence(name):
    hints = [each.hint for each in get(name).misconceptions]
    assert all(len(hint) > 20 and hint.strip()[-1] in ".?)" for hint in hints), hints
    assert get(name).title

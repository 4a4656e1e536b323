"""Lesson 01: right and wrong answers written as learners write them, and what must hold of cosines.

ALTERNATIVES and WRONG are collected by test_exercises.py, which checks every one of them.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from classroom.exercises import check, reference
from course.temporal import (
    adjacent_similarities,
    cosine_similarity,
    cosine_similarity_gradient,
)
from lessons.cosine_similarity.clip_figures import pairs_figure


def _cosine_by_numpy(f, g):
    a, b = f.numpy().ravel(), g.numpy().ravel()
    return torch.from_numpy(np.asarray(a @ b / (np.linalg.norm(a) * np.linalg.norm(b))))


def _cosine_by_loop(f, g):
    product = square_f = square_g = 0.0
    for a, b in zip(f.flatten(), g.flatten()):
        product, square_f, square_g = product + a * b, square_f + a * a, square_g + b * b
    return product / (square_f * square_g) ** 0.5


def _gradient_by_autograd(f, g):
    f = f.clone().requires_grad_()
    cosine = (f * g).sum() / (f.norm() * g.norm())
    return torch.autograd.grad(cosine, f)[0]


def _gradient_by_quotient_rule(f, g):
    n, k = f.norm(), g.norm()
    return g / (n * k) - (f * g).sum() / (n**3 * k) * f


def _gradient_by_projection(f, g):
    unit_f, unit_g = (x.flatten() / torch.linalg.vector_norm(x) for x in (f, g))
    projector = torch.eye(len(unit_f), dtype=f.dtype) - torch.outer(unit_f, unit_f)
    return (projector @ unit_g / f.norm()).reshape(f.shape)


def _adjacent_by_einsum(features):
    x = features.flatten(1)
    x = x / x.norm(dim=1, keepdim=True)
    return torch.einsum("td,td->t", x[:-1], x[1:])


def _adjacent_from_gram(features):
    x = functional.normalize(features.flatten(1), dim=1)
    return (x @ x.T).diagonal(1)


def _long_enough(limit):
    f = torch.zeros(1, 2, 2)
    g = torch.zeros(1, 2, 2)
    f[0, 0, 0], g[0, 1, 1] = 1 / (3 * limit), 7.0
    return f, g


def _one_more_than_the_limit(limit):
    axes = torch.eye(2, dtype=torch.float64)
    return axes[0] / (limit + 1), axes[1]


def _at_an_angle(limit):
    angle = math.radians(30)
    g = torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
    return [torch.tensor([0.1 / limit, 0.0], dtype=torch.float64), g]


ALTERNATIVES = {
    "cosine_after_scaling": [
        lambda: 0.6 * -3 * 2 / (3 * 2),
        lambda: torch.tensor(-0.6),
        lambda: np.float64(-0.6),
        lambda: torch.tensor(-0.6).item(),
    ],
    "cosine_of_frames": [
        _cosine_by_numpy,
        _cosine_by_loop,
        lambda f, g: functional.cosine_similarity(f.flatten(), g.flatten(), dim=0),
        lambda f, g: torch.einsum("i,i->", f.flatten(), g.flatten()) / (f.norm() * g.norm()),
        lambda f, g: (f / f.norm() * (g / g.norm())).sum(),
    ],
    "adjacent_similarity": [
        _adjacent_by_einsum,
        _adjacent_from_gram,
        lambda x: torch.stack([cosine_similarity(a, b) for a, b in zip(x, x[1:])]),
        lambda x: functional.cosine_similarity(x[:-1].flatten(1), x[1:].flatten(1)),
    ],
    "cosine_gradient": [
        _gradient_by_autograd,
        _gradient_by_quotient_rule,
        _gradient_by_projection,
        cosine_similarity_gradient,
    ],
    "gradient_norm": [
        lambda s, n: math.sqrt(1 - s**2) / n,
        lambda s, n: ((1 - s) * (1 + s)) ** 0.5 / n,
        lambda s, n: torch.sin(torch.acos(s)) / n,
        lambda s, n: np.sqrt(1 - s.item() ** 2) / n.item(),
    ],
    "counterexample_upper_bound": [_long_enough, _at_an_angle, _one_more_than_the_limit],
}

WRONG = {
    "cosine_after_scaling": [lambda: 1.0, lambda: "-0.6", lambda: -0.2],
    "cosine_of_frames": [
        lambda f, g: functional.cosine_similarity(f.flatten(1), g.flatten(1), dim=0).mean(),
        lambda f, g: (f.softmax(0) * g.softmax(0)).sum(),
        lambda f, g: cosine_similarity(f.flatten().softmax(0), g.flatten().softmax(0)),
    ],
    "adjacent_similarity": [
        lambda x: adjacent_similarities(x).flip(0),
        lambda x: adjacent_similarities(x).diff(),
        lambda x: functional.cosine_similarity(x[:-1], x[1:], dim=-1),
        lambda x: [adjacent_similarities(x)],
    ],
    "cosine_gradient": [
        lambda f, g: cosine_similarity_gradient(f, g).flatten(),
        lambda f, g: cosine_similarity_gradient(f, g) / 2,
        lambda f, g: torch.zeros_like(f),
    ],
    "gradient_norm": [
        lambda s, n: (1 - s**2) ** 0.5 / (n + 1e-3),
        lambda s, n: (1 - s.abs()) / n,
        lambda s, n: 0.0,
    ],
    "counterexample_upper_bound": [
        lambda limit: (torch.tensor([1e-9, 0.0]), torch.tensor([0.0, 0.0])),
        lambda limit: torch.tensor([1e-9, 0.0]),
        lambda limit: (torch.tensor([1e-9, 0.0]), torch.tensor([0.0, 1.0, 0.0])),
        lambda limit: (1 / (2 * limit), 1.0),
        lambda limit: (torch.tensor([1 / limit, 0.0]), torch.tensor([0.0, 1.0])),
        lambda limit: (torch.tensor([limit, 0.0]), torch.tensor([0.0, 1.0])),
    ],
}


@pytest.fixture
def frames():
    draw = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, 4, 5, dtype=torch.float64, generator=draw)


def test_references_agree_with_the_package(frames):
    f, g = frames
    same = {"rtol": 0, "atol": 1e-13}
    torch.testing.assert_close(reference("cosine_of_frames")(f, g), cosine_similarity(f, g), **same)
    ours, theirs = reference("cosine_gradient")(f, g), cosine_similarity_gradient(f, g)
    torch.testing.assert_close(ours, theirs, **same)
    torch.testing.assert_close(
        reference("adjacent_similarity")(frames), adjacent_similarities(frames), **same
    )


def test_length_of_the_gradient_follows_from_similarity_and_norm(frames):
    f, g = frames
    length = reference("gradient_norm")(cosine_similarity(f, g), f.norm())
    assert float(length) == pytest.approx(float(cosine_similarity_gradient(f, g).norm()), rel=1e-12)


def test_counterexamples_break_the_printed_bound_with_admissible_norms():
    for limit in (2.0, 1e6):
        f, g = reference("counterexample_upper_bound")(limit)
        assert float(f.norm()) <= 1
        assert float(cosine_similarity_gradient(f, g).norm()) > limit


@pytest.mark.parametrize("epsilon", [1e-6, 1e-8])
def test_an_epsilon_of_any_size_is_named(epsilon):
    report = check("cosine_of_frames", lambda f, g: (f * g).sum() / (f.norm() * g.norm() + epsilon))
    assert report.misconception == "added_an_epsilon"


@pytest.mark.parametrize("length", [0.3, 0.1, 1e-3])
def test_one_pair_for_all_limits_is_named_whatever_its_length(length):
    pair = torch.tensor([length, 0.0]), torch.tensor([0.0, 2.0])
    report = check("counterexample_upper_bound", lambda limit: pair)
    assert report.misconception == "one_pair_for_every_limit"


def test_other_wrong_pairs_are_named_by_what_is_wrong_with_them():
    pairs = {
        "made_f_long": lambda limit: (torch.tensor([3.0, 4.0]), torch.tensor([4.0, -3.0])),
        "zero_frame": lambda limit: (torch.zeros(3), torch.ones(3)),
        "parallel_pair": lambda limit: (torch.ones(2) / (9 * limit), -torch.ones(2)),
    }
    for name, answer in pairs.items():
        assert check("counterexample_upper_bound", answer).misconception == name


def test_a_wrong_gradient_in_the_plane_is_drawn():
    report = check("cosine_gradient", lambda f, g: g / (f.norm() * g.norm()))
    assert report.figure is not None and "At the tip of f" in report.figure.get_label()


def test_pairs_of_a_clip_count_from_one():
    (axes,) = pairs_figure({"clip": torch.rand(7)}, "seven pairs").axes
    assert [label.get_text() for label in axes.get_xticklabels()] == list("1234567")

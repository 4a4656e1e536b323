"""Lesson 08: other right answers, more wrong ones, and the references against the course."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from classroom.exercises import get, reference
from course.attention import cross_attention
from course.reachability import reachability_gap
from course.tokens import PromptTokens

# Right answers, written otherwise


def tokens_by_module(shared: Tensor, frame: Tensor, text: Tensor) -> Tensor:
    tokens = PromptTokens(len(shared), frame.shape[1], shared.shape[1], len(frame)).to(frame.dtype)
    tokens.shared.data, tokens.frame.data = shared, frame
    return tokens(text).detach()


def tokens_by_loop(shared: Tensor, frame: Tensor, text: Tensor) -> Tensor:
    texts = list(text) * (len(frame) if len(text) == 1 else 1)
    return torch.stack([torch.cat([shared, own, words]) for own, words in zip(frame, texts)])


def tokens_with_numpy(shared: Tensor, frame: Tensor, text: Tensor) -> Tensor:
    parts = [
        np.broadcast_to(part.numpy(), (len(frame), *part.shape[-2:]))
        for part in (shared[None], frame, text)
    ]
    return torch.from_numpy(np.concatenate(parts, axis=1))


def rank_by_singular_values(shared: Tensor, frame: Tensor) -> Tensor:
    rows = torch.cat([shared.expand(len(frame), -1, -1), frame], dim=1).double()
    values = torch.linalg.svdvals(rows)
    return (values > 1e-5 * values[:, :1]).sum(1)


def rank_by_loop(shared: Tensor, frame: Tensor) -> Tensor:
    ranks = [np.linalg.matrix_rank(torch.cat([shared, own]).numpy()) for own in frame]
    return torch.tensor(ranks)


def slope_by_autograd(queries: Tensor, values: Tensor) -> Tensor:
    queries = queries.clone().requires_grad_()
    outputs = torch.outer(queries, values).softmax(-1) @ values
    return torch.autograd.grad(outputs.sum(), queries)[0]


def slope_by_pairs(queries: Tensor, values: Tensor) -> Tensor:
    p = torch.outer(queries, values).softmax(-1)
    distances = (values[:, None] - values).square()
    return torch.einsum("ml,lk,mk->m", p, distances, p) / 2


def gap_of_the_course(queries: Tensor, targets: Tensor) -> Tensor:
    return reachability_gap(queries, targets)


def gap_with_numpy(queries: Tensor, targets: Tensor) -> Tensor:
    q, y = (np.diff(side.numpy().astype(np.float64), axis=0)[0] for side in (queries, targets))
    gap = max(0.0, -float(q @ y) / math.sqrt(2 * float(q @ q)))
    return torch.tensor(gap, dtype=queries.dtype)


def one_pair_reversed(queries: Tensor, error: float) -> Tensor:
    targets = torch.zeros_like(queries)
    way = queries[1] - queries[0]
    targets[0] = 2 * error * math.sqrt(2) * way / way.norm()
    return targets


def reversed_and_moved(queries: Tensor, error: float) -> Tensor:
    return 5.0 - 1000 * error * queries


def distance_by_newton(query: float, target: float) -> float:
    v = max(target, math.sqrt(target / query)) + 1
    for _ in range(60):
        t = math.tanh(v * query)
        v -= (v * t - target) / (t + v * query * (1 - t * t))
    return v


def distance_by_iteration(query: float, target: float) -> Tensor:
    v = torch.tensor(target, dtype=torch.float64)
    for _ in range(2000):
        v = (v + target / torch.tanh(v * query)) / 2
    return v


ALTERNATIVES = {
    "assemble_tokens": [tokens_by_module, tokens_by_loop, tokens_with_numpy],
    "token_rank": [rank_by_singular_values, rank_by_loop],
    "response_slope": [slope_by_autograd, slope_by_pairs],
    "monotone_gap": [gap_of_the_course, gap_with_numpy],
    "unreachable_target": [one_pair_reversed, reversed_and_moved],
    "token_distance": [distance_by_newton, distance_by_iteration],
}


# Wrong answers beyond the named ones

WRONG = {
    "assemble_tokens": [
        lambda shared, frame, text: torch.cat([shared, frame[0], text[0]]),
        lambda shared, frame, text: tokens_by_loop(shared, frame.flip(0), text),
    ],
    "token_rank": [
        lambda shared, frame: rank_by_loop(shared, frame).max(),
        lambda shared, frame: torch.linalg.matrix_rank(shared).expand(len(frame)),
    ],
    "response_slope": [
        lambda q, v: slope_by_pairs(q, v) * 2,
        lambda q, v: slope_by_pairs(q, v)[:1],
    ],
    "monotone_gap": [lambda q, y: (y[0] - y[1]).norm(), lambda q, y: torch.zeros_like(q[0, 0])],
    "unreachable_target": [
        lambda queries, error: -error * queries[:1],
        lambda queries, error: error * queries.flip(1).sort(0).values,
    ],
    "token_distance": [lambda q, y: 1 / q, lambda q, y: y * math.tanh(y * q)],
}


# The references against the course, and against attention itself


@pytest.mark.parametrize("case", get("assemble_tokens").draws()[0], ids=lambda case: case.label)
def test_assembled_tokens_are_those_of_the_course(case):
    assert torch.equal(
        reference("assemble_tokens")(*case.arguments), tokens_by_module(*case.arguments)
    )


def test_the_gap_is_that_of_the_course():
    for case in get("monotone_gap").draws()[0]:
        torch.testing.assert_close(
            reference("monotone_gap")(*case.arguments), reachability_gap(*case.arguments)
        )


@pytest.mark.parametrize(("query", "target"), [(1.0, 1.0), (0.1, 1.0), (3.0, 2.0)])
def test_two_tokens_at_the_distance_reach_both_targets(query, target):
    v = reference("token_distance")(query, target)
    tokens = torch.tensor([[v], [-v]], dtype=torch.float64)
    queries = torch.tensor([[query], [-query]], dtype=torch.float64)
    eye = torch.eye(1, dtype=torch.float64)
    outputs = cross_attention(queries, tokens, eye, eye, eye)
    torch.testing.assert_close(outputs, queries / query * target)

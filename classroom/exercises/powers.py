"""An answer that is the right one times sizes and numbers of the input: T - 1 over T, a root of d.

Where each answer is a multiple of the right one, and another multiple on each input, the factor is
looked for among products of two quantities of the input, each with a small power.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations

import torch

from classroom.exercises.pairs import Pair
from classroom.exercises.tolerance import magnitude

_CLOSE = 1e-4  # relative, of a factor that explains; the values themselves are compared afterwards
_POWERS = ((1.0, "{}"), (0.5, "the root of {}"), (2.0, "the square of {}"))
_CONSTANTS = ((1.0, ""), (2.0, "2 times "), (0.5, "half of "))

Quantity = tuple[str, Callable[[Pair], float]]


def product_of_two(pairs: Sequence[Pair], quantities: Iterable[Quantity]) -> str | None:
    """Return in a sentence which two quantities the right answer was multiplied or divided by."""
    telling = [pair for pair in pairs if magnitude(pair.expected) > 0]
    factors = [_factor(pair) for pair in telling]
    if len(telling) < 4 or any(factor is None or factor <= 0 for factor in factors):
        return None
    if any(not pair.equal(pair.expected) for pair in pairs if not magnitude(pair.expected)):
        return None
    wanted = torch.tensor(factors, dtype=torch.float64).log()
    if not bool((wanted.abs() > _CLOSE).any()):
        return None  # nothing was multiplied: the difference is one of rounding
    known = list(_logarithms(telling, quantities))
    for (name, one), (other_name, other) in combinations(known, 2):
        for sentence, log in _products(name, one, other_name, other):
            for constant, words in _CONSTANTS:
                if bool((log + math.log(constant) - wanted).abs().max() < _CLOSE):
                    return f"Your answer is {words}the right one, {sentence}."
    return None


def _factor(pair: Pair) -> float | None:
    """Return by what number an answer is a multiple of the right one, None if it is none."""
    if pair.came.shape != pair.expected.shape:
        return None
    factor = float((pair.came * pair.expected).sum() / pair.expected.square().sum())
    return factor if pair.equal(factor * pair.expected) else None


def _logarithms(
    pairs: Sequence[Pair], quantities: Iterable[Quantity]
) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the quantities that are positive on all inputs and not the same on all."""
    for name, of in quantities:
        try:
            values = torch.tensor([of(pair) for pair in pairs], dtype=torch.float64)
        except Exception:  # an argument without such a measure
            continue
        if bool((values > 0).all()) and bool(values.isfinite().all()) and values.std() > 0:
            yield name, values.log()


def _products(
    name: str, one: torch.Tensor, other_name: str, other: torch.Tensor
) -> Iterator[tuple[str, torch.Tensor]]:
    for power, words in _POWERS:
        for other_power, other_words in _POWERS:
            first, second = words.format(name), other_words.format(other_name)
            a, b = power * one, other_power * other
            yield f"times {first} and divided by {second}", a - b
            yield f"times {second} and divided by {first}", b - a
            yield f"times {first} and {second}", a + b
            yield f"divided by {first} and {second}", -a - b

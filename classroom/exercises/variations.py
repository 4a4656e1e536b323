"""Cases made from cases: changes of an input of which we know what they do to the right answer.

An exercise names the changes that leave it meaningful (frames in reverse order, a frame made twice
as long, another shape of the same numbers). One change is made for every exercise: tensors whose
numbers lie in memory in another order, so that an answer does not count on contiguous ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from classroom.exercises.exercise import Case


@dataclass(frozen=True, eq=False)
class Variation:
    """A change of an input, and what it does to the answer.

    `change(arguments)` returns the new arguments, None where it does not fit; `answer(value,
    arguments)` the right value after it, from the right value before and the arguments before. The
    check runs the reference; a test holds it against `answer`.
    """

    label: str
    change: Callable[[tuple], tuple | None]
    answer: Callable[[object, tuple], object]


def varied(cases: Sequence[Case], variations: Sequence[Variation]) -> Iterator[Case]:
    """Yield a case or two for each variation: of the first input that it fits, and of the last."""
    for variation in variations:
        made = [(case, variation.change(case.arguments)) for case in cases]
        made = [(case, changed) for case, changed in made if changed is not None]
        for case, changed in made if len(made) < 3 else (made[0], made[-1]):
            yield type(case)(f"{case.label}, {variation.label}", changed)
    deepest = max(cases, key=lambda case: _depth(case.arguments))
    if _depth(deepest.arguments):
        label = f"{deepest.label}, in memory in another order (not contiguous)"
        yield type(deepest)(label, tuple(map(_reordered, deepest.arguments)))


def on_argument(index: int, change: Callable[[Tensor], Tensor | None]) -> Callable:
    """Make a `Variation.change` that changes one argument and leaves the others."""

    def changed(arguments: tuple) -> tuple | None:
        new = change(arguments[index])
        return None if new is None else (*arguments[:index], new, *arguments[index + 1 :])

    return changed


def on_all(change: Callable[[Tensor], Tensor | None]) -> Callable:
    """Make a `Variation.change` that changes every tensor alike."""

    def changed(arguments: tuple) -> tuple | None:
        new = [change(each) if isinstance(each, Tensor) else each for each in arguments]
        return None if any(each is None for each in new) else tuple(new)

    return changed


def _depth(arguments: tuple) -> int:
    """Return the most axes longer than 1 that a tensor here has, 0 where none has two."""
    depths = [sum(n > 1 for n in each.shape) for each in arguments if isinstance(each, Tensor)]
    most = max(depths, default=0)
    return most if most > 1 else 0


def _reordered(value: object) -> object:
    """Return the same numbers with their axes in memory from the last to the first."""
    if not isinstance(value, Tensor) or value.ndim < 2:
        return value
    order = tuple(reversed(range(value.ndim)))
    moved = value.detach().permute(order).contiguous().permute(order)
    return moved.requires_grad_(value.requires_grad)

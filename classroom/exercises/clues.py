"""What the wrong values of an answer have in common, where no formula relates them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from classroom.exercises.describe import argument_name
from classroom.exercises.exercise import Exercise
from classroom.exercises.pairs import Pair, all_equal
from classroom.exercises.tolerance import magnitude

_FEWEST_SIGNS = 6  # by chance as many are rarely alike
_NEARLY = 0.02  # of the size: an approximation, and no other formula


def echoes(exercise: Exercise, pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield the argument that came out as it went in."""
    count = len(pairs[0].arguments)
    for index, value in enumerate(pairs[0].arguments):
        if isinstance(value, (Tensor, int, float)) and all_equal(
            pairs,
            lambda _, pair, i=index: torch.as_tensor(pair.arguments[i]).detach().double(),
            with_pair=True,
        ):
            name = argument_name(exercise.reference, index, count)
            yield f"Your answer is the argument {name} as it came in."


def sums(exercise: Exercise, pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield the argument that was added to the right answer, or from which it was taken."""
    count = len(pairs[0].arguments)
    for index, value in enumerate(pairs[0].arguments):
        if not isinstance(value, Tensor) or value.shape != pairs[0].expected.shape:
            continue
        name = argument_name(exercise.reference, index, count)
        for words, change in (
            ("Your answer is the right one plus {}.", lambda right, part: right + part),
            ("Your answer is the right one less {}.", lambda right, part: right - part),
            ("Your answer is {} less the right one.", lambda right, part: part - right),
        ):
            if all_equal(
                pairs,
                lambda right, pair, i=index, change=change: change(
                    right, pair.arguments[i].detach().double()
                ),
                with_pair=True,
            ):
                yield words.format(name)


def multiples(exercise: Exercise, pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield the argument of which some multiple was added, another one on each input."""
    count = len(pairs[0].arguments)
    for index, value in enumerate(pairs[0].arguments):
        if not isinstance(value, Tensor) or value.numel() < 2:
            continue
        if all(_is_off_by(pair, pair.arguments[index]) for pair in pairs):
            name = argument_name(exercise.reference, index, count)
            yield f"On each input a multiple of {name} was added to the right answer."


def _is_off_by(pair: Pair, part: object) -> bool:
    """Return whether an answer differs from the right one by a multiple of a tensor."""
    if not isinstance(part, Tensor) or part.shape != pair.expected.shape:
        return False
    part, gap = part.detach().double(), pair.came - pair.expected
    norm = part.square().sum()
    return pair.equal(pair.expected + (gap * part).sum() / norm * part) if norm else False


def confusion(expected: Sequence[object], came: Sequence[object]) -> str | None:
    """Return what stands for what, where all wrong texts, truth values or counts do the same."""
    kinds = (str, bool, int)
    if not all(isinstance(value, kinds) for value in (*expected, *came)):
        return None
    both = all(isinstance(value, bool) for value in (*expected, *came))
    if both and all(right != mine for right, mine in zip(expected, came)):
        return "Turned round: True stands where False is right, and False where True is."
    wrong = {(right, mine) for right, mine in zip(expected, came) if right != mine}
    if len(wrong) != 1 or sum(right != mine for right, mine in zip(expected, came)) < 2:
        return None
    (right, mine), *_ = wrong
    if not isinstance(mine, type(right)):
        return None
    place = "where" if right in came else "wherever"
    return f"All that is wrong: {mine!r} stands {place} {right!r} is right."


def patterns(exercise: Exercise, pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield what the wrong values have in common."""
    if all(pair.equal(pair.expected.abs() * _signs(pair)) for pair in pairs):
        yield "The sizes are right; some signs are wrong."
    if all(pair.came.numel() > 1 for pair in pairs):
        yield from _among_many(pairs)
    yield from multiples(exercise, pairs)
    yield from _places(pairs)
    yield from _beside_the_diagonal(pairs)
    gaps = [float((pair.came - pair.expected).abs().max()) for pair in pairs if pair.came.numel()]
    shares = [gap / max(magnitude(p.expected), 1e-12) for gap, p in zip(gaps, pairs)]
    if max(shares) < _NEARLY:
        yield (
            f"Your values are nearly right, within {max(shares):.1g} of their size on all inputs. "
            "Look for an approximation, too few steps, or a small number added."
        )


def sameness(pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield that an answer does not look at its input, where it does not."""
    first = pairs[0].came
    if all(pair.came.shape == first.shape and pair.equal(first) for pair in pairs):
        yield "Your answer is the same on every input, and the right one is not."


def _signs(pair: Pair) -> Tensor:
    """Return the signs of what came; where a 0 came that of the right one, as 0 has none."""
    return torch.where(pair.came == 0, pair.expected.sign(), pair.came.sign())


def _among_many(pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield what is seen only where a result holds more than one number."""
    everywhere = not any(pair.equal(pair.expected) for pair in pairs if magnitude(pair.expected))
    if everywhere and all(map(_is_one_multiple, pairs)):
        yield (
            "On each input your values are the right ones times one number, another number on each "
            "input: a factor is missing or too many."
        )
    if all(pair.equal(pair.expected + (pair.came - pair.expected).mean()) for pair in pairs):
        yield "On each input all your values are too large or too small by one and the same number."
    if _all_same_numbers(pairs):
        yield "Right numbers, but in another order."


def _is_one_multiple(pair: Pair) -> bool:
    norm = pair.expected.square().sum()
    factor = (pair.came * pair.expected).sum() / norm if norm else torch.zeros(())
    values = int((pair.expected.abs() > 1e-3 * magnitude(pair.expected)).sum())
    return pair.equal(factor * pair.expected) and (values > 1 or not norm)


def _all_same_numbers(pairs: Sequence[Pair]) -> bool:
    ordered = [(p.came.flatten().sort().values, p.expected.flatten().sort().values) for p in pairs]
    limits = [p.relative * magnitude(p.expected) + p.noise for p in pairs]
    return all(
        a.shape == b.shape and bool((a - b).abs().max() <= limit)
        for (a, b), limit in zip(ordered, limits)
    )


def _places(pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield where along the first axis the wrong values stand, if that is the same everywhere."""
    found = set()
    for pair in pairs:
        if pair.equal(pair.expected):
            continue
        if not pair.came.ndim or len(pair.came) < 3:
            return
        limit = pair.relative * magnitude(pair.expected) + pair.noise
        wrong = (pair.came - pair.expected).abs().reshape(len(pair.came), -1).amax(1) > limit
        places = tuple(wrong.nonzero().flatten().tolist())
        last = len(wrong) - 1
        ends = {
            (0,): "only the first entry is wrong",
            (last,): "only the last entry is wrong",
            (0, last): "only the first and the last entry are wrong",
            tuple(range(1, last + 1)): "only the first entry is right",
            tuple(range(last)): "only the last entry is right",
            tuple(range(1, last)): "only the first and the last entry are right",
        }
        found.add(ends.get(places))
    if len(found) == 1 and None not in found:
        yield f"Along the first axis {found.pop()}."


def _beside_the_diagonal(pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield whether all that is wrong of square matrices stands on the diagonal, or beside it."""
    shapes = [pair.expected.shape for pair in pairs]
    if any(len(shape) != 2 or shape[0] != shape[1] or shape[0] < 2 for shape in shapes):
        return
    on = [torch.eye(shape[0], dtype=torch.float64) for shape in shapes]
    if all(pair.equal(torch.where(d > 0, pair.came, pair.expected)) for pair, d in zip(pairs, on)):
        yield "Beside the diagonal all is right; what is wrong stands on it."
    if all(pair.equal(torch.where(d > 0, pair.expected, pair.came)) for pair, d in zip(pairs, on)):
        yield "On the diagonal all is right; what is wrong stands beside it."


def one_sided(pairs: Sequence[Pair]) -> str | None:
    """Return whether all that is wrong is too large, or all of it too small."""
    if any(pair.came.shape != pair.expected.shape for pair in pairs):
        return None
    gaps = [(pair.came - pair.expected).flatten() for pair in pairs]
    limits = [pair.relative * magnitude(pair.expected) + pair.noise for pair in pairs]
    wrong = [gap[gap.abs() > limit] for gap, limit in zip(gaps, limits)]
    signs = torch.cat(wrong).sign()
    if len(signs) < _FEWEST_SIGNS or len(signs.unique()) > 1:
        return None
    return f"All that is wrong is too {'large' if signs[0] > 0 else 'small'}."

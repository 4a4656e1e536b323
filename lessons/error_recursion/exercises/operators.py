"""The Lipschitz constant at a point, and a start that the filter spoils (Theorem 4.6)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.func import jvp, vjp

from classroom.exercises.exercise import Case, Exercise, Misconception, Property, by_properties
from classroom.exercises.inputs import DTYPES, drawn_sizes
from course.bilateral import bilateral_filter
from lessons.error_recursion.exercises.shared import LESSON

# The Lipschitz constant at a point


def _linear(matrix: Tensor, offset: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: (matrix @ x.flatten() + offset).reshape(x.shape)


def _curved(matrix: Tensor, offset: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: (matrix @ x.flatten()).sin().reshape(x.shape) + offset.reshape(x.shape)


def _map_cases(generator: torch.Generator) -> list[Case]:
    kinds = {"a linear map plus a constant": _linear, "a curved map": _curved}
    cases = []
    for dtype, name in DTYPES.items():
        for shape, (kind, build) in zip(((3,), (2, 3), (4,), (1, 2, 2)), 2 * list(kinds.items())):
            d = math.prod(shape)
            left, right = torch.randn(2, d, d, generator=generator, dtype=torch.float64)
            left, right = torch.linalg.qr(left).Q, torch.linalg.qr(right).Q
            # One large singular value, so that six rounds are enough to the last digit.
            values = torch.tensor([2.0, *torch.linspace(0.2, 0.05, d - 1)], dtype=torch.float64)
            matrix = left @ values.diag() @ right
            offset, x, direction = torch.randn(3, d, generator=generator, dtype=torch.float64)
            function = build(matrix.to(dtype), offset.to(dtype))
            points = ((0.1 * x).to(dtype).reshape(shape), direction.to(dtype).reshape(shape))
            cases.append(Case(f"{kind}, x of shape {shape}, {name}", (function, *points, 6)))
    return cases


def _round_cases(generator: torch.Generator) -> list[Case]:
    """Return maps whose singular values lie close together: there each round can be told."""
    cases = []
    for dtype, name in DTYPES.items():
        for n_rounds, d in ((1, 2), (3, 3)):
            left, right = torch.randn(2, d, d, generator=generator, dtype=torch.float64)
            left, right = torch.linalg.qr(left).Q, torch.linalg.qr(right).Q
            values = torch.linspace(2.0, 1.2, d, dtype=torch.float64)
            matrix, offset = (left @ values.diag() @ right).to(dtype), torch.zeros(d, dtype=dtype)
            # The start mixes all directions, so that every round turns it.
            direction = right.sum(0) + 0.3 * right[-1]
            x = torch.randn(d, generator=generator, dtype=torch.float64)
            points = (0.1 * x).to(dtype), direction.to(dtype)
            label = (
                f"{n_rounds} round{'s' * (n_rounds > 1)}, close singular values, d = {d}, {name}"
            )
            cases.append(Case(label, (_linear(matrix, offset), *points, n_rounds)))
    return cases


def _push(function: Callable, x: Tensor, v: Tensor) -> Tensor:
    return jvp(function, (x,), (v,))[1]


def _pull(function: Callable, x: Tensor, v: Tensor) -> Tensor:
    return vjp(function, x)[1](v)[0]


def _unit(v: Tensor) -> Tensor:
    return v / v.norm()


def _power_iteration(function: Callable, x: Tensor, direction: Tensor, n_rounds: int) -> Tensor:
    v = _unit(direction)
    for _ in range(n_rounds):
        v = _unit(_pull(function, x, _push(function, x, v)))
    return _push(function, x, v).norm()


def _no_transpose(function: Callable, x: Tensor, direction: Tensor, n_rounds: int) -> Tensor:
    v = _unit(direction)
    for _ in range(n_rounds):
        v = _unit(_push(function, x, v))
    return _push(function, x, v).norm()


def _squared(function: Callable, x: Tensor, direction: Tensor, n_rounds: int) -> Tensor:
    return _power_iteration(function, x, direction, n_rounds) ** 2


def _one_round(function: Callable, x: Tensor, direction: Tensor, n_rounds: int) -> Tensor:
    return _push(function, x, _unit(direction)).norm()


def _never_normalised(function: Callable, x: Tensor, direction: Tensor, n_rounds: int) -> Tensor:
    v = _unit(direction)
    for _ in range(n_rounds):
        v = _pull(function, x, _push(function, x, v))
    return _push(function, x, v).norm()


def _values_of_the_map(function: Callable, x: Tensor, direction: Tensor, n_rounds: int) -> Tensor:
    v = _unit(direction)
    for _ in range(n_rounds):
        v = _unit(function(v))
    return function(v).norm()


def _frobenius(function: Callable, x: Tensor, direction: Tensor, n_rounds: int) -> Tensor:
    return torch.func.jacrev(function)(x).norm()


def _largest_value(function: Callable, x: Tensor, direction: Tensor, n_rounds: int) -> Tensor:
    jacobian = torch.func.jacrev(function)(x)
    return torch.linalg.matrix_norm(jacobian.reshape(x.numel(), x.numel()), 2)


POWER_ITERATION = Exercise(
    name="power_iteration",
    lesson=LESSON,
    title="The largest stretch at a point",
    reference=_power_iteration,
    cases=lambda generator: _map_cases(generator) + _round_cases(generator),
    misconceptions=(
        Misconception(
            "no_transpose",
            "You only pushed forward with jvp. That finds the largest eigenvalue; a stretch is a "
            "singular value. Pull back with vjp in every round.",
            _no_transpose,
        ),
        Misconception(
            "square_of_the_stretch",
            "This is the square, the eigenvalue of J'J. One push of the last unit vector gives "
            "the stretch itself.",
            _squared,
        ),
        Misconception(
            "one_round",
            "This is the stretch of the starting direction. The rounds turn it towards the "
            "direction that is stretched most.",
            _one_round,
        ),
        Misconception(
            "never_normalised",
            "Your vector grows with every round. Make its length 1 after each.",
            _never_normalised,
        ),
        Misconception(
            "values_in_place_of_derivatives",
            "You fed directions to the function itself. The Jacobian at x says how the output "
            "moves when x moves: use jvp and vjp at x.",
            _values_of_the_map,
        ),
        Misconception(
            "frobenius_norm",
            "This is the root of the sum of all squared entries of the Jacobian. The largest "
            "stretch is its largest singular value alone.",
            _frobenius,
        ),
        Misconception(
            "one_round_short",
            "You made one round too few. Each round is a push, a pull and a division by the "
            "length; after the last one comes one push more.",
            lambda function, x, direction, n: _power_iteration(function, x, direction, n - 1),
        ),
        Misconception(
            "one_round_more",
            "You made one round too many. After n_rounds rounds only one push follows.",
            lambda function, x, direction, n: _power_iteration(function, x, direction, n + 1),
        ),
        Misconception(
            "always_ten_rounds",
            "You made ten rounds whatever n_rounds says. Use the argument.",
            lambda function, x, direction, n: _power_iteration(function, x, direction, 10),
        ),
        Misconception(
            "largest_singular_value",
            "This is the largest singular value itself. Asked for is how near n_rounds rounds come "
            "to it, for on a real model the matrix is never written down.",
            _largest_value,
        ),
        Misconception(
            "started_at_x",
            "Your rounds start at x. They start at `direction`; x is the point of the derivative.",
            lambda function, x, direction, n: _power_iteration(function, x, x, n),
        ),
    ),
)


# A perfect start that the filter spoils


def _limit_cases(generator: torch.Generator) -> list[Case]:
    limits = [0.1, 7.0, 1000.0, 1e30, 1e-30, *drawn_sizes(generator, -6, 12, 2)]
    return [Case(f"limit {limit:g}", (limit,)) for limit in limits]


def _edge(contrast: float) -> Tensor:
    return torch.tensor([[0.0, contrast], [0.0, contrast]], dtype=torch.float64)[None, None]


def _spoilt_start(limit: float) -> tuple[Tensor, float]:
    return _edge(10 * limit), 10 * limit


def _is_an_image_and_a_sigma(arguments: tuple, answer: object) -> str | None:
    shape = "an image (1, 1, H, W) of 2 x 2 floating-point pixels or more, and a number above 0"
    if not (isinstance(answer, (tuple, list)) and len(answer) == 2):
        return f"Wanted is a pair: {shape}."
    image, sigma = answer
    if not isinstance(image, Tensor) or not image.is_floating_point() or image.ndim != 4:
        return f"Wanted is {shape}."
    if tuple(image.shape[:2]) != (1, 1) or min(image.shape[2:]) < 2 or not image.isfinite().all():
        return f"Wanted is {shape}; the image has shape {tuple(image.shape)}."
    if isinstance(sigma, Tensor) and not sigma.ndim:
        sigma = sigma.item()
    fits = isinstance(sigma, (int, float)) and 0 < sigma < math.inf
    return None if fits else f"Wanted is {shape}; sigma is {sigma!r}."


def _moves_far(arguments: tuple, answer: object) -> str | None:
    if _is_an_image_and_a_sigma(arguments, answer):
        return None  # the first property has said so
    image, sigma = answer
    image = image.detach().double()
    moved = float((bilateral_filter(image, 3, 1.0, float(sigma)) - image).norm())
    if moved > arguments[0]:
        return None
    return f"The filter moves this image by {moved:.4g}, which is not above {arguments[0]:g}."


def _on_steepness(law: Callable[[float], bool]) -> Callable[[tuple, object], bool]:
    """Make a `matches` of a law on contrast / sigma, for answers that are an image and a sigma."""

    def matches(arguments: tuple, answer: tuple) -> bool:
        if _is_an_image_and_a_sigma(arguments, answer):
            return False
        image = answer[0].detach().double()
        return law(float(image.max() - image.min()) / float(answer[1]))

    return matches


def _is_one_answer(pairs: Sequence[tuple[tuple, tuple]]) -> bool:
    """Return whether the limit changes nothing."""
    (image, sigma), matches = pairs[0][1], _on_steepness(lambda steepness: 0.2 <= steepness <= 5)
    same = all(torch.equal(other, image) and size == sigma for _, (other, size) in pairs)
    return same and matches(*pairs[0])


COUNTEREXAMPLE_PERFECT_START = Exercise(
    name="counterexample_perfect_start",
    lesson=LESSON,
    title="Spoil a perfect start",
    reference=_spoilt_start,
    cases=_limit_cases,
    misconceptions=(
        Misconception(
            "flat_image",
            "All pixels are equal, and the mean of equal numbers is that number. The filter "
            "leaves a flat image as it is.",
            lambda limit: (torch.full((1, 1, 2, 2), limit), 1.0),
            matches=_on_steepness(lambda steepness: steepness == 0),
        ),
        Misconception(
            "edge_above_sigma",
            "Your edge is much higher than sigma, so the filter takes its sides for two things "
            "and keeps them apart. Let sigma grow with the edge.",
            lambda limit: (_edge(100 * limit), limit),
            matches=_on_steepness(lambda steepness: steepness > 5),
        ),
        Misconception(
            "contrast_too_small",
            "Your sigma grows, but the image does not. The filter stays between the smallest and "
            "the largest pixel, so the contrast must grow with the limit too.",
            lambda limit: (_edge(0.1), limit + 1),
            matches=_on_steepness(lambda steepness: 0 < steepness < 0.2),
        ),
        Misconception(
            "ignores_the_limit",
            "You return one pair for every limit. It moves a little, and some limit is larger. "
            "Scale the image and sigma together: then the displacement scales too.",
            lambda limit: (_edge(1.0), 1.0),
            together=_is_one_answer,
        ),
        Misconception(
            "scaled_too_little",
            "Image and sigma fit each other, but they move less than the limit. The displacement "
            "is a share of the contrast: make both a few times larger.",
            lambda limit: (_edge(limit), limit),
            matches=_on_steepness(lambda steepness: 0.2 <= steepness <= 5),
        ),
    ),
    properties=(
        Property("an image and a sigma", _is_an_image_and_a_sigma),
        Property("the filter moves it far", _moves_far),
    ),
    compare=by_properties,
    returns="any",
)

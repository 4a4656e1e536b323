"""Exercises of lesson 06: how errors travel through a chain (Theorem 4.6, Lemmas 4.8 and 4.9).

Each reference is written out rather than taken from `course.recursion`, so that a test can hold one
against the other. The misconceptions share the references' parts and differ in the one slip that
they stand for.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import jvp, vjp

from course.bilateral import bilateral_filter
from course.exercises.exercise import Case, Exercise, Misconception, Property, by_properties

LESSON = "06_error_recursion"
_DTYPES = {torch.float64: "float64", torch.float32: "float32"}


# The factor of one step


def _alpha_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in _DTYPES.items():
        for n_steps, lipschitz in ((1, 0.5), (2, 1.0), (3, 0.0), (5, 0.25), (12, 2.0)):
            alphas = 0.3 + 0.6 * torch.rand(n_steps, generator=generator, dtype=torch.float64)
            label = f"{n_steps} step{'s' * (n_steps > 1)}, L = {lipschitz}, {name}"
            cases.append(Case(label, (alphas.to(dtype), lipschitz)))
    return cases


def _slopes(alphas: Tensor) -> Tensor:
    """Return (1 - alpha_t) / sqrt(1 - abar_t), what stands before the predicted noise."""
    return (1 - alphas) / (1 - alphas.cumprod(0)).sqrt()


def _step_constant(alphas: Tensor, lipschitz: float) -> Tensor:
    return (1 + _slopes(alphas) * lipschitz) / alphas.sqrt()


def _cumulative_alpha(alphas: Tensor, lipschitz: float) -> Tensor:
    levels = alphas.cumprod(0)
    return (1 + (1 - levels).sqrt() * lipschitz) / levels.sqrt()


def _single_alpha(alphas: Tensor, lipschitz: float) -> Tensor:
    return (1 + (1 - alphas).sqrt() * lipschitz) / alphas.sqrt()


def _rootless(alphas: Tensor, lipschitz: float) -> Tensor:
    return (1 + _slopes(alphas) * lipschitz) / alphas


def _rootless_level(alphas: Tensor, lipschitz: float) -> Tensor:
    return (1 + (1 - alphas) / (1 - alphas.cumprod(0)) * lipschitz) / alphas.sqrt()


def _outside_the_bracket(alphas: Tensor, lipschitz: float) -> Tensor:
    return 1 / alphas.sqrt() + _slopes(alphas) * lipschitz


def _kept_the_minus(alphas: Tensor, lipschitz: float) -> Tensor:
    return (1 - _slopes(alphas) * lipschitz) / alphas.sqrt()


def _without_lipschitz(alphas: Tensor, lipschitz: float) -> Tensor:
    return 1 / alphas.sqrt()


STEP_CONSTANT = Exercise(
    name="step_constant",
    lesson=LESSON,
    title="The factor of one step",
    reference=_step_constant,
    cases=_alpha_cases,
    misconceptions=(
        Misconception(
            "cumulative_alpha",
            "You used the running product everywhere. Only 1 - abar_t has it; the other alphas "
            "are those of the single step.",
            _cumulative_alpha,
        ),
        Misconception(
            "single_alpha",
            "Under the inner root you have alpha_t. There stands the running product, abar_t.",
            _single_alpha,
        ),
        Misconception(
            "forgot_the_root",
            "You divide by alpha_t. Eq. 33 divides by its square root.",
            _rootless,
        ),
        Misconception(
            "forgot_the_inner_root",
            "You divide by 1 - abar_t. Eq. 33 divides by its square root.",
            _rootless_level,
        ),
        Misconception(
            "added_outside_the_bracket",
            "The predicted noise is divided by the root of alpha_t as well: it stands inside the "
            "bracket of Eq. 33.",
            _outside_the_bracket,
        ),
        Misconception(
            "kept_the_minus",
            "You subtracted the predictor's part. A bound must serve every predictor, also one "
            "whose error points the other way: norms add.",
            _kept_the_minus,
        ),
        Misconception(
            "dropped_the_lipschitz_term",
            "Your factor does not depend on L. Two latents also get two different predictions.",
            _without_lipschitz,
        ),
    ),
)


# The whole chain


def _chain_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in _DTYPES.items():
        for n_steps, displacement, start in (
            (1, 0.5, 1.0),
            (2, 0.0, 0.0),
            (2, 0.25, 1.0),
            (4, 0.0, 2.0),
            (9, 0.1, 0.5),
        ):
            draws = torch.rand(2, n_steps, generator=generator, dtype=torch.float64)
            constants, noise = (1.05 + 0.6 * draws[0]).to(dtype), draws[1].to(dtype)
            values = (torch.tensor(value, dtype=dtype) for value in (displacement, start))
            label = (
                f"{n_steps} step{'s' * (n_steps > 1)}, b = {displacement}, start {start}, {name}"
            )
            cases.append(Case(label, (constants, noise, *values)))
    return cases


def _accumulate(constants: Tensor, noise: Tensor, displacement: Tensor, start: Tensor) -> Tensor:
    error = start
    for constant, fresh in zip(constants, noise):
        error = constant * (error + displacement) + fresh
    return error


def _wrong_end(constants: Tensor, noise: Tensor, displacement: Tensor, start: Tensor) -> Tensor:
    return _accumulate(constants.flip(0), noise.flip(0), displacement, start)


def _powers_of_87(constants: Tensor, noise: Tensor, displacement: Tensor, start: Tensor) -> Tensor:
    silent = _accumulate(constants, torch.zeros_like(noise), displacement, start)
    passed = torch.cat([torch.ones_like(constants[:1]), constants.cumprod(0)[:-1]])
    return silent + (passed * noise).sum()


def _largest(constants: Tensor, noise: Tensor, displacement: Tensor, start: Tensor) -> Tensor:
    return _accumulate(constants.max().expand_as(constants), noise, displacement, start)


def _no_filter(constants: Tensor, noise: Tensor, displacement: Tensor, start: Tensor) -> Tensor:
    return _accumulate(constants, noise, torch.zeros_like(displacement), start)


def _filter_last(constants: Tensor, noise: Tensor, displacement: Tensor, start: Tensor) -> Tensor:
    return _accumulate(constants, noise + displacement, torch.zeros_like(displacement), start)


def _noise_first(constants: Tensor, noise: Tensor, displacement: Tensor, start: Tensor) -> Tensor:
    return _accumulate(constants, constants * noise, displacement, start)


def _from_zero(constants: Tensor, noise: Tensor, displacement: Tensor, start: Tensor) -> Tensor:
    return _accumulate(constants, noise, displacement, torch.zeros_like(start))


ACCUMULATE = Exercise(
    name="accumulate",
    lesson=LESSON,
    title="Unroll the recursion",
    reference=_accumulate,
    cases=_chain_cases,
    misconceptions=(
        Misconception(
            "powers_of_eq_87",
            "Your early noise has few factors and your late noise many. That is the slip of "
            "Eq. 87: noise that enters early passes through all the later steps.",
            _powers_of_87,
        ),
        Misconception(
            "from_the_wrong_end",
            "You walk from the last step to the first. The arrays are in the order of the walk: "
            "entry 0 is the first step, at the noisiest timestep.",
            _wrong_end,
        ),
        Misconception(
            "largest_constant",
            "You used the largest constant in every step, as Eq. 41 does. Each step has its own.",
            _largest,
        ),
        Misconception(
            "forgot_the_displacement",
            "The filter's displacement b does not appear. The paper leaves it out too, and that "
            "is what breaks Theorem 4.6.",
            _no_filter,
        ),
        Misconception(
            "displacement_after_the_step",
            "You add b after multiplying. The filter acts on x_t, before the step, so that C_t "
            "multiplies b as well.",
            _filter_last,
        ),
        Misconception(
            "noise_before_the_step",
            "You multiply the fresh noise by the constant of its own step. It is added after that "
            "step; only later steps multiply it.",
            _noise_first,
        ),
        Misconception(
            "forgot_the_start",
            "The error at the start does not appear. It passes through every step.",
            _from_zero,
        ),
    ),
)


# The mean length of the noise


def _dimension_cases(generator: torch.Generator) -> list[Case]:
    return [Case(f"d = {d}", (d,)) for d in (1, 2, 3, 10, 64, 1024)]


def _noise_norm(d: int) -> float:
    return math.sqrt(2) * math.exp(math.lgamma((d + 1) / 2) - math.lgamma(d / 2))


def _gamma_itself(d: int) -> float:
    return math.sqrt(2) * math.gamma((d + 1) / 2) / math.gamma(d / 2)


EXPECTED_NOISE_NORM = Exercise(
    name="expected_noise_norm",
    lesson=LESSON,
    title="The mean length of the noise",
    reference=_noise_norm,
    cases=_dimension_cases,
    misconceptions=(
        Misconception(
            "root_of_d",
            "That is the root of the mean of ||z||^2. The mean of a root is smaller than the root "
            "of the mean.",
            lambda d: math.sqrt(d),
        ),
        Misconception(
            "mean_of_the_square",
            "This is the mean of ||z||^2. Asked for is the mean of ||z||.",
            lambda d: float(d),
        ),
        Misconception(
            "most_likely_length",
            "The root of d - 1 is the most likely length, where the density is highest. The mean "
            "lies a little above it.",
            lambda d: math.sqrt(d - 1),
        ),
        Misconception(
            "sum_of_absolute_values",
            "You added the mean absolute values of d numbers. The Euclidean norm squares, adds "
            "and takes one root.",
            lambda d: d * math.sqrt(2 / math.pi),
        ),
        Misconception(
            "gamma_overflows",
            "The formula is right, but the Gamma function is too large for a float at d = 1024. "
            "Subtract logarithms (math.lgamma) first, and take exp of the difference.",
            _gamma_itself,
        ),
        Misconception(
            "forgot_the_root_of_two",
            "The ratio of the Gammas is right. The root of 2 in front is missing.",
            lambda d: _noise_norm(d) / math.sqrt(2),
        ),
        Misconception(
            "forgot_the_exponential",
            "math.lgamma gives logarithms. The ratio is the exponential of their difference.",
            lambda d: math.sqrt(2) * (math.lgamma((d + 1) / 2) - math.lgamma(d / 2)),
        ),
    ),
    returns="number",
)


# One step in the mean square


def _rms_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in _DTYPES.items():
        for shape, displacement in (((), 0.0), ((), 0.5), ((3,), 0.25), ((2, 4), 1.0)):
            draws = torch.rand((3, *shape), generator=generator, dtype=torch.float64)
            constant, error, noise = (draws + torch.tensor(1.0)).to(dtype)
            shift = torch.full(shape, displacement, dtype=dtype)
            label = f"b = {displacement}, shape {shape}, {name}"
            cases.append(Case(label, (constant + 0.5, error, shift, noise)))
    return cases


def _rms_combine(constant: Tensor, error: Tensor, displacement: Tensor, noise: Tensor) -> Tensor:
    return ((constant * (error + displacement)) ** 2 + noise**2).sqrt()


def _adds_norms(constant: Tensor, error: Tensor, displacement: Tensor, noise: Tensor) -> Tensor:
    return constant * (error + displacement) + noise


def _no_root(constant: Tensor, error: Tensor, displacement: Tensor, noise: Tensor) -> Tensor:
    return (constant * (error + displacement)) ** 2 + noise**2


def _all_squares(constant: Tensor, error: Tensor, displacement: Tensor, noise: Tensor) -> Tensor:
    return (constant**2 * (error**2 + displacement**2) + noise**2).sqrt()


def _noise_inside(constant: Tensor, error: Tensor, displacement: Tensor, noise: Tensor) -> Tensor:
    return constant * ((error + displacement) ** 2 + noise**2).sqrt()


def _plain_constant(constant: Tensor, error: Tensor, displacement: Tensor, noise: Tensor) -> Tensor:
    return (constant * (error + displacement) ** 2 + noise**2).sqrt()


RMS_COMBINE = Exercise(
    name="rms_combine",
    lesson=LESSON,
    title="One step in the mean square",
    reference=_rms_combine,
    cases=_rms_cases,
    misconceptions=(
        Misconception(
            "adds_norms",
            "You added the lengths. The noise is independent of the error, so their inner product "
            "is 0 on average, and the squares add.",
            _adds_norms,
        ),
        Misconception(
            "forgot_the_root",
            "This is the mean square. Take its root.",
            _no_root,
        ),
        Misconception(
            "squares_of_everything",
            "You added the squares of R and b too. The filter's displacement depends on the "
            "latent, so it may point along the error: these two lengths add.",
            _all_squares,
        ),
        Misconception(
            "noise_inside",
            "You multiplied the noise by C. It is added after the step, so C does not touch it.",
            _noise_inside,
        ),
        Misconception(
            "constant_not_squared",
            "C stands outside the square. It multiplies the length, so the square has C^2.",
            _plain_constant,
        ),
    ),
)


# The Lipschitz constant at a point


def _linear(matrix: Tensor, offset: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: (matrix @ x.flatten() + offset).reshape(x.shape)


def _curved(matrix: Tensor, offset: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: (matrix @ x.flatten()).sin().reshape(x.shape) + offset.reshape(x.shape)


def _map_cases(generator: torch.Generator) -> list[Case]:
    kinds = {"a linear map plus a constant": _linear, "a curved map": _curved}
    cases = []
    for dtype, name in _DTYPES.items():
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


POWER_ITERATION = Exercise(
    name="power_iteration",
    lesson=LESSON,
    title="The largest stretch at a point",
    reference=_power_iteration,
    cases=_map_cases,
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
    ),
)


# A perfect start that the filter spoils


def _limit_cases(generator: torch.Generator) -> list[Case]:
    return [Case(f"limit {limit:g}", (limit,)) for limit in (0.1, 7.0, 1000.0)]


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
    return None if isinstance(sigma, (int, float)) and sigma > 0 else f"Wanted is {shape}."


def _moves_far(arguments: tuple, answer: object) -> str | None:
    image, sigma = answer
    moved = float((bilateral_filter(image, 3, 1.0, sigma) - image).norm())
    if moved > arguments[0]:
        return None
    return f"The filter moves this image by {moved:.4g}, which is not above {arguments[0]:g}."


def _contrast(image: Tensor) -> float:
    return float(image.max() - image.min())


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
            matches=lambda arguments, answer: _contrast(answer[0]) == 0,
        ),
        Misconception(
            "edge_above_sigma",
            "Your edge is much higher than sigma, so the filter takes its sides for two things "
            "and keeps them apart. Let sigma grow with the edge.",
            lambda limit: (_edge(100 * limit), limit),
            matches=lambda arguments, answer: _contrast(answer[0]) > 5 * answer[1],
        ),
        Misconception(
            "contrast_too_small",
            "Your sigma grows, but the image does not. The filter stays between the smallest and "
            "the largest pixel, so the contrast must grow with the limit too.",
            lambda limit: (_edge(0.1), limit + 1),
            matches=lambda arguments, answer: 0 < 5 * _contrast(answer[0]) < answer[1],
        ),
        Misconception(
            "ignores_the_limit",
            "This pair moves a little, but not as far as the limit asks. Scale the image and "
            "sigma together: then the displacement scales too.",
            lambda limit: (_edge(1.0), 1.0),
            matches=lambda arguments, answer: (
                0.2 <= _contrast(answer[0]) / answer[1] <= 5
                and _moves_far(arguments, answer) is not None
            ),
        ),
    ),
    properties=(
        Property("an image and a sigma", _is_an_image_and_a_sigma),
        Property("the filter moves it far", _moves_far),
    ),
    compare=by_properties,
    returns="any",
)


EXERCISES: tuple[Exercise, ...] = (
    STEP_CONSTANT,
    ACCUMULATE,
    EXPECTED_NOISE_NORM,
    RMS_COMBINE,
    POWER_ITERATION,
    COUNTEREXAMPLE_PERFECT_START,
)

"""The factor of one step and of the whole chain (Lemmas 4.8 and 4.9)."""

from __future__ import annotations

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.inputs import DTYPES
from classroom.exercises.variations import Variation
from lessons.error_recursion.exercises.shared import LESSON

# The factor of one step


def _alpha_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in DTYPES.items():
        for n_steps, lipschitz in ((1, 0.5), (2, 1.0), (3, 0.0), (5, 0.25), (12, 2.0), (4, 300.0)):
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
        Misconception(
            "lipschitz_over_both_terms",
            "L multiplies the predictor's part alone. The first term is the latents' own "
            "difference, which no predictor changes.",
            lambda alphas, lipschitz: lipschitz * (1 + _slopes(alphas)) / alphas.sqrt(),
        ),
        Misconception(
            "one_left_outside",
            "You divide the predictor's part by the root of alpha_t, and not the 1. Both stand "
            "inside the bracket of Eq. 33.",
            lambda alphas, lipschitz: 1 + _slopes(alphas) * lipschitz / alphas.sqrt(),
        ),
    ),
)


# The whole chain


def _chain_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in DTYPES.items():
        for n_steps, displacement, start in (
            (1, 0.5, 1.0), (2, 0.0, 0.0), (2, 0.25, 1.0), (4, 0.0, 2.0), (9, 0.1, 0.5),
        ):  # fmt: skip
            draws = torch.rand(2, n_steps, generator=generator, dtype=torch.float64)
            constants, noise = (1.05 + 0.6 * draws[0]).to(dtype), draws[1].to(dtype)
            values = (torch.tensor(value, dtype=dtype) for value in (displacement, start))
            steps = f"{n_steps} step{'s' * (n_steps > 1)}"
            label = f"{steps}, b = {displacement}, start {start}, {name}"
            cases.append(Case(label, (constants, noise, *values)))
        small, large = torch.tensor([[0.5, 0.1, 0.9], [40.0, 500.0, 70.0]], dtype=dtype)
        rest = (small, *torch.tensor([0.25, 1.0], dtype=dtype))
        for kind, given in (("constants below 1", small), ("large constants", large)):
            cases.append(Case(f"3 steps, {kind}, {name}", (given, *rest)))
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
        Misconception(
            "displacement_once",
            "The filter's displacement enters once, at the start. The filter acts before every "
            "step.",
            lambda constants, noise, displacement, start: _accumulate(
                constants, noise, torch.zeros_like(displacement), start + displacement
            ),
        ),
    ),
    variations=(
        Variation(
            "noise, displacement and start 20 times as large",
            lambda a: (a[0], 20 * a[1], 20 * a[2], 20 * a[3]),
            lambda value, arguments: 20 * value,
        ),
    ),
)

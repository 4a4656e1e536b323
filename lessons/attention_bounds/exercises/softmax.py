"""The Jacobian of softmax, and where softmax is steepest (the constant of Lemma 4.12)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception, Property, by_properties
from classroom.exercises.inputs import DTYPES, normal
from classroom.exercises.variations import Variation
from lessons.attention_bounds.exercises.shared import LESSON

# The Jacobian of softmax


def _logit_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in DTYPES.items():
        cases.append(Case(f"two equal logits, {name}", (torch.ones(2, dtype=dtype),)))
        for n in (2, 3, 5):
            cases.append(Case(f"{n} random logits, {name}", (normal(generator, dtype, n),)))
    far = torch.tensor([0.0, 500.0, -500.0], dtype=torch.float64)
    cases.append(Case("logits far apart, float64", (far,)))
    return cases


def _jacobian(logits: Tensor) -> Tensor:
    p = logits.softmax(-1)
    return p.diag() - p.outer(p)


SOFTMAX_JACOBIAN = Exercise(
    name="softmax_jacobian",
    lesson=LESSON,
    title="The Jacobian of softmax",
    reference=_jacobian,
    cases=_logit_cases,
    misconceptions=(
        Misconception(
            "only_the_diagonal",
            "The diagonal is right, and beside it you have zeros. All shares stand over one sum: "
            "where one grows, the others shrink.",
            lambda logits: (logits.softmax(-1) * (1 - logits.softmax(-1))).diag(),
        ),
        Misconception(
            "forgot_the_outer_product",
            "This is diag(p) alone: the derivative of the numerators. The sum below them moves "
            "too, and brings - p p'.",
            lambda logits: logits.softmax(-1).diag(),
        ),
        Misconception(
            "wrong_sign",
            "Every sign is turned round. A token whose own logit grows gets more, so the diagonal "
            "is positive.",
            lambda logits: -_jacobian(logits),
        ),
        Misconception(
            "added_the_outer_product",
            "You add p p'. Take it away: then every row sums to 0, as the shares always sum to 1.",
            lambda logits: logits.softmax(-1).diag() + logits.softmax(-1).outer(logits.softmax(-1)),
        ),
        Misconception(
            "outer_product_of_the_logits",
            "Your outer product is made of the logits. It is made of the shares p.",
            lambda logits: logits.softmax(-1).diag() - logits.outer(logits),
        ),
        Misconception(
            "jacobian_of_the_logarithm",
            "This is the Jacobian of log_softmax, I - 1 p'. Multiply row i by p_i to get the one "
            "of softmax.",
            lambda logits: (
                torch.eye(len(logits), dtype=logits.dtype)
                - logits.softmax(-1).expand(len(logits), -1)
            ),
        ),
    ),
    variations=(
        Variation(
            "all logits larger by 1000",
            lambda a: (a[0] + 1000,) if a[0].dtype == torch.float64 else None,
            lambda value, arguments: value,
        ),
        Variation("in reverse order", lambda a: (a[0].flip(0),), lambda value, a: value.flip(0, 1)),
    ),
)


# Where softmax is steepest


def _shares(value: object, n_tokens: int) -> Tensor | str:
    """Return softmax of an answer in float64, or what is wrong with it."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return "Return a tensor of floating-point logits."
    if value.shape != (n_tokens,):
        return f"The logits have shape {tuple(value.shape)}; wanted ({n_tokens},)."
    return value.detach().double().softmax(-1)


def _is_steepest(arguments: tuple, value: object) -> str | None:
    p = _shares(value, *arguments)
    if isinstance(p, str):
        return p
    if not bool(p.isfinite().all()):
        return "softmax of your logits is NaN."
    norm = torch.linalg.matrix_norm(p.diag() - p.outer(p), 2).item()
    if norm >= 0.5 - 1e-6:
        return None
    return f"The Jacobian has norm {norm:.6f} there; wanted is 0.5."


def _on_shares(law: Callable[[Tensor, Tensor], object]) -> Callable:
    """Make a `matches` of a law on (logits, shares)."""

    def matches(arguments: tuple, value: object) -> bool:
        p = _shares(value, *arguments)
        return not isinstance(p, str) and bool(law(value.detach().double(), p))

    return matches


def _two_ahead(n_tokens: int, ahead: float = 40.0) -> Tensor:
    logits = torch.zeros(n_tokens, dtype=torch.float64)
    logits[:2] = ahead
    return logits


def _is_a_distribution(logits: Tensor, p: Tensor) -> bool:
    return bool((logits >= 0).all()) and abs(logits.sum().item() - 1) < 1e-6


STEEPEST_LOGITS = Exercise(
    name="steepest_logits",
    lesson=LESSON,
    title="Where softmax is steepest",
    reference=_two_ahead,
    cases=lambda generator: [Case(f"{n} tokens", (n,)) for n in (2, 3, 10, 300)],
    misconceptions=(
        Misconception(
            "all_tokens_alike",
            "All shares are 1/L. For two tokens that is the steepest point, but for L tokens the "
            "norm there is only 1/L.",
            lambda n: torch.zeros(n, dtype=torch.float64),
            matches=_on_shares(lambda logits, p: logits.max() - logits.min() < 1e-6),
        ),
        Misconception(
            "one_token_takes_all",
            "One token has nearly everything. There softmax is flat: a small change of the logits "
            "moves nothing. It is steep where two tokens compete.",
            lambda n: _two_ahead(n) * (torch.arange(n) == 0),
            matches=_on_shares(lambda logits, p: p.max() > 0.9),
        ),
        Misconception(
            "returned_the_shares",
            "These are the shares (1/2, 1/2, 0, ...) themselves. As logits they are almost alike. "
            "Wanted are logits whose softmax has these shares.",
            lambda n: _two_ahead(n, 0.5),
            matches=_on_shares(_is_a_distribution),
        ),
        Misconception(
            "two_a_little_ahead",
            "Two tokens lead, but the others still have a share. Put the two further ahead, until "
            "nothing is left for the rest.",
            lambda n: _two_ahead(n, 3.0),
            matches=_on_shares(
                lambda logits, p: (
                    p.topk(2).values.diff().abs().item() < 1e-6
                    and logits.max() - logits.min() > 1e-6
                    and not _is_a_distribution(logits, p)
                )
            ),
        ),
        Misconception(
            "infinite_logits",
            "softmax of an infinite logit is inf/inf, which is NaN. A difference of 40 is enough, "
            "or -inf for the tokens that get nothing.",
            lambda n: _two_ahead(n, math.inf),
            matches=_on_shares(lambda logits, p: p.isnan().any()),
        ),
    ),
    properties=(Property("the norm is one half", _is_steepest),),
    compare=by_properties,
)

"""A low-rank layer, and its adapter merged into it (Eq. 2)."""

from __future__ import annotations

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.inputs import DTYPES, normal, scaled
from lessons.lora_adapters.exercises.shared import LESSON

# Width in, width out, rank, alpha; the square one lets transposed matrices fit.
_SIZES = (
    (2, 3, 1, 2.0),
    (3, 3, 3, 1.0),
    (4, 4, 2, 8.0),
    (6, 5, 2, 2.0),
    (12, 8, 4, 0.3),
    (3, 2, 2, -1.5),
)


# The layer


def _forward_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in DTYPES.items():
        for wide, out, rank, alpha in _SIZES:
            x, w_0 = normal(generator, dtype, wide + 1, wide), normal(generator, dtype, out, wide)
            a, b = normal(generator, dtype, rank, wide), normal(generator, dtype, out, rank)
            label = f"{wide} numbers in, {out} out, rank {rank}, alpha {alpha:g}, {name}"
            cases.append(Case(label, (x, w_0, a, b, alpha)))
        cases.append(Case(f"B = 0, as at the start, {name}", (x, w_0, a, torch.zeros_like(b), 4.0)))
    return cases


def _forward(x: Tensor, w_0: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return x @ w_0.T + alpha / len(a) * (x @ a.T @ b.T)


LORA_FORWARD = Exercise(
    name="lora_forward",
    lesson=LESSON,
    title="A low-rank layer",
    reference=_forward,
    cases=_forward_cases,
    misconceptions=(
        Misconception(
            "forgot_the_scale",
            "The low-rank part is not scaled. LoRA multiplies it by alpha / r, which Eq. 2 leaves "
            "out.",
            lambda x, w_0, a, b, alpha: x @ w_0.T + x @ a.T @ b.T,
        ),
        Misconception(
            "scaled_by_alpha",
            "You scale by alpha. Divide by the rank too: then a wider adapter does not push "
            "harder only because it is wider.",
            lambda x, w_0, a, b, alpha: x @ w_0.T + alpha * (x @ a.T @ b.T),
        ),
        Misconception(
            "scaled_by_the_root",
            "You divide alpha by the root of the rank. That is a variant of its own (rank-"
            "stabilised LoRA); the usual scale is alpha / r.",
            lambda x, w_0, a, b, alpha: x @ w_0.T + alpha / len(a) ** 0.5 * (x @ a.T @ b.T),
        ),
        Misconception(
            "replaced_w0",
            "The frozen W_0 x is missing. The adapter adds to the layer and does not take its "
            "place.",
            lambda x, w_0, a, b, alpha: alpha / len(a) * (x @ a.T @ b.T),
        ),
        Misconception(
            "added_to_the_input",
            "You add the low-rank part to x. It belongs beside W_0 x, at the output.",
            lambda x, w_0, a, b, alpha: x + alpha / len(a) * (x @ a.T @ b.T),
        ),
        Misconception(
            "swapped_a_and_b",
            "A and B have changed places. A comes first and makes r numbers of the input, then B "
            "makes the output of these.",
            lambda x, w_0, a, b, alpha: x @ w_0.T + alpha / len(a) * (x @ b.T @ a.T),
        ),
        Misconception(
            "scaled_both",
            "W_0 x is scaled as well. The frozen part stays as it is.",
            lambda x, w_0, a, b, alpha: alpha / len(a) * (x @ w_0.T + x @ a.T @ b.T),
        ),
        Misconception(
            "forgot_to_transpose",
            "x is (4, in) and W_0 is (out, in): a matrix that makes `out` numbers of `in` is used "
            "transposed here, x @ W_0.T. The same goes for A and B.",
            lambda x, w_0, a, b, alpha: x @ w_0 + alpha / len(a) * (x @ a @ b),
        ),
    ),
    variations=(scaled(0, 30.0, lambda value: 30 * value),),
)


# Merging


def _merge_cases(generator: torch.Generator) -> list[Case]:
    return [Case(each.label, each.arguments[1:]) for each in _forward_cases(generator)]


def _merged(w_0: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return w_0 + alpha / len(a) * (b @ a)


MERGE_LORA = Exercise(
    name="merge_lora",
    lesson=LESSON,
    title="Merge the adapter",
    reference=_merged,
    cases=_merge_cases,
    misconceptions=(
        Misconception(
            "forgot_the_scale",
            "The scale alpha / r is missing. The merged layer must do what the two parts did.",
            lambda w_0, a, b, alpha: w_0 + b @ a,
        ),
        Misconception(
            "swapped_a_and_b",
            "This is A B. It is (r, r) and fits W_0 only by accident; the change is B A.",
            lambda w_0, a, b, alpha: w_0 + alpha / len(a) * (a @ b),
        ),
        Misconception(
            "transposed",
            "You added the change transposed, A'B', which takes outputs to inputs. The change is "
            "B A.",
            lambda w_0, a, b, alpha: w_0 + alpha / len(a) * (b @ a).T,
        ),
        Misconception(
            "only_the_change",
            "This is the change alone. The merged matrix is W_0 plus the change.",
            lambda w_0, a, b, alpha: alpha / len(a) * (b @ a),
        ),
        Misconception(
            "taken_off",
            "You take the adapter off. That undoes a merge; merging adds.",
            lambda w_0, a, b, alpha: w_0 - alpha / len(a) * (b @ a),
        ),
    ),
)

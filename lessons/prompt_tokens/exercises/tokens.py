"""Exercises of lesson 08: tokens put together, their rank, and what attention can reach with them.

Eq. 13 and Corollary 4.15. Attention is taken in its plain form here, out_i = sum_l p_l v_l with
p = softmax(q_i . v_l): effective queries q_i and values v_l, as in `course.reachability`. What can
and cannot be reached is in `response` and `reach`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.inputs import DTYPES, normal
from classroom.exercises.variations import Variation
from lessons.prompt_tokens.exercises.shared import LESSON

# Eq. 13


def _token_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for n_frames, n_shared, n_frame, n_text, d, n_texts in (
        (1, 1, 1, 1, 2, 1), (2, 1, 1, 2, 3, 1), (2, 2, 2, 2, 3, 2), (3, 2, 1, 4, 3, 1),
        (4, 3, 2, 5, 4, 4), (3, 0, 2, 3, 4, 1), (3, 2, 0, 3, 4, 3),
    ):  # fmt: skip
        for dtype, name in DTYPES.items():
            shapes = (n_shared, d), (n_frames, n_frame, d), (n_texts, n_text, d)
            whose = "one text" if n_texts == 1 else "a text for each frame"
            label = f"{n_frames} frames, {n_shared} shared, {n_frame} own, {whose}, {name}"
            cases.append(Case(label, tuple(normal(generator, dtype, *shape) for shape in shapes)))
    return cases


def _parts(shared: Tensor, frame: Tensor, text: Tensor) -> list[Tensor]:
    return [shared.expand(len(frame), -1, -1), frame, text.expand(len(frame), -1, -1)]


def _assembled(shared: Tensor, frame: Tensor, text: Tensor) -> Tensor:
    return torch.cat(_parts(shared, frame, text), dim=1)


def _in_order(*order: int):
    def answer(shared: Tensor, frame: Tensor, text: Tensor) -> Tensor:
        parts = _parts(shared, frame, text)
        return torch.cat([parts[index] for index in order], dim=1)

    return answer


def _all_in_one(shared: Tensor, frame: Tensor, text: Tensor) -> Tensor:
    return _assembled(shared, frame.flatten(0, 1).expand(len(frame), -1, -1), text)


ASSEMBLE_TOKENS = Exercise(
    name="assemble_tokens",
    lesson=LESSON,
    title="Shared, frame and text tokens in one sequence",
    reference=_assembled,
    cases=_token_cases,
    misconceptions=(
        Misconception(
            "text_first",
            "The text comes first in your sequence. Attention would not mind, but Eq. 13 and saved "
            "tokens do: shared, frame, text.",
            _in_order(2, 0, 1),
        ),
        Misconception(
            "frame_before_shared",
            "Frame and shared tokens have changed places. Eq. 13 puts the shared ones first.",
            _in_order(1, 0, 2),
        ),
        Misconception(
            "first_frame_for_all",
            "Every frame got the tokens of the first frame. Then nothing is left that one frame "
            "has for itself.",
            lambda shared, frame, text: _assembled(shared, frame[:1].expand_as(frame), text),
        ),
        Misconception(
            "first_text_for_all",
            "Every frame got the first text. There may be one for all frames, or one for each.",
            lambda shared, frame, text: _assembled(shared, frame, text[:1]),
        ),
        Misconception(
            "every_frame_sees_all",
            "The tokens of all frames stand in each sequence. A frame sees its own ones only: "
            "N_s + N_u + L rows.",
            _all_in_one,
        ),
        Misconception(
            "joined_along_the_batch",
            "You join along axis 0, the frames. Tokens lie along axis 1: each frame's sequence "
            "becomes longer.",
            lambda *parts: torch.cat(_parts(*parts), dim=0),
        ),
        Misconception(
            "joined_along_the_width",
            "You join along the last axis, the features. Then tokens become wider, where the "
            "sequence should become longer: axis 1.",
            lambda *parts: torch.cat(_parts(*parts), dim=-1),
        ),
        Misconception(
            "forgot_to_expand",
            "The shared tokens and a single text stand there once, and there are T frames. Expand "
            "both to T before you join.",
            lambda shared, frame, text: torch.cat([shared.unsqueeze(0), frame, text], dim=1),
        ),
    ),
)


# Span and rank


def _of_rank(generator: torch.Generator, dtype: torch.dtype, *shape: int, rank: int) -> Tensor:
    """Return tokens (..., n, d) whose matrices have just this rank, from small whole numbers."""
    *batch, n, d = shape
    rows = torch.eye(rank, dtype=dtype).repeat(-(-n // rank), 1)[:n].expand(*batch, n, rank)
    sizes = torch.randint(1, 4, (*batch, n, 1), generator=generator).to(dtype)
    return sizes * rows @ torch.randint(1, 9, (rank, d), generator=generator).to(dtype)


def _rank_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in DTYPES.items():
        ones = torch.ones(2, 2, dtype=dtype)
        cases.append(Case(f"4 equal tokens, d = 2, {name}", (ones, ones.expand(3, 2, 2).clone())))
        for n_frames, n_shared, n_frame, d in ((2, 1, 1, 3), (3, 4, 4, 4), (3, 5, 2, 6)):
            pair = (
                normal(generator, dtype, n_shared, d),
                normal(generator, dtype, n_frames, n_frame, d),
            )
            sizes = f"{n_frames} frames, {n_shared} + {n_frame} tokens, d = {d}"
            cases.append(Case(f"random, {sizes}, {name}", pair))
            line = _of_rank(generator, dtype, n_shared, d, rank=1)
            cases.append(Case(f"shared on a line, {sizes}, {name}", (line, pair[1])))
            lines = _of_rank(generator, dtype, n_frames, n_frame, d, rank=1)
            cases.append(Case(f"all on two lines, {sizes}, {name}", (line, lines)))
        mixed = normal(generator, dtype, 3, 2, 4)
        mixed[1] = mixed[1, :1]
        mixed[2] = 0
        shared = normal(generator, dtype, 1, 4)
        cases.append(Case(f"frames of different rank, {name}", (shared, mixed)))
        none = torch.zeros(2, 3, dtype=dtype), torch.zeros(2, 2, 3, dtype=dtype)
        cases.append(Case(f"all tokens 0, {name}", none))
    return cases


def _rows(shared: Tensor, frame: Tensor) -> Tensor:
    return torch.cat([shared.expand(len(frame), -1, -1), frame], dim=1)


def _rank(shared: Tensor, frame: Tensor) -> Tensor:
    return torch.linalg.matrix_rank(_rows(shared, frame))


def _count(shared: Tensor, frame: Tensor) -> Tensor:
    n = min(len(shared) + frame.shape[1], shared.shape[1])
    return torch.full((len(frame),), n)


def _distinct(shared: Tensor, frame: Tensor) -> Tensor:
    return torch.tensor([len(rows.unique(dim=0)) for rows in _rows(shared, frame)])


def _together(shared: Tensor, frame: Tensor) -> Tensor:
    rank = torch.linalg.matrix_rank(torch.cat([shared, frame.flatten(0, 1)]))
    return rank.expand(len(frame))


def _sum_of_ranks(shared: Tensor, frame: Tensor) -> Tensor:
    return torch.linalg.matrix_rank(shared) + torch.linalg.matrix_rank(frame)


def _centred(shared: Tensor, frame: Tensor) -> Tensor:
    rows = _rows(shared, frame)
    return torch.linalg.matrix_rank(rows - rows.mean(1, keepdim=True))


TOKEN_RANK = Exercise(
    name="token_rank",
    lesson=LESSON,
    title="How many directions the tokens of a frame span",
    reference=_rank,
    cases=_rank_cases,
    misconceptions=(
        Misconception(
            "counted_the_tokens",
            "You counted tokens, up to d. So does Corollary 4.15. Equal tokens, or tokens on one "
            "line, add no direction.",
            _count,
        ),
        Misconception(
            "counted_different_tokens",
            "You counted different tokens. Different is not independent: v and 2v are different, "
            "and span one direction.",
            _distinct,
        ),
        Misconception(
            "all_frames_together",
            "You took the tokens of all frames together. A frame sees the shared tokens and its "
            "own, so each frame has a rank of its own.",
            _together,
        ),
        Misconception(
            "frame_tokens_alone",
            "You left out the shared tokens. They stand in the sequence of every frame.",
            lambda shared, frame: torch.linalg.matrix_rank(frame),
        ),
        Misconception(
            "sum_of_ranks",
            "You added the two ranks. Directions that both have are counted twice, and no rank "
            "exceeds d.",
            _sum_of_ranks,
        ),
        Misconception(
            "subtracted_the_mean",
            "You took the mean away first. That is the number of directions in which outputs can "
            "differ. The span asked for counts from zero.",
            _centred,
        ),
        Misconception(
            "all_tokens_counted",
            "You counted the tokens. They may depend on each other, and there are only d "
            "directions: take a rank.",
            lambda shared, frame: torch.full((len(frame),), len(shared) + frame.shape[1]),
        ),
    ),
    variations=(
        Variation(
            "all tokens a millionth as long",
            lambda a: (1e-6 * a[0], 1e-6 * a[1]),
            lambda value, arguments: value,
        ),
        Variation(
            "all tokens a million times as long",
            lambda a: (1e6 * a[0], 1e6 * a[1]),
            lambda value, arguments: value,
        ),
        Variation(
            "tokens in reverse order",
            lambda a: (a[0].flip(0), a[1].flip(1)),
            lambda value, arguments: value,
        ),
    ),
)

"""Attention that sees other frames: Text2Video-Zero's first frame, and FLATTEN's paths.

One head: queries, keys and values are (T, N, d), frames by tokens by width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.inputs import DTYPES, normal

LESSON = "frames_together"


def _mixed(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    scores = queries @ keys.mT / queries.shape[-1] ** 0.5
    return scores.softmax(-1) @ values


# Keys and values of the first frame (arXiv 2303.13439)


def _frame_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for shape in ((2, 2, 2), (1, 3, 2), (3, 4, 4), (5, 4, 8)):
        for dtype, name in DTYPES.items():
            tensors = tuple(normal(generator, dtype, *shape) for _ in range(3))
            cases.append(Case(f"frames, tokens, width {shape}, {name}", tensors))
    far = (2000 * tensors[0], *tensors[1:])
    cases.append(Case(f"frames, tokens, width {shape}, scores far apart, {name}", far))
    return cases


def _of_first(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    return _mixed(queries, keys[:1], values[:1])


FIRST_FRAME_ATTENTION = Exercise(
    name="first_frame_attention",
    lesson=LESSON,
    title="Every frame looks at the first one",
    reference=_of_first,
    cases=_frame_cases,
    misconceptions=(
        Misconception(
            "each_its_own",
            "Every frame still looks at itself: this is plain attention. Take keys and values of "
            "frame 0 for all frames.",
            _mixed,
        ),
        Misconception(
            "queries_of_the_first",
            "You took the queries of frame 0, too. Then all frames become the same picture. The "
            "queries say where each frame is, and stay its own.",
            lambda q, k, v: _mixed(q[:1].expand_as(q), k[:1], v[:1]),
        ),
        Misconception(
            "values_stayed",
            "The keys come from frame 0, but each frame mixes its own values with them. Key and "
            "value of a token belong together.",
            lambda q, k, v: _mixed(q, k[:1], v),
        ),
        Misconception(
            "keys_stayed",
            "The values come from frame 0, but each frame is compared with its own keys. Key and "
            "value of a token belong together.",
            lambda q, k, v: _mixed(q, k, v[:1]),
        ),
        Misconception(
            "last_frame",
            "You look at the last frame. Index 0 is the first, and -1 the last.",
            lambda q, k, v: _mixed(q, k[-1:], v[-1:]),
        ),
        Misconception(
            "previous_frame",
            "You look at the frame before. That is Tune-A-Video's half; here it is always frame 0.",
            lambda q, k, v: _mixed(q, torch.cat([k[:1], k[:-1]]), torch.cat([v[:1], v[:-1]])),
        ),
        Misconception(
            "no_root",
            "The scores are not divided by the root of the width d (Eq. 14).",
            lambda q, k, v: (q @ k[:1].mT).softmax(-1) @ v[:1],
        ),
        Misconception(
            "softmax_over_queries",
            "Your softmax runs over the queries. Each query's shares must add up to 1 over the "
            "keys, the last axis.",
            lambda q, k, v: (q @ k[:1].mT / q.shape[-1] ** 0.5).softmax(-2) @ v[:1],
        ),
    ),
)

# Attention along the path of the flow (arXiv 2310.05922)


def _path_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for n_frames, n_tokens, width in ((2, 2, 2), (3, 4, 2), (4, 6, 4), (1, 3, 2)):
        for dtype, name in DTYPES.items():
            tensors = tuple(normal(generator, dtype, n_frames, n_tokens, width) for _ in range(3))
            index = torch.randint(n_tokens, (n_frames, n_tokens, n_frames), generator=generator)
            own = torch.arange(n_tokens)
            for frame in range(n_frames):
                index[frame, :, frame] = own  # in its own frame a token is where it is
            label = f"{n_frames} frames, {n_tokens} tokens, width {width}, {name}"
            cases.append(Case(label, (*tensors, index)))
    far = (*(2000 * each for each in tensors[:2]), tensors[2], index)
    cases.append(Case(f"{label}, scores far apart", far))
    return cases


def _picked(rows: Tensor, index: Tensor) -> Tensor:
    """Return (T, N, T, d): for token n of frame t, its row in every frame s."""
    frames = torch.arange(len(rows)).expand_as(index)
    return rows[frames, index]


def _along(queries: Tensor, keys: Tensor, values: Tensor, index: Tensor) -> Tensor:
    keys, values = _picked(keys, index), _picked(values, index)
    return _mixed(queries[:, :, None], keys, values)[:, :, 0]


def _transposed(queries: Tensor, keys: Tensor, values: Tensor, index: Tensor) -> Tensor:
    return _along(queries, keys, values, index.permute(2, 1, 0))


def _still(queries: Tensor, keys: Tensor, values: Tensor, index: Tensor) -> Tensor:
    stay = torch.arange(index.shape[1])[None, :, None].expand_as(index)
    return _along(queries, keys, values, stay)


def _without_itself(queries: Tensor, keys: Tensor, values: Tensor, index: Tensor) -> Tensor:
    scores = (queries[:, :, None] * _picked(keys, index)).sum(-1) / queries.shape[-1] ** 0.5
    own = torch.eye(len(queries), dtype=torch.bool)[:, None]
    shares = scores.masked_fill(own, -torch.inf).softmax(-1)
    return (shares[..., None] * _picked(values, index)).sum(2)


ATTENTION_ALONG_PATHS = Exercise(
    name="attention_along_paths",
    lesson=LESSON,
    title="Look at yourself in the other frames",
    reference=_along,
    cases=_path_cases,
    misconceptions=(
        Misconception(
            "each_its_own",
            "This is plain attention within a frame: the index, which says where a token is in the "
            "other frames, is not used.",
            lambda q, k, v, index: _mixed(q, k, v),
        ),
        Misconception(
            "stays_in_place",
            "You look at the same place in every frame. Things move: index[t, n, s] says where "
            "token n of frame t is in frame s.",
            _still,
        ),
        Misconception(
            "index_turned_round",
            "Two axes of the index are exchanged. index[t, n, s] is read with t the frame that "
            "looks and s the frame that is looked at.",
            _transposed,
        ),
        Misconception(
            "plain_mean",
            "All frames count alike in your mean. Let the softmax of query times key decide.",
            lambda q, k, v, index: _picked(v, index).mean(2),
        ),
        Misconception(
            "keys_not_moved",
            "The values are taken along the path, but the keys are those of the token's own place. "
            "Key and value of a token belong together.",
            lambda q, k, v, index: _mixed(
                q[:, :, None],
                _picked(k, torch.arange(index.shape[1])[None, :, None].expand_as(index)),
                _picked(v, index),
            )[:, :, 0],
        ),
        Misconception(
            "without_itself",
            "A token leaves itself out. The path goes through its own frame, too, and where it is "
            "hidden elsewhere nothing else is left.",
            _without_itself,
        ),
        Misconception(
            "no_root",
            "The scores are not divided by the root of the width d (Eq. 14).",
            lambda q, k, v, index: _along(q * q.shape[-1] ** 0.5, k, v, index),
        ),
    ),
)

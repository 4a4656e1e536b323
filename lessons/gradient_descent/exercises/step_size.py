"""A safe step size (Theorem 4.4, repaired)."""

from __future__ import annotations

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception
from classroom.exercises.inputs import DTYPES, frames_reversed, scaled
from course.temporal import smoothness_bound
from lessons.gradient_descent.exercises.shared import LESSON, clips, frame_norms, still_clip

# A safe step size


def _size_cases(generator: torch.Generator) -> list[Case]:
    cases = [Case(f"{label}, unequal norms", (clip,)) for label, clip in clips(generator)]
    for dtype, name in DTYPES.items():
        cases.append(Case(f"four equal frames of norm 5, {name}", (still_clip(dtype),)))
    return cases


def _safe_step_size(features: Tensor) -> float:
    return 1 / smoothness_bound(len(features), float(frame_norms(features).min()))


def _size_of(features: Tensor, norm: float) -> float:
    return norm**2 * (len(features) - 1) / 32


def _bound_itself(features: Tensor) -> float:
    return 1 / _safe_step_size(features)


def _largest_norm(features: Tensor) -> float:
    return _size_of(features, float(frame_norms(features).max()))


def _mean_norm(features: Tensor) -> float:
    return _size_of(features, float(frame_norms(features).mean()))


def _whole_norm(features: Tensor) -> float:
    return _size_of(features, float(features.norm()))


def _norm_along_one_axis(features: Tensor) -> float:
    return _size_of(features, float(features.norm(dim=1).min()))


def _norm_not_squared(features: Tensor) -> float:
    return float(frame_norms(features).min()) * (len(features) - 1) / 32


def _without_frames(features: Tensor) -> float:
    return float(frame_norms(features).min()) ** 2 / 32


def _all_frames_counted(features: Tensor) -> float:
    return float(frame_norms(features).min()) ** 2 * len(features) / 32


def _the_limit(features: Tensor) -> float:
    return 2 * _safe_step_size(features)


def _printed_constant(features: Tensor) -> float:
    return float(frame_norms(features).max()) / 16


SAFE_STEP_SIZE = Exercise(
    name="safe_step_size",
    lesson=LESSON,
    title="A safe step size",
    reference=_safe_step_size,
    cases=_size_cases,
    returns="number",
    variations=(
        frames_reversed(),
        scaled(0, 1e-3, lambda value: 1e-6 * value),
        scaled(0, 300.0, lambda value: 9e4 * value),
    ),
    misconceptions=(
        Misconception(
            "returned_the_bound",
            "This is L_0 itself. A steep gradient asks for small steps: return 1 / L_0.",
            _bound_itself,
        ),
        Misconception(
            "largest_norm",
            "You used the largest norm. The loss is steepest around the shortest frame, so "
            "the smallest norm decides.",
            _largest_norm,
        ),
        Misconception(
            "mean_norm",
            "You used the mean norm. One short frame is enough to make the loss steep: the "
            "smallest norm decides.",
            _mean_norm,
        ),
        Misconception(
            "norm_of_the_whole_clip",
            "You took one norm of all frames together. Each frame has a norm of its own, and the "
            "smallest of them decides.",
            _whole_norm,
        ),
        Misconception(
            "norm_along_one_axis",
            "You took norms along one axis only. A frame may have several: flatten each frame to a "
            "row first, and then take one norm a row.",
            _norm_along_one_axis,
        ),
        Misconception(
            "norm_not_squared",
            "Your step size grows like the norm. Second derivatives shrink like 1 / m^2 when "
            "frames grow, so the step size grows like m^2.",
            _norm_not_squared,
        ),
        Misconception(
            "forgot_the_frames",
            "The divisor T - 1 of the loss is missing. L_0 is 32 / (m^2 (T - 1)).",
            _without_frames,
        ),
        Misconception(
            "divided_by_all_frames",
            "You counted T frames where the loss divides by T - 1.",
            _all_frames_counted,
        ),
        Misconception(
            "took_the_limit",
            "This is 2 / L_0, the limit itself. There the guaranteed fall is zero; the task "
            "asks for the middle of the safe range, 1 / L_0.",
            _the_limit,
        ),
        Misconception(
            "printed_constant",
            "This is M / 16, from the constant that the paper prints. It uses an upper bound "
            "on the norms, and lesson 02 shows why that cannot work.",
            _printed_constant,
        ),
        Misconception(
            "norm_of_the_first_frame",
            "You took the norm of the first frame. Any frame may be the shortest: take the "
            "smallest norm.",
            lambda features: _size_of(features, float(frame_norms(features)[0])),
        ),
        Misconception(
            "norm_of_the_last_frame",
            "You took the norm of the last frame. Any frame may be the shortest: take the "
            "smallest norm.",
            lambda features: _size_of(features, float(frame_norms(features)[-1])),
        ),
        Misconception(
            "norm_squared_twice",
            "You squared the norm before you gave it to the bound, which squares it again.",
            lambda features: _size_of(features, float(frame_norms(features).min()) ** 2),
        ),
        Misconception(
            "frames_of_norm_one",
            "This is the step for frames of norm 1. Here the shortest frame decides.",
            lambda features: _size_of(features, 1.0),
        ),
        Misconception(
            "one_frame_too_few",
            "You gave the bound one frame less. It subtracts 1 from the number of frames itself.",
            lambda features: _safe_step_size(features) * (len(features) - 2) / (len(features) - 1),
        ),
    ),
)

"""A clip on which descent is stuck, though its loss is not zero (Theorem 4.4)."""

from __future__ import annotations

import torch
from torch import Tensor

from classroom.exercises.exercise import Case, Exercise, Misconception, Property, by_properties
from course.temporal import temporal_loss, temporal_loss_gradient
from lessons.gradient_descent.exercises.shared import LESSON, frame_norms, per_frame

# Stuck clips


def _stuck_cases(generator: torch.Generator) -> list[Case]:
    return [Case(f"{n} frames", (n,)) for n in (3, 4, 5, 8, 13, 50)]


def _stuck_clip(n_frames: int) -> Tensor:
    frames = torch.tensor([[1.0, 0.0]]).repeat(n_frames, 1)
    frames[-1] = -frames[-1]
    return frames


def _equal_frames(n_frames: int) -> Tensor:
    return torch.tensor([[1.0, 0.0]]).repeat(n_frames, 1)


def _turned_frames(n_frames: int) -> Tensor:
    """Return quarter turns: every similarity is 0."""
    return torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, -1]])[torch.arange(n_frames) % 4]


def _one_odd_frame(n_frames: int) -> Tensor:
    frames = _equal_frames(n_frames)
    frames[-1] = torch.tensor([0.0, 1.0])
    return frames


def _zero_frame(n_frames: int) -> Tensor:
    frames = _equal_frames(n_frames)
    frames[n_frames // 2] = 0
    return frames


def _facts(answer: Tensor) -> tuple[float, float]:
    """Return the loss, and the norm of the gradient in units of the frames."""
    frames = answer.double()
    unit = frames / per_frame(frame_norms(frames), frames)
    return float(temporal_loss(unit)), float(temporal_loss_gradient(unit).norm())


def _is_clip(arguments: tuple, answer: object) -> bool:
    return (
        isinstance(answer, Tensor)
        and answer.is_floating_point()
        and answer.ndim >= 2
        and len(answer) == arguments[0]
        and bool(answer.isfinite().all())
    )


def _has_no_zero_frame(answer: Tensor) -> bool:
    return bool((frame_norms(answer) > 0).all())


_STILL = 1e-5  # a gradient below this, at unit norms, is rounding of float32 cosines


def _is_stuck(arguments: tuple, answer: object) -> str | None:
    if not _is_clip(arguments, answer):
        return f"Wanted a floating-point tensor ({arguments[0]}, d) of finite numbers, d >= 2."
    if not _has_no_zero_frame(answer):
        return "A frame is zero, and a zero frame has no cosine: neither loss nor gradient exists."
    if answer[0].numel() < 2:
        return "Frames of one number each have only a sign; wanted d >= 2."
    loss, gradient = _facts(answer)
    if gradient > _STILL:
        return f"The gradient is not zero: with frames of norm 1 its norm is {gradient:.2g}."
    if loss < 1e-6:
        return f"The gradient is zero, but so is the loss ({loss:.1g}): this is a minimum."
    return None


def _is_minimum(similarity_is_one: bool):
    """Return a test for clips with loss 0, either of frames along one line or of turned ones."""

    def matches(arguments: tuple, answer: object) -> bool:
        if not _is_clip(arguments, answer) or not _has_no_zero_frame(answer):
            return False
        rows = answer.double().flatten(1)
        cosine = (rows[0] @ rows[1]) / (rows[0].norm() * rows[1].norm())
        return _facts(answer)[0] < 1e-6 and bool(cosine > 1 - 1e-6) == similarity_is_one

    return matches


def _still_moves(arguments: tuple, answer: object) -> bool:
    if not _is_clip(arguments, answer) or not _has_no_zero_frame(answer):
        return False
    return answer[0].numel() > 1 and _facts(answer)[1] > _STILL


def _holds_a_zero_frame(arguments: tuple, answer: object) -> bool:
    return _is_clip(arguments, answer) and not _has_no_zero_frame(answer)


STUCK_CLIP = Exercise(
    name="stuck_clip",
    lesson=LESSON,
    title="A clip that is stuck",
    reference=_stuck_clip,
    cases=_stuck_cases,
    compare=by_properties,
    returns="any",
    misconceptions=(
        Misconception(
            "all_frames_alike",
            "All your frames point the same way. The gradient is zero, but so is the loss: "
            "this is a minimum. Two neighbours must differ as much as they can.",
            _equal_frames,
            _is_minimum(True),
        ),
        Misconception(
            "constant_similarity",
            "All neighbours in your clip have one and the same similarity, so the loss is "
            "zero: a minimum again. The similarity must change from pair to pair.",
            _turned_frames,
            _is_minimum(False),
        ),
        Misconception(
            "not_stationary",
            "The loss is positive, but descent still moves this clip. Where the similarity "
            "changes, neighbours must be parallel or opposite: only there does the cosine "
            "have slope zero.",
            _one_odd_frame,
            _still_moves,
        ),
        Misconception(
            "used_a_zero_frame",
            "One of your frames is zero. It has no cosine, so there is no gradient to be zero.",
            _zero_frame,
            _holds_a_zero_frame,
        ),
    ),
    properties=(Property("zero gradient, positive loss", _is_stuck),),
)

"""Exercises of lesson 03: gradient descent on the temporal loss (Eq. 17, 22, Theorem 4.4).

References lean on `course.temporal` for the gradient, which lessons 01 and 02 derived; what they
add is the lesson's own: the step, the norms after it, its size, where it stops, and its chain rule.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from course.exercises.exercise import Case, Exercise, Misconception, Property, by_properties
from course.exercises.inputs import DTYPES
from course.temporal import smoothness_bound, temporal_loss, temporal_loss_gradient

LESSON = "03_gradient_descent"
_SHAPES = ((3, 2), (4, 3), (6, 2, 3), (9, 2, 2, 2))


def _norms(features: Tensor) -> Tensor:
    return features.flatten(1).norm(dim=1)


def _per_frame(values: Tensor, features: Tensor) -> Tensor:
    return values.reshape(-1, *[1] * (features.ndim - 1))


def _clips(generator: torch.Generator) -> Iterator[tuple[str, Tensor]]:
    """Yield labelled clips, small to large, with unequal norms, in both dtypes."""
    for dtype, name in DTYPES.items():
        for shape in _SHAPES:
            clip = torch.randn(shape, generator=generator, dtype=torch.float64)
            norms = 0.5 + torch.rand(shape[0], generator=generator, dtype=torch.float64)
            clip = clip * _per_frame(norms / _norms(clip), clip)
            yield f"{shape[0]} frames of shape {shape[1:]}, {name}", clip.to(dtype)


def _still_clip(dtype: torch.dtype) -> Tensor:
    """Return four equal frames: the gradient is zero."""
    return torch.tensor([[3.0, 4.0]], dtype=dtype).repeat(4, 1)


def _step_cases(generator: torch.Generator) -> list[Case]:
    """Pair each clip with a step size that moves it by about its own length."""
    rates = (0.7, 1.7, 2.5, 3.5)
    cases = [
        Case(f"{label}, step size {rates[index % 4]}", (clip, rates[index % 4]))
        for index, (label, clip) in enumerate(_clips(generator))
    ]
    cases += [Case("four equal frames", (_still_clip(dtype), 0.5)) for dtype in DTYPES]
    return cases


# One step


def _descent_step(features: Tensor, learning_rate: float) -> Tensor:
    return features - learning_rate * temporal_loss_gradient(features)


def _climbed(features: Tensor, learning_rate: float) -> Tensor:
    return features + learning_rate * temporal_loss_gradient(features)


def _full_step(features: Tensor, learning_rate: float) -> Tensor:
    return features - temporal_loss_gradient(features)


def _projected_back(features: Tensor, learning_rate: float) -> Tensor:
    moved = _descent_step(features, learning_rate)
    return moved * _per_frame(_norms(features) / _norms(moved), features)


def _unit_gradient(features: Tensor, learning_rate: float) -> Tensor:
    gradient = temporal_loss_gradient(features)
    length = gradient.norm()
    return features - learning_rate * (gradient / length if length > 0 else gradient)


def _only_the_change(features: Tensor, learning_rate: float) -> Tensor:
    return -learning_rate * temporal_loss_gradient(features)


def _falls_at_first(arguments: tuple, answer: Tensor) -> str | None:
    """Check the direction: a step must not go uphill, whatever its length."""
    features, _ = arguments
    gradient = temporal_loss_gradient(features).double()
    uphill = ((answer.double() - features.double()) * gradient).sum()
    if uphill > 1e-5 * (1 + gradient.square().sum()):
        return "The step goes along the gradient, so the loss rises at first."
    return None


# Norms after a step


def _norms_after_step(features: Tensor, learning_rate: float) -> Tensor:
    gradient = _norms(temporal_loss_gradient(features))
    return (_norms(features).square() + (learning_rate * gradient).square()).sqrt()


def _added_norms(features: Tensor, learning_rate: float) -> Tensor:
    return _norms(features) + learning_rate * _norms(temporal_loss_gradient(features))


def _rate_not_squared(features: Tensor, learning_rate: float) -> Tensor:
    gradient = _norms(temporal_loss_gradient(features))
    return (_norms(features).square() + learning_rate * gradient.square()).sqrt()


def _whole_gradient(features: Tensor, learning_rate: float) -> Tensor:
    gradient = temporal_loss_gradient(features).norm()
    return (_norms(features).square() + (learning_rate * gradient).square()).sqrt()


def _no_root(features: Tensor, learning_rate: float) -> Tensor:
    return _norms_after_step(features, learning_rate).square()


def _norms_before(features: Tensor, learning_rate: float) -> Tensor:
    return _norms(features)


def _never_shorter(arguments: tuple, answer: Tensor) -> str | None:
    before = _norms(arguments[0])
    if bool((answer < before * (1 - 1e-5)).any()):
        return "A norm comes out below its start; a step at a right angle cannot do that."
    return None


# A safe step size


def _size_cases(generator: torch.Generator) -> list[Case]:
    cases = [Case(f"{label}, unequal norms", (clip,)) for label, clip in _clips(generator)]
    for dtype, name in DTYPES.items():
        cases.append(Case(f"four equal frames of norm 5, {name}", (_still_clip(dtype),)))
    return cases


def _safe_step_size(features: Tensor) -> float:
    return 1 / smoothness_bound(len(features), float(_norms(features).min()))


def _size_of(features: Tensor, norm: float) -> float:
    return norm**2 * (len(features) - 1) / 32


def _bound_itself(features: Tensor) -> float:
    return 1 / _safe_step_size(features)


def _largest_norm(features: Tensor) -> float:
    return _size_of(features, float(_norms(features).max()))


def _mean_norm(features: Tensor) -> float:
    return _size_of(features, float(_norms(features).mean()))


def _norm_not_squared(features: Tensor) -> float:
    return float(_norms(features).min()) * (len(features) - 1) / 32


def _without_frames(features: Tensor) -> float:
    return float(_norms(features).min()) ** 2 / 32


def _all_frames_counted(features: Tensor) -> float:
    return float(_norms(features).min()) ** 2 * len(features) / 32


def _the_limit(features: Tensor) -> float:
    return 2 * _safe_step_size(features)


def _printed_constant(features: Tensor) -> float:
    return float(_norms(features).max()) / 16


# Stuck clips


def _stuck_cases(generator: torch.Generator) -> list[Case]:
    return [Case(f"{n} frames", (n,)) for n in (3, 4, 5, 8, 13)]


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
    unit = frames / _per_frame(_norms(frames), frames)
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
    return bool((_norms(answer) > 0).all())


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


# The chain rule through an adapter


def _lora_cases(generator: torch.Generator) -> list[Case]:
    cases = []
    for dtype, name in DTYPES.items():
        # Equal sizes let a transposed or half-finished product through the shape check.
        for n, outputs, inputs, rank in ((1, 2, 2, 2), (3, 3, 3, 3), (3, 2, 4, 1), (6, 5, 7, 2)):
            shapes = (n, outputs), (n, inputs), (rank, inputs)
            draws = [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]
            label = f"{n} frame{'s' * (n > 1)}, {inputs} -> {outputs}, rank {rank}, {name}"
            cases.append(Case(label, tuple(draw.to(dtype) for draw in draws)))
    return cases


def _lora_gradient(feature_gradient: Tensor, inputs: Tensor, lora_a: Tensor) -> Tensor:
    return feature_gradient.T @ (inputs @ lora_a.T)


def _transposed(feature_gradient: Tensor, inputs: Tensor, lora_a: Tensor) -> Tensor:
    return _lora_gradient(feature_gradient, inputs, lora_a).T


def _without_lora_a(feature_gradient: Tensor, inputs: Tensor, lora_a: Tensor) -> Tensor:
    return feature_gradient.T @ inputs


def _mean_over_frames(feature_gradient: Tensor, inputs: Tensor, lora_a: Tensor) -> Tensor:
    return _lora_gradient(feature_gradient, inputs, lora_a) / len(inputs)


def _divided_by_rank(feature_gradient: Tensor, inputs: Tensor, lora_a: Tensor) -> Tensor:
    return _lora_gradient(feature_gradient, inputs, lora_a) / len(lora_a)


def _frames_summed_first(feature_gradient: Tensor, inputs: Tensor, lora_a: Tensor) -> Tensor:
    return torch.outer(feature_gradient.sum(0), lora_a @ inputs.sum(0))


EXERCISES = (
    Exercise(
        name="descent_step",
        lesson=LESSON,
        title="one step of descent",
        reference=_descent_step,
        cases=_step_cases,
        misconceptions=(
            Misconception(
                "climbed",
                "Your step follows the gradient, and the gradient points uphill. Eq. 17 has a "
                "minus sign.",
                _climbed,
            ),
            Misconception(
                "forgot_the_learning_rate",
                "Your step does not depend on the learning rate. Multiply the gradient by it.",
                _full_step,
            ),
            Misconception(
                "projected_back",
                "You brought each frame back to its old norm after the step. Eq. 17 does not, "
                "and the growth of the norms is just what makes the proof work.",
                _projected_back,
            ),
            Misconception(
                "normalised_the_gradient",
                "You divided the gradient by its norm, so the step keeps its length even near a "
                "minimum. Eq. 17 uses the gradient as it is.",
                _unit_gradient,
            ),
            Misconception(
                "returned_only_the_change",
                "This is the change and not the new frames. Add it to the features.",
                _only_the_change,
            ),
        ),
        properties=(Property("goes downhill", _falls_at_first),),
    ),
    Exercise(
        name="norms_after_step",
        lesson=LESSON,
        title="the norms after a step",
        reference=_norms_after_step,
        cases=_step_cases,
        misconceptions=(
            Misconception(
                "added_the_norms",
                "You added the two lengths, as if the step pointed along the frame. It stands at a "
                "right angle to it: add the squares.",
                _added_norms,
            ),
            Misconception(
                "step_size_not_squared",
                "The step is learning_rate times the gradient, so its square has the square of "
                "learning_rate in it too.",
                _rate_not_squared,
            ),
            Misconception(
                "norm_of_the_whole_gradient",
                "You used the norm of the whole gradient for each frame. A frame moves only by its "
                "own part: take one norm per frame.",
                _whole_gradient,
            ),
            Misconception(
                "forgot_the_root",
                "These are the squared norms. Take the square root.",
                _no_root,
            ),
            Misconception(
                "assumed_norms_stay",
                "You returned the norms before the step. The gradient has no part along the frame, "
                "but a step along the tangent still leaves the circle.",
                _norms_before,
            ),
        ),
        properties=(Property("no norm falls", _never_shorter),),
    ),
    Exercise(
        name="safe_step_size",
        lesson=LESSON,
        title="a safe step size",
        reference=_safe_step_size,
        cases=_size_cases,
        tolerance={torch.float64: 1e-6},  # torch.tensor(number) is float32, and right as well
        returns="number",
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
        ),
    ),
    Exercise(
        name="stuck_clip",
        lesson=LESSON,
        title="a clip that is stuck",
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
    ),
    Exercise(
        name="lora_gradient",
        lesson=LESSON,
        title="the gradient of an adapter",
        reference=_lora_gradient,
        cases=_lora_cases,
        misconceptions=(
            Misconception(
                "transposed",
                "This is the transpose. The gradient has the shape of B, (outputs, rank).",
                _transposed,
            ),
            Misconception(
                "forgot_lora_a",
                "You left A out: B acts on A x_t and not on x_t. Send the inputs through A first.",
                _without_lora_a,
            ),
            Misconception(
                "averaged_over_frames",
                "You divided by the number of frames. B is shared by all frames, so their parts "
                "add up; the loss has its divisor already.",
                _mean_over_frames,
            ),
            Misconception(
                "divided_by_rank",
                "You divided by the rank. F = (W_0 + B A) x has no scale in it here.",
                _divided_by_rank,
            ),
            Misconception(
                "summed_frames_first",
                "You summed over the frames before you multiplied. Each frame's gradient goes with "
                "its own input: multiply first, then sum.",
                _frames_summed_first,
            ),
        ),
    ),
)

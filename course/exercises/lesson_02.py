"""Exercises of lesson 02: the temporal loss and its matrix (Eq. 4, 19, 23-25, Lemmas 4.3, 4.5).

Each reference is written out rather than taken from `course.temporal`, so that a test can hold one
against the other. The misconceptions share the references' parts and differ in the one slip that
they stand for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from course.exercises.exercise import Case, Exercise, Misconception, Property, by_properties

LESSON = "02_temporal_loss"
_DTYPES = {torch.float64: "float64", torch.float32: "float32"}
_SIZES = (3, 4, 5, 8, 12)


def _similarities(features: Tensor) -> Tensor:
    rows = features.flatten(1)
    norms = rows.norm(dim=1)
    return (rows[:-1] * rows[1:]).sum(1) / (norms[:-1] * norms[1:])


def _planar(angles: Tensor) -> Tensor:
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def _alternating(n_frames: int, dtype: torch.dtype) -> Tensor:
    """Return a picture and its negative, in turn: (n_frames, 2, 2)."""
    picture = torch.tensor([[1.0, 2.0], [0.0, 2.0]], dtype=dtype)
    return torch.stack([picture if t % 2 == 0 else -picture for t in range(n_frames)])


def _quarter_turns(n_frames: int, dtype: torch.dtype) -> Tensor:
    corners = torch.tensor([[1, 0], [0, 1], [-1, 0], [0, -1]], dtype=dtype)
    return 3 * corners[torch.arange(n_frames) % 4]


def _clips(generator: torch.Generator) -> Iterator[tuple[str, Tensor]]:
    """Yield labelled features from small to large, and then the ones that the loss cannot see."""
    for dtype, name in _DTYPES.items():
        for shape in ((3, 2), (4, 3), (6, 2, 3), (12, 3, 2, 2)):
            values = torch.randn(shape, generator=generator, dtype=torch.float64)
            yield f"random features of shape {shape}, {name}", values.to(dtype)
        yield f"5 quarter turns, all similarities 0, {name}", _quarter_turns(5, dtype)
        yield f"4 frames that alternate, all similarities -1, {name}", _alternating(4, dtype)


# The loss


def _loss_cases(generator: torch.Generator) -> list[Case]:
    return [Case(label, (features,)) for label, features in _clips(generator)]


def _temporal_loss(features: Tensor) -> Tensor:
    return _similarities(features).diff().square().sum() / (len(features) - 1)


def _mean_over_differences(features: Tensor) -> Tensor:
    return _similarities(features).diff().square().mean()


def _sum_of_differences(features: Tensor) -> Tensor:
    return _similarities(features).diff().square().sum()


def _absolute_differences(features: Tensor) -> Tensor:
    return _similarities(features).diff().abs().sum() / (len(features) - 1)


def _differences_of_frames(features: Tensor) -> Tensor:
    return features.diff(dim=0).square().sum() / (len(features) - 1)


def _distance_from_one(features: Tensor) -> Tensor:
    return (1 - _similarities(features)).square().sum() / (len(features) - 1)


def _padded_with_one(features: Tensor) -> Tensor:
    similarities = _similarities(features)
    padded = torch.cat([torch.ones_like(similarities[:1]), similarities])
    return padded.diff().square().sum() / (len(features) - 1)


def _cosine_by_position(features: Tensor) -> Tensor:
    cosines = torch.nn.functional.cosine_similarity(features[:-1], features[1:], dim=1)
    return cosines.flatten(1).mean(1).diff().square().sum() / (len(features) - 1)


LOSS_OF_CLIP = Exercise(
    name="loss_of_clip",
    lesson=LESSON,
    title="The loss of a clip",
    reference=_temporal_loss,
    cases=_loss_cases,
    tolerance={torch.float64: 1e-6},  # torch.tensor(number) is float32, and right as well
    misconceptions=(
        Misconception(
            "mean_over_differences",
            "You divide by the number of differences, T-2, as a mean does. Eq. 19 has T-2 terms "
            "and yet the divisor T-1.",
            _mean_over_differences,
        ),
        Misconception(
            "forgot_the_divisor",
            "The sum is right, but it is not divided. Eq. 19 has 1/(T-1) in front.",
            _sum_of_differences,
        ),
        Misconception(
            "absolute_differences",
            "You add absolute differences. Eq. 19 adds their squares.",
            _absolute_differences,
        ),
        Misconception(
            "differences_of_frames",
            "You compare the frames themselves. The loss compares their similarities: first one "
            "cosine for each pair of neighbours, then differences of the cosines.",
            _differences_of_frames,
        ),
        Misconception(
            "distance_from_one",
            "You measure how far each similarity is from 1. Eq. 19 measures how far it is from "
            "the similarity before it.",
            _distance_from_one,
        ),
        Misconception(
            "padded_with_one",
            "You count a similarity before the first frame, s_0 = 1. That is one way to read "
            "Eq. 4; Eq. 19 starts at t = 2 and uses frames that exist.",
            _padded_with_one,
        ),
        Misconception(
            "cosine_by_position",
            "Each pair of frames got many cosines, one for each position, and their mean. Sim "
            "is one cosine of whole frames: flatten all axes but the first.",
            _cosine_by_position,
        ),
    ),
    returns="number",
)


# The matrix and its eigenvalues


def _size_cases(generator: torch.Generator) -> list[Case]:
    return [
        Case(f"{n_frames} frames, {name}", (n_frames, dtype))
        for dtype, name in _DTYPES.items()
        for n_frames in _SIZES
    ]


def _difference(n_similarities: int, dtype: torch.dtype) -> Tensor:
    return torch.eye(n_similarities, dtype=dtype).diff(dim=0)


def _second_difference(n_frames: int, dtype: torch.dtype) -> Tensor:
    difference = _difference(n_frames - 1, dtype)
    return difference.T @ difference


def _fixed_ends(n_frames: int, dtype: torch.dtype) -> Tensor:
    matrix = _second_difference(n_frames, dtype)
    return matrix.fill_diagonal_(2)


def _circular(n_frames: int, dtype: torch.dtype) -> Tensor:
    eye = torch.eye(n_frames - 1, dtype=dtype)
    difference = eye.roll(-1, dims=0) - eye
    return difference.T @ difference


def _wrong_order(n_frames: int, dtype: torch.dtype) -> Tensor:
    difference = _difference(n_frames - 1, dtype)
    return difference @ difference.T


def _negative(n_frames: int, dtype: torch.dtype) -> Tensor:
    return -_second_difference(n_frames, dtype)


def _one_for_each_frame(n_frames: int, dtype: torch.dtype) -> Tensor:
    return _second_difference(n_frames + 1, dtype)


SECOND_DIFFERENCES = Exercise(
    name="second_differences",
    lesson=LESSON,
    title="The second-difference matrix",
    reference=_second_difference,
    cases=_size_cases,
    misconceptions=(
        Misconception(
            "fixed_ends",
            "Your corners are 2. The first and the last similarity take part in one difference "
            "only, so their entries are 1: the ends are free.",
            _fixed_ends,
        ),
        Misconception(
            "circular",
            "Your matrix ties the last similarity to the first. A clip does not close to a ring.",
            _circular,
        ),
        Misconception(
            "wrong_order",
            "This is D D', which is (T-2, T-2). The loss is s'D'D s, so the matrix that meets s "
            "is D'D.",
            _wrong_order,
        ),
        Misconception(
            "sign_flipped",
            "Every entry has the wrong sign. s'(D'D)s is a sum of squares, so the diagonal is "
            "positive.",
            _negative,
        ),
        Misconception(
            "one_for_each_frame",
            "Your matrix has T rows. It acts on similarities, and T frames have T-1 of them.",
            _one_for_each_frame,
        ),
    ),
)


def _cosine_values(
    steps: Tensor, n_intervals: float, dtype: torch.dtype, turn: float = math.pi
) -> Tensor:
    return (2 - 2 * (steps.double() * turn / n_intervals).cos()).to(dtype)


def _eigenvalues(n_frames: int, dtype: torch.dtype) -> Tensor:
    return _cosine_values(torch.arange(n_frames - 1), n_frames - 1, dtype)


def _counted_frames(n_frames: int, dtype: torch.dtype) -> Tensor:
    return _cosine_values(torch.arange(n_frames - 1), n_frames, dtype)


def _fixed_end_values(n_frames: int, dtype: torch.dtype) -> Tensor:
    return _cosine_values(torch.arange(1, n_frames), n_frames, dtype)


def _missing_zero(n_frames: int, dtype: torch.dtype) -> Tensor:
    return _cosine_values(torch.arange(1, n_frames), n_frames - 1, dtype)


def _circular_values(n_frames: int, dtype: torch.dtype) -> Tensor:
    steps = torch.arange(n_frames - 1)
    return _cosine_values(steps, n_frames - 1, dtype, turn=2 * math.pi).sort().values


def _singular_values(n_frames: int, dtype: torch.dtype) -> Tensor:
    return _eigenvalues(n_frames, dtype).clamp(min=0).sqrt()


def _descending(n_frames: int, dtype: torch.dtype) -> Tensor:
    return _eigenvalues(n_frames, dtype).flip(0)


SECOND_DIFFERENCE_EIGENVALUES = Exercise(
    name="second_difference_eigenvalues",
    lesson=LESSON,
    title="Eigenvalues in closed form",
    reference=_eigenvalues,
    cases=_size_cases,
    misconceptions=(
        Misconception(
            "counted_frames",
            "You divided the half circle by T. The matrix has one row for each similarity, so "
            "divide it by T-1.",
            _counted_frames,
        ),
        Misconception(
            "fixed_ends",
            "These are the eigenvalues with 2 in the corners, and they have no zero. Constant s "
            "costs nothing here, so one eigenvalue is 0.",
            _fixed_end_values,
        ),
        Misconception(
            "missing_zero",
            "You count k from 1. Then the 0 of the constant vector is missing, and 4 comes in, "
            "which is never reached. Count from 0 to T-2.",
            _missing_zero,
        ),
        Misconception(
            "circular",
            "These are the eigenvalues of a ring: whole turns in place of half turns, so most "
            "come in pairs. A clip has two ends.",
            _circular_values,
        ),
        Misconception(
            "singular_values_of_d",
            "These are the square roots, the singular values of D. The eigenvalues of D'D are "
            "their squares.",
            _singular_values,
        ),
        Misconception(
            "descending",
            "The values are right, but they start with the largest. Start with the smallest, 0.",
            _descending,
        ),
    ),
)


# A clip that flickers and costs nothing


def _flicker_cases(generator: torch.Generator) -> list[Case]:
    return [
        Case(f"{n_frames} frames, similarities at most {most}", (n_frames, most))
        for n_frames, most in ((3, 0.5), (4, 0.0), (5, -0.5), (8, 0.9), (12, -1.0))
    ]


def _invisible_flicker(n_frames: int, most: float) -> Tensor:
    return _planar(torch.arange(n_frames, dtype=torch.float64) * math.acos(most))


def _is_a_clip(arguments: tuple, features: Tensor) -> str | None:
    n_frames = arguments[0]
    if features.ndim < 2 or len(features) != n_frames or not features.is_floating_point():
        return (
            f"a clip of {n_frames} frames is a floating-point tensor ({n_frames}, ...) with two "
            f"axes or more, but {tuple(features.shape)}, {features.dtype} came"
        )
    if not features.isfinite().all() or (features.flatten(1).norm(dim=1) == 0).any():
        return "a frame is zero or not finite, and such a frame has no cosine"
    return None


def _neighbours_differ(arguments: tuple, features: Tensor) -> str | None:
    if _is_a_clip(arguments, features):
        return None  # the first property has said so
    largest = _similarities(features.double()).max().item()
    if largest <= arguments[1] + 1e-5:
        return None
    return f"two neighbours have similarity {largest:.4f}, more than the {arguments[1]} allowed"


def _loss_is_zero(arguments: tuple, features: Tensor) -> str | None:
    if _is_a_clip(arguments, features):
        return None
    similarities = _similarities(features.double())
    if similarities.diff().abs().max() <= 1e-5:
        return None
    loss = _temporal_loss(features.double()).item()
    return (
        f"the loss is {loss:.3g} and not 0: the similarities run from "
        f"{similarities.min().item():.4f} to {similarities.max().item():.4f}"
    )


def _still_frames(n_frames: int, most: float) -> Tensor:
    return torch.ones(n_frames, 2, dtype=torch.float64)


def _brightness_flicker(n_frames: int, most: float) -> Tensor:
    brightness = 1.0 + torch.arange(n_frames, dtype=torch.float64) % 2
    return brightness[:, None] * torch.tensor([1.0, 1.0], dtype=torch.float64)


def _random_frames(n_frames: int, most: float) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n_frames, 64, generator=generator, dtype=torch.float64)


def _held_for_two(n_frames: int, most: float) -> Tensor:
    signs = 1.0 - 2.0 * (torch.arange(n_frames) // 2 % 2)
    return signs[:, None].double() * torch.tensor([1.0, 0.0], dtype=torch.float64)


def _is_still(arguments: tuple, features: Tensor) -> bool:
    return _is_a_clip(arguments, features) is None and bool((features == features[:1]).all())


def _changes_only_length(arguments: tuple, features: Tensor) -> bool:
    if _is_a_clip(arguments, features) or _is_still(arguments, features):
        return False
    return bool((_similarities(features.double()) > 1 - 1e-6).all())


def _turns_by_the_cosine(arguments: tuple, features: Tensor) -> bool:
    if _is_a_clip(arguments, features):
        return False
    wanted = math.cos(arguments[1])
    return bool((_similarities(features.double()) - wanted).abs().max() < 1e-5)


def _cosine_as_angle(n_frames: int, most: float) -> Tensor:
    return _planar(torch.arange(n_frames, dtype=torch.float64) * most)


INVISIBLE_FLICKER = Exercise(
    name="invisible_flicker",
    lesson=LESSON,
    title="A flicker that costs nothing",
    reference=_invisible_flicker,
    cases=_flicker_cases,
    misconceptions=(
        Misconception(
            "still_frames",
            "A still clip has loss 0, but its neighbours are equal. Find one that moves and "
            "still has equal similarities.",
            _still_frames,
            matches=_is_still,
        ),
        Misconception(
            "brightness_flicker",
            "Only the length of the frames changes. A cosine does not see length, so the "
            "similarity stays 1. Change the direction.",
            _brightness_flicker,
            matches=_changes_only_length,
        ),
        Misconception(
            "random_frames",
            "Random frames differ, but their similarities differ from each other too, and that "
            "is what the loss counts.",
            _random_frames,
        ),
        Misconception(
            "held_for_two_frames",
            "Two equal frames and then a flip: the similarities jump between 1 and -1. A flip "
            "after every frame keeps them equal.",
            _held_for_two,
        ),
        Misconception(
            "cosine_used_as_angle",
            "You turn by the number `most`. It is a cosine; the angle is its arc cosine.",
            _cosine_as_angle,
            matches=_turns_by_the_cosine,
        ),
    ),
    properties=(
        Property("a clip of the right length", _is_a_clip),
        Property("neighbours differ", _neighbours_differ),
        Property("the loss is zero", _loss_is_zero),
    ),
    compare=by_properties,
)


# The gradient of one frame


def _frame_cases(generator: torch.Generator) -> list[Case]:
    places = {3: (0, 1), 4: (1, 3), 6: (3,), 12: (6, 11)}
    return [
        Case(f"{label}, frame {frame}", (features, frame))
        for label, features in _clips(generator)
        if label.startswith("random")
        for frame in places[len(features)]
    ]


def _cosine_gradient(f: Tensor, g: Tensor) -> Tensor:
    similarity = (f * g).sum() / (f.norm() * g.norm())
    return (g / g.norm() - similarity * f / f.norm()) / f.norm()


def _pulls(features: Tensor) -> Tensor:
    """Return dL/ds, (T-1,): 2/(T-1) D'D s."""
    return (
        _second_difference(len(features), features.dtype)
        @ _similarities(features)
        * (2 / (len(features) - 1))
    )


def _spread(features: Tensor, frame: int, pulls: Tensor, gradient=_cosine_gradient) -> Tensor:
    """Carry dL/ds on to one frame, through the one or two similarities that it takes part in."""
    total = torch.zeros_like(features[frame])
    if frame > 0:
        total = total + pulls[frame - 1] * gradient(features[frame], features[frame - 1])
    if frame < len(features) - 1:
        total = total + pulls[frame] * gradient(features[frame], features[frame + 1])
    return total


def _loss_gradient(features: Tensor, frame: int) -> Tensor:
    return _spread(features, frame, _pulls(features))


def _half_gradient(features: Tensor, frame: int) -> Tensor:
    return _loss_gradient(features, frame) / 2


def _wrong_divisor(features: Tensor, frame: int) -> Tensor:
    return _loss_gradient(features, frame) * (len(features) - 1) / (len(features) - 2)


def _only_next(features: Tensor, frame: int) -> Tensor:
    pulls = _pulls(features)
    if frame == len(features) - 1:
        return torch.zeros_like(features[frame])
    return pulls[frame] * _cosine_gradient(features[frame], features[frame + 1])


def _one_difference(features: Tensor, frame: int) -> Tensor:
    if frame in (0, len(features) - 1):
        return torch.zeros_like(features[frame])
    pulls = torch.zeros_like(_pulls(features))
    step = 2 / (len(features) - 1) * _similarities(features).diff()[frame - 1]
    pulls[frame - 1], pulls[frame] = -step, step
    return _spread(features, frame, pulls)


def _kept_radial(features: Tensor, frame: int) -> Tensor:
    return _spread(features, frame, _pulls(features), lambda f, g: g / (f.norm() * g.norm()))


def _gradient_with_fixed_ends(features: Tensor, frame: int) -> Tensor:
    matrix = _fixed_ends(len(features), features.dtype)
    pulls = matrix @ _similarities(features) * (2 / (len(features) - 1))
    return _spread(features, frame, pulls)


LOSS_GRADIENT_OF_FRAME = Exercise(
    name="loss_gradient_of_frame",
    lesson=LESSON,
    title="The gradient that one frame feels",
    reference=_loss_gradient,
    cases=_frame_cases,
    misconceptions=(
        Misconception(
            "forgot_the_two",
            "Your gradient is half of what is wanted. The derivative of a square brings a 2.",
            _half_gradient,
        ),
        Misconception(
            "divisor_t_minus_2",
            "The direction is right, but you divide by T-2. Eq. 19 divides by T-1.",
            _wrong_divisor,
        ),
        Misconception(
            "only_the_next_similarity",
            "You used the similarity with the next frame only. Frame t also takes part in the "
            "one with the frame before it.",
            _only_next,
        ),
        Misconception(
            "only_the_middle_difference",
            "You used the one difference that has the frame in its middle. Its two similarities "
            "also stand in the difference before and the one after.",
            _one_difference,
        ),
        Misconception(
            "kept_the_radial_part",
            "You left out -Sim f/||f|| in the gradient of the cosine. The result must be "
            "orthogonal to the frame, since its length does not matter (lesson 01).",
            _kept_radial,
        ),
        Misconception(
            "fixed_ends",
            "At the ends of the clip you used 2 in the corner of D'D. The first and the last "
            "similarity stand in one difference only.",
            _gradient_with_fixed_ends,
        ),
    ),
)


EXERCISES: tuple[Exercise, ...] = (
    LOSS_OF_CLIP,
    SECOND_DIFFERENCES,
    SECOND_DIFFERENCE_EIGENVALUES,
    INVISIBLE_FLICKER,
    LOSS_GRADIENT_OF_FRAME,
)

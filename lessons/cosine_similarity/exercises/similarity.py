"""The cosine of two frames (Eq. 3)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from classroom.exercises.exercise import Case, Exercise, Misconception
from lessons.cosine_similarity.exercises.shared import LESSON, cosine, dot, frame_pairs

# The cosine after scaling


COSINE_AFTER_SCALING = Exercise(
    name="cosine_after_scaling",
    lesson=LESSON,
    title="What scaling does",
    reference=lambda: -0.6,
    cases=lambda generator: [Case("the question", ())],
    misconceptions=(
        Misconception(
            "ignored_the_sign",
            "Lengths do not matter, that is right. But a minus turns the arrow round.",
            lambda: 0.6,
        ),
        Misconception(
            "multiplied_by_both_factors",
            "You scaled the cosine with both arrows. The norms below the line grow as well. And "
            "a cosine is never below -1.",
            lambda: -3.6,
        ),
        Misconception(
            "multiplied_by_one_factor",
            "You scaled the cosine with one arrow. The norm of that arrow below the line grows "
            "by 3 as well.",
            lambda: -1.8,
        ),
        Misconception(
            "right_angle",
            "An arrow that is turned round does not stand at a right angle. Look at -F in the "
            "figure: its angle to G is 180 degrees less the old one.",
            lambda: 0.0,
        ),
        Misconception(
            "divided_the_factors",
            "You scaled the cosine by the ratio of the factors. Each norm below the line takes "
            "its own factor away again.",
            lambda: -0.9,
        ),
        Misconception(
            "scaled_by_the_other_ratio",
            "You scaled the cosine by the ratio of the factors. Each norm below the line takes "
            "its own factor away again.",
            lambda: -0.4,
        ),
        Misconception(
            "not_a_cosine",
            "A cosine lies between -1 and 1, and yours does not.",
            lambda: 126.87,
            matches=lambda arguments, value: abs(float(value)) > 1,
        ),
    ),
    returns="number",
)


# The cosine of two frames


def _epsilon_shows(arguments: tuple, value: object) -> bool:
    """Return whether a small number, added below the line, explains a cosine."""
    f, g = (frame.double() for frame in arguments)
    if not isinstance(value, Tensor) or value.ndim or not value.isfinite():
        return False
    product, norms = float(dot(f, g)), float(f.norm() * g.norm())
    if norms > 1e-3:  # only small frames show what was added
        return abs(float(value) - product / norms) < 1e-6 + 2e-4 / norms
    if abs(product) < 1e-6 * norms or float(value) == 0:
        return abs(float(value)) < 1e-6
    return -1e-5 * norms <= product / float(value) - norms <= 1e-4


def _centred_cosine(f: Tensor, g: Tensor) -> Tensor:
    return cosine(f - f.mean(), g - g.mean())


def _mean_of_channel_cosines(f: Tensor, g: Tensor) -> Tensor:
    return functional.cosine_similarity(f.flatten(1), g.flatten(1), dim=1).mean()


COSINE_OF_FRAMES = Exercise(
    name="cosine_of_frames",
    lesson=LESSON,
    title="One cosine for two frames",
    reference=cosine,
    cases=lambda generator: [Case(label, (f, g)) for label, f, g in frame_pairs(generator)],
    misconceptions=(
        Misconception(
            "a_cosine_for_every_pixel",
            "You have one cosine for each pixel: the products were added over the first axis "
            "only. The paper's frame is one long vector, so add over all axes.",
            lambda f, g: functional.cosine_similarity(f, g, dim=0),
        ),
        Misconception(
            "mean_of_pixel_cosines",
            "You took a cosine at each pixel and then their mean. A mean of cosines gives a dark "
            "pixel as much weight as a bright one. Flatten first, then take one cosine.",
            lambda f, g: functional.cosine_similarity(f, g, dim=0).mean(),
        ),
        Misconception(
            "mean_over_torch_default",
            "`torch.nn.functional.cosine_similarity` works along axis 1 unless told, so you "
            "averaged many cosines. Flatten both frames and use dim=0.",
            lambda f, g: functional.cosine_similarity(f, g).mean(),
        ),
        Misconception(
            "mean_of_channel_cosines",
            "You took a cosine for each channel and then their mean. The paper's frame is one "
            "vector over channels, rows and columns together.",
            _mean_of_channel_cosines,
        ),
        Misconception(
            "forgot_the_norms",
            "This is the inner product. Divide it by both norms, or a brighter frame gets a "
            "larger cosine.",
            dot,
        ),
        Misconception(
            "forgot_the_norm_of_g",
            "You divided by the norm of f only. Make g four times as long and your number "
            "changes; a cosine does not.",
            lambda f, g: dot(f, g) / f.norm(),
        ),
        Misconception(
            "forgot_the_norm_of_f",
            "You divided by the norm of g only. Make f four times as long and your number "
            "changes; a cosine does not.",
            lambda f, g: dot(f, g) / g.norm(),
        ),
        Misconception(
            "squared_norms",
            "You divided by the squared norms. A norm is the root of the sum of squares.",
            lambda f, g: dot(f, g) / (dot(f, f) * dot(g, g)),
        ),
        Misconception(
            "subtracted_the_mean",
            "You subtracted the mean first. That is the correlation of two frames, a good number "
            "too, but Eq. 18 takes the frames as they are.",
            _centred_cosine,
        ),
        Misconception(
            "angle_instead_of_cosine",
            "This is the angle, in radians. Wanted is its cosine: leave out the arc cosine.",
            lambda f, g: cosine(f, g).clamp(-1, 1).acos(),
        ),
        Misconception(
            "distance_instead_of_similarity",
            "This is 1 minus the cosine, which is 0 for equal frames. Wanted is the cosine, "
            "which is 1 for them.",
            lambda f, g: 1 - cosine(f, g),
        ),
        Misconception(
            "lost_the_sign",
            "You took the absolute value. Opposite frames have cosine -1, not 1.",
            lambda f, g: cosine(f, g).abs(),
        ),
        Misconception(
            "added_an_epsilon",
            "A small number added below the line is not small beside very dark frames: it pulls "
            "their cosine to 0. Eq. 18 has no such number; leave it out.",
            lambda f, g: dot(f, g) / (f.norm() * g.norm() + 1e-8),
            matches=_epsilon_shows,
        ),
        Misconception(
            "sums_of_absolute_values",
            "You divide by sums of absolute values. The norm of Eq. 18 is the root of the sum "
            "of squares.",
            lambda f, g: dot(f, g) / (f.abs().sum() * g.abs().sum()),
        ),
    ),
)

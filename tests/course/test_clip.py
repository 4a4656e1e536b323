"""Properties of course.clips.clip: shapes, cuts, moves and the frozen baseline."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy
import pytest
import torch

from course.clips.clip import Clip


def full_clip(n_frames: int = 5, height: int = 6, width: int = 4) -> Clip:
    """A clip in which every entry of every part is its frame's number, divided by 10."""

    def part(length: int, channels: int) -> torch.Tensor:
        number = torch.arange(length).view(-1, 1, 1, 1) / 10
        return number.expand(length, channels, height, width)

    return Clip(
        part(n_frames, 3), 8.0, "a red circle", part(n_frames, 1), part(n_frames, 1),
        part(n_frames - 1, 2), part(n_frames - 1, 1),
    )  # fmt: skip


def test_a_clip_knows_its_length_size_and_duration():
    clip = full_clip()
    assert (clip.n_frames, len(clip), clip.size, clip.seconds) == (5, 5, (6, 4), 5 / 8)


def test_a_clip_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        full_clip().fps = 3.0


@pytest.mark.parametrize("cut", [slice(1, 4), slice(None), slice(-2, None), slice(2, 3)])
def test_a_cut_takes_the_same_moments_from_every_part(cut):
    moments = (torch.arange(5) / 10)[cut]
    clip = full_clip()[cut]
    for part in (clip.frames, clip.depth, clip.mask):
        assert torch.equal(part[:, 0, 0, 0], moments)
    for part in (clip.flow, clip.occlusion):
        assert torch.equal(part[:, 0, 0, 0], moments[:-1])
    assert (clip.fps, clip.caption) == (8.0, "a red circle")


@pytest.mark.parametrize(
    ("index", "error"), [(slice(0, 4, 2), ValueError), (slice(4, 2), ValueError), (2, TypeError)]
)
def test_other_cuts_are_refused(index, error):
    with pytest.raises(error, match="clip|step"):
        full_clip()[index]


def test_to_moves_every_part():
    clip = full_clip().to("meta", torch.float64)
    for name in ("frames", "depth", "mask", "flow", "occlusion"):
        part = getattr(clip, name)
        assert part.device.type == "meta" and part.dtype == torch.float64


def test_to_takes_a_dtype_alone():
    assert full_clip().to(torch.float16).flow.dtype == torch.float16


def test_a_frozen_clip_repeats_the_first_frame_and_drops_the_motion():
    frozen = full_clip()[1:].frozen()
    assert frozen.n_frames == 4 and bool((frozen.frames == 0.1).all())
    assert (frozen.depth, frozen.mask, frozen.flow, frozen.occlusion) == (None,) * 4


def test_bytes_are_rounded_and_clipped():
    frames = torch.tensor([-1.0, 0.499 / 255, 0.501 / 255, 2.0]).view(4, 1, 1, 1)
    found = Clip(frames.expand(4, 3, 2, 2), 8).to_uint8()
    assert found.shape == (4, 2, 2, 3) and found.dtype == numpy.uint8
    assert found[:, 0, 0, 0].tolist() == [0, 0, 1, 255]


def test_bytes_of_a_number_that_is_none_are_refused():
    with pytest.raises(ValueError, match="finite"):
        Clip(torch.full((2, 3, 4, 4), float("nan")), 8).to_uint8()


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 1, 8, 8), (2, 8, 8, 3), (0, 3, 8, 8)])
def test_frames_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="T, 3, H, W"):
        Clip(torch.zeros(shape), 8.0)


@pytest.mark.parametrize("frames", [torch.zeros(2, 3, 8, 8, dtype=torch.uint8), [[0.0]]])
def test_frames_that_are_no_floating_tensor_are_refused(frames):
    with pytest.raises(TypeError, match="frames"):
        Clip(frames, 8.0)


@pytest.mark.parametrize("fps", [0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_is_not_positive_and_finite_is_refused(fps):
    with pytest.raises(ValueError, match="fps"):
        Clip(torch.zeros(2, 3, 8, 8), fps)


def test_a_rate_may_be_a_fraction():
    assert Clip(torch.zeros(2, 3, 8, 8), Fraction(30000, 1001)).fps == 30000 / 1001


@pytest.mark.parametrize(
    ("name", "shape"),
    [("depth", (3, 3, 8, 8)), ("mask", (2, 1, 8, 8)), ("flow", (3, 2, 8, 8)),
     ("flow", (2, 2, 8, 4)), ("occlusion", (2, 2, 8, 8))],
)  # fmt: skip
def test_a_part_that_does_not_fit_is_named(name, shape):
    with pytest.raises(ValueError, match=name):
        Clip(torch.zeros(3, 3, 8, 8), 8.0, **{name: torch.zeros(shape)})


def test_a_part_on_another_device_is_named():
    with pytest.raises(ValueError, match="mask is on meta"):
        Clip(torch.zeros(3, 3, 8, 8), 8.0, mask=torch.zeros(3, 1, 8, 8, device="meta"))

"""Estimated motion: what it finds, what it says of itself, what it refuses."""

from __future__ import annotations

import pytest
import torch

from course.clips import Clip, with_estimated_motion
from course.clips.flow import estimate_flow
from course.metrics import warping_error


def texture(generator, height=48, width=80):
    coarse = torch.rand(1, 3, height // 4, width // 4, generator=generator)
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)


def moving(generator, step):
    """A textured picture that moves by `step` (x, y) whole pixels a frame."""
    picture, (x, y) = texture(generator), step
    return torch.cat([picture.roll((y * t, x * t), (2, 3)) for t in range(3)])


@pytest.mark.parametrize("step", [(3, 0), (0, 2), (-2, 1)])
def test_a_texture_that_moves_is_followed_x_first(generator, step):
    flow, _ = estimate_flow(moving(generator, step))
    inner = flow[..., 10:-10, 10:-10].mean((0, 2, 3))
    assert inner.tolist() == pytest.approx(step, abs=0.1)


def test_the_estimate_lowers_the_warping_error(generator):
    frames = moving(generator, (3, 1))
    flow, occlusion = estimate_flow(frames)
    followed = warping_error(frames, flow, occlusion)
    assert followed < 0.05 * warping_error(frames, torch.zeros_like(flow))


def test_what_leaves_the_frame_is_hidden(generator):
    _, occlusion = estimate_flow(moving(generator, (4, 0)))
    assert occlusion[..., -3:].mean() > 0.9 and occlusion[..., 10:-10].mean() < 0.1


def test_nothing_moves_in_a_frozen_clip(generator):
    flow, occlusion = estimate_flow(texture(generator).expand(3, -1, -1, -1))
    assert flow.abs().max() < 0.05 and occlusion.sum() == 0


def test_an_estimate_says_that_it_is_one_and_cuts_keep_that(generator):
    clip = Clip(moving(generator, (1, 0)).double(), 8.0)
    known = with_estimated_motion(clip)
    assert known.estimated and known[0:2].estimated and not clip.estimated
    assert known.flow.dtype == torch.float64 and known.mask is None


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (3, 3, 8, 32), (3, 32, 32)])
def test_clips_without_room_for_motion_are_refused(shape):
    with pytest.raises(ValueError, match="16 x 16"):
        estimate_flow(torch.zeros(shape))

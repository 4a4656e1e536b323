"""Metrics against cases that can be worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from course.metrics import background_psnr, psnr, similarity_summary, warp, warping_error


def test_psnr_of_a_known_error():
    images = torch.zeros(2, 3, 8, 8)
    assert psnr(images + 0.1, images).item() == pytest.approx(20.0, abs=1e-4)


def test_psnr_of_equal_images_is_infinite():
    assert math.isinf(psnr(torch.ones(1, 3, 4, 4), torch.ones(1, 3, 4, 4)))


def test_psnr_refuses_images_of_other_shapes():
    with pytest.raises(ValueError, match="differ in shape"):
        psnr(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 5))


def test_background_psnr_does_not_see_the_object():
    mask = torch.zeros(2, 1, 8, 8)
    mask[..., :4] = 1
    reference = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    images = (reference + 0.01) * (1 - mask) + 7 * mask
    assert background_psnr(images, reference, mask).item() == pytest.approx(40.0, abs=1e-3)


def test_warp_follows_whole_pixels_exactly():
    frames = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    flow = torch.tensor([2.0, 1.0])[None, :, None, None].expand(1, 2, 8, 8)
    assert torch.allclose(warp(frames, flow)[..., :7, :6], frames[..., 1:, 2:], atol=1e-6)


def test_warping_error_is_zero_for_a_moving_picture_and_its_flow():
    picture = torch.rand(1, 3, 8, 12, generator=torch.Generator().manual_seed(0))
    frames = torch.cat([picture[..., t : t + 8] for t in (2, 1, 0)])
    flow = torch.tensor([1.0, 0.0])[None, :, None, None].expand(2, 2, 8, 8)
    occlusion = torch.zeros(2, 1, 8, 8)
    occlusion[..., -1] = 1
    assert warping_error(frames, flow, occlusion) < 1e-12
    assert warping_error(frames, flow) > 1e-4


def test_warping_error_refuses_flow_that_does_not_fit():
    with pytest.raises(ValueError, match="does not fit"):
        warping_error(torch.zeros(3, 3, 8, 8), torch.zeros(3, 2, 8, 8))


def test_a_frozen_clip_has_the_best_figures_there_are():
    features = torch.rand(1, 4, 3, 3, generator=torch.Generator().manual_seed(0)).expand(
        5, -1, -1, -1
    )
    summary = similarity_summary(features)
    assert summary["similarity_min"] == pytest.approx(1.0) and summary["temporal_loss"] < 1e-12


def test_every_metric_runs_on_the_meta_device():
    frames, flow = torch.zeros(3, 3, 8, 8, device="meta"), torch.zeros(2, 2, 8, 8, device="meta")
    mask, occlusion = torch.zeros(3, 1, 8, 8, device="meta"), torch.zeros(2, 1, 8, 8, device="meta")
    results = [
        psnr(frames, frames),
        background_psnr(frames, frames, mask),
        warping_error(frames, flow, occlusion),
        *similarity_summary(frames).values(),
    ]
    assert all(result.shape == () for result in results)

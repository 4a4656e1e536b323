"""Edits held against the true target: ceilings, floors, and what is no true target."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from skimage.metrics import structural_similarity

from course.clips import Scene, render
from course.metrics import TRUTH_COLUMNS, against_target, flicker, ssim

SCENE = Scene(shape="star", texture="striped")


@pytest.fixture(scope="module")
def target():
    return render(SCENE, n_frames=5)


@pytest.fixture(scope="module")
def source():
    return render(replace(SCENE, colour="green"), n_frames=5)


def noisy(frames, size=0.05, seed=0):
    noise = torch.randn(frames.shape, generator=torch.Generator().manual_seed(seed))
    return (frames + size * noise).clamp(0, 1)


def test_the_true_target_reaches_every_ceiling(target):
    found = against_target(target.frames, target, target.frames)
    assert found["target_ssim"] == found["warping_ratio"] == pytest.approx(1)
    assert found["target_psnr"] is None and found["flicker"] < 0.5  # no error, so no finite ratio


def test_a_frozen_clip_does_not_win(source, target):
    frozen, moving = (
        against_target(clip.frames, target, target.frames) for clip in (source.frozen(), source)
    )
    assert frozen["warping_ratio"] > 2 * moving["warping_ratio"]
    assert frozen["flicker"] > 10 * moving["flicker"]
    assert frozen["target_psnr"] < moving["target_psnr"]


def test_a_wrong_colour_is_an_error_of_the_object_alone(source, target):
    found = against_target(source.frames, target)
    assert found["outside_psnr"] is None  # the same pixels: no finite ratio
    assert found["object_psnr"] < found["target_psnr"] and found["object_ssim"] < 0.9


def test_noise_that_changes_from_frame_to_frame_is_flicker(target):
    still = noisy(torch.full_like(target.frames, 0.5)[:1]).expand_as(target.frames)
    fresh = noisy(torch.full_like(target.frames, 0.5))
    flow, mask = torch.zeros_like(target.flow), target.mask
    assert flicker(still, flow, mask) == 0
    assert flicker(fresh, flow, mask).item() == pytest.approx(255 * 0.05 * 2**0.5, rel=0.1)


def test_without_a_round_trip_nothing_is_a_multiple_of_it(target):
    assert against_target(noisy(target.frames), target)["warping_ratio"] is None


def test_where_nothing_moves_there_is_no_multiple():
    still = render(replace(SCENE, motion="still"), n_frames=3)
    assert against_target(noisy(still.frames), still, still.frames)["warping_ratio"] is None


def test_the_columns_are_those_of_the_table(target):
    assert list(against_target(target.frames, target)) == list(TRUTH_COLUMNS)


@pytest.mark.parametrize("part", ["mask", "flow", "occlusion"])
def test_a_clip_whose_scene_is_not_known_is_no_true_target(target, part):
    with pytest.raises(ValueError, match=f"no {part}.*known scene"):
        against_target(target.frames, replace(target, **{part: None}))


def test_flow_that_does_not_fit_its_frames_is_an_error(target):
    with pytest.raises(ValueError, match="does not fit its frames"):
        against_target(target.frames, replace(target, flow=-target.flow))


def test_a_target_of_another_length_is_an_error(target):
    with pytest.raises(ValueError, match="differ in shape"):
        against_target(target.frames[:4], target)


def test_a_mask_of_another_size_is_an_error(target):
    with pytest.raises(ValueError, match="mask .* does not fit"):
        flicker(target.frames, target.flow, target.mask[:2])


def test_the_similarity_of_structure_is_scikit_image_s(target):
    other = noisy(target.frames)
    options = {"channel_axis": 0, "data_range": 1, "gaussian_weights": True, "sigma": 1.5}
    expected = [
        structural_similarity(a.numpy(), b.numpy(), use_sample_covariance=False, **options)
        for a, b in zip(other, target.frames)
    ]
    assert ssim(other, target.frames).item() == pytest.approx(sum(expected) / 5, abs=1e-6)


def test_structure_is_weighed_where_asked(target):
    damaged = target.frames * (1 - target.mask) + noisy(target.frames, 0.3) * target.mask
    far = torch.nn.functional.max_pool2d(target.mask, 15, 1, 7) == 0
    assert ssim(damaged, target.frames, far.float()).item() == pytest.approx(1, abs=1e-6)
    assert ssim(damaged, target.frames, target.mask) < 0.7


def test_pictures_too_small_for_the_window_are_an_error():
    with pytest.raises(ValueError, match="11 x 11"):
        ssim(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8))

"""Lesson 10: other right answers, more wrong ones, and the references against the course."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from classroom.exercises import get, judge, reference
from course.clips import Scene, render
from course.diffusion import NoiseSchedule, ddim_step
from course.methods import Inversion
from course.methods.masking import difference_mask
from course.methods.paper import masked_step
from course.metrics import background_psnr, warp, warping_error
from lessons.video_edit.figures import figure_4_figure

# Right answers, written otherwise


def background_by_weights(frames, source, mask):
    outside = (mask == 0).to(frames.dtype).expand_as(frames)
    error = ((frames - source) ** 2 * outside).sum() / outside.sum()
    return 10 * torch.log10(1 / error)


def background_with_numpy(frames, source, mask):
    outside = np.broadcast_to(mask.numpy() == 0, frames.shape)
    error = np.mean((frames.numpy() - source.numpy())[outside] ** 2)
    return -20 * math.log10(math.sqrt(error))


def background_pixel_by_pixel(frames, source, mask):
    squared = (frames - source).square().movedim(1, -1)[mask[:, 0] == 0]
    return -10 * math.log10(squared.sum().item() / squared.numel())


def error_by_weights(frames, warped_next, occlusion):
    squared = (warped_next - frames[:-1]).square().mean(1, keepdim=True)
    return (squared * (1 - occlusion)).sum() / (1 - occlusion).sum()


def error_by_library(frames, warped_next, occlusion):
    seen = occlusion.expand_as(warped_next) == 0
    return functional.mse_loss(frames[:-1][seen], warped_next[seen])


def error_pair_by_pair(frames, warped_next, occlusion):
    total = count = 0.0
    for frame, warped, hidden in zip(frames, warped_next, occlusion):
        seen = hidden[0] == 0
        total += (frame - warped)[:, seen].square().sum().item()
        count += 3 * seen.sum().item()
    return total / count


def keep_by_lerp(edited, clip, source, target, threshold):
    mask = difference_mask((source - target).abs(), threshold)
    return mask * edited + (1 - mask) * clip


def keep_frame_by_frame(edited, clip, source, target, threshold):
    result = clip.clone()
    for t in range(len(clip)):
        apart = (source[t] - target[t]).abs().sum(0)  # the sum is as good as the mean
        change = apart > threshold * apart.max()
        result[t][:, change] = edited[t][:, change]
    return result


def keep_by_division(edited, clip, source, target, threshold):
    apart = torch.linalg.vector_norm(source - target, ord=1, dim=1, keepdim=True)
    share = apart / apart.flatten(1).max(1).values[:, None, None, None]
    return torch.where(share > threshold, edited, clip)  # 0 / 0 is not above anything


ALTERNATIVES = {
    "background_psnr_of_edit": [
        background_by_weights,
        background_with_numpy,
        background_pixel_by_pixel,
        background_psnr,
    ],
    "error_along_flow": [error_by_weights, error_by_library, error_pair_by_pair],
    "keep_where_prompts_agree": [keep_by_lerp, keep_frame_by_frame, keep_by_division],
}


# Wrong answers beyond the named ones


def background_of_nothing(frames, source, mask):
    return background_psnr(frames * (mask <= 0), source, mask * 0)


def background_that_spares_the_first_frame(frames, source, mask):
    return background_psnr(frames[:1], source[:1], mask[:1])


def error_forwards(frames, warped_next, occlusion):
    return error_by_weights(frames.roll(-1, 0), warped_next, occlusion)


def error_of_one_pair(frames, warped_next, occlusion):
    return error_by_weights(frames[:2], warped_next[:1], occlusion[:1])


def error_as_a_median(frames, warped_next, occlusion):
    return (warped_next - frames[:-1]).square()[(occlusion == 0).expand_as(warped_next)].median()


def keep_nothing(edited, clip, source, target, threshold):
    return edited


def keep_everything(edited, clip, source, target, threshold):
    return clip.clone()


def keep_by_the_loudest_channel(edited, clip, source, target, threshold):
    apart = (source - target).abs().amax(1, keepdim=True)
    return torch.where(apart > threshold * apart.amax((2, 3), keepdim=True), edited, clip)


def keep_by_a_quantile(edited, clip, source, target, threshold):
    apart = (source - target).abs().mean(1, keepdim=True)
    least = apart.flatten(1).quantile(threshold, dim=1)[:, None, None, None]
    return torch.where(apart > least, edited, clip)


def return_the_mask(edited, clip, source, target, threshold):
    return difference_mask((source - target).abs(), threshold)


WRONG = {
    "background_psnr_of_edit": [background_of_nothing, background_that_spares_the_first_frame],
    "error_along_flow": [error_forwards, error_of_one_pair, error_as_a_median],
    "keep_where_prompts_agree": [
        keep_nothing,
        keep_everything,
        keep_by_the_loudest_channel,
        keep_by_a_quantile,
        return_the_mask,
    ],
}


# The references against the course


def cases(name):
    return [case.arguments for case in itertools.chain(*get(name).draws())]


def test_the_background_is_that_of_the_course():
    for frames, source, mask in cases("background_psnr_of_edit"):
        value = reference("background_psnr_of_edit")(frames, source, mask)
        torch.testing.assert_close(value, background_psnr(frames, source, mask))


def test_a_background_that_is_kept_has_no_finite_figure():
    clip = render(Scene())
    edited = torch.where(clip.mask > 0, 1 - clip.frames, clip.frames)
    assert reference("background_psnr_of_edit")(edited, clip.frames, clip.mask) == math.inf


def test_what_the_object_does_is_nothing_to_the_background():
    frames, source, mask = cases("background_psnr_of_edit")[3]
    other = torch.where(mask > 0, torch.zeros_like(frames), frames)
    values = [reference("background_psnr_of_edit")(each, source, mask) for each in (frames, other)]
    assert values[0] == values[1]


def test_the_error_along_the_flow_is_that_of_the_course():
    clip = render(Scene(direction="down", texture="striped"))
    noise = torch.rand(clip.frames.shape, generator=torch.Generator().manual_seed(0))
    frames = torch.lerp(clip.frames, noise.to(clip.frames), 0.2)
    value = reference("error_along_flow")(frames, warp(frames[1:], clip.flow), clip.occlusion)
    torch.testing.assert_close(value, warping_error(frames, clip.flow, clip.occlusion))


def test_a_clip_that_follows_its_flow_has_no_error():
    frames = torch.rand(4, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    assert reference("error_along_flow")(frames, frames[:-1], torch.zeros(3, 1, 6, 6)) == 0


def test_what_is_kept_is_what_a_masked_step_of_the_edit_keeps():
    schedule = NoiseSchedule.stable_diffusion()
    for edited, clip, source, target, threshold in cases("keep_where_prompts_agree"):
        mask = difference_mask((source - target).abs(), threshold)
        step = masked_step(Inversion({80: clip}, mask))
        stepped = ddim_step(edited, target, 120, schedule, previous_timestep=80)
        kept = reference("keep_where_prompts_agree")(stepped, clip, source, target, threshold)
        came = step(edited, target, 120, schedule, previous_timestep=80)
        torch.testing.assert_close(came, kept)


def test_a_frame_on_which_the_prompts_agree_stays():
    draws = get("keep_where_prompts_agree").draws()[0]
    (case, *_) = (case for case in draws if "agree on the last four" in case.label)
    edited, clip, source, target, threshold = case.arguments
    kept = reference("keep_where_prompts_agree")(edited, clip, source, target, threshold)
    assert (kept[4:] == clip[4:]).all()
    assert (kept[:4] != clip[:4]).any()


@pytest.mark.parametrize(
    ("name", "misconception", "answer"),
    [
        (
            "background_psnr_of_edit",
            "edge_counted",
            lambda frames, source, mask: background_psnr(frames, source, (mask >= 0.5).double()),
        ),
        (
            "background_psnr_of_edit",
            "object_instead",
            lambda frames, source, mask: background_psnr(frames, source, (mask <= 0).double()),
        ),
    ],
)
def test_one_thought_is_known_in_its_other_forms(name, misconception, answer):
    assert judge(get(name), answer).misconception == misconception


def test_a_curve_of_one_s_own_is_told_in_words():
    label = figure_4_figure({"mine": torch.tensor([0.5, 0.75])}).get_label()
    assert "mine, a thin line, ends at 0.750" in label

"""What is done to decoded frames: averaged along the flow, and the clip's own pixels kept."""

from __future__ import annotations

import pytest
import torch
from method_tasks import N_FRAMES, linked, random, tiny_pipe, tiny_task

from course.clips import Clip, Scene, render
from course.editing import edit
from course.methods import Motion
from course.methods.kept_pixels import blended
from course.methods.latent_flow import along_flow

SIDE = 32


def motion(step: float = 0.0, hidden: float = 0.0) -> Motion:
    """Return a motion to the right by `step` pixels a frame, of which a share is `hidden`."""
    right = torch.zeros(N_FRAMES - 1, 2, SIDE, SIDE)
    right[:, 0] = step
    share = torch.full((N_FRAMES - 1, 1, SIDE, SIDE), hidden)
    return Motion(right, -right, share, share)


def pictures(seed: int = 0) -> torch.Tensor:
    return random(N_FRAMES, 3, SIDE, SIDE, seed=seed).sigmoid()


def test_a_frozen_clip_without_flow_stays_as_it_is():
    frozen = pictures()[:1].repeat(N_FRAMES, 1, 1, 1)
    assert torch.allclose(along_flow(frozen, motion(), tolerance=0.2), frozen)


def test_what_moves_with_the_flow_stays_as_it_is():
    column = torch.arange(float(SIDE)).expand(1, 3, SIDE, SIDE) / SIDE
    clip = torch.cat([column - t / SIDE for t in range(N_FRAMES)])
    inside = slice(3, -3)  # at the border the warp repeats the last column
    averaged = along_flow(clip, motion(1.0), tolerance=0.2)
    assert torch.allclose(averaged[..., inside], clip[..., inside], atol=1e-5)
    assert not torch.allclose(along_flow(clip, motion(), tolerance=0.2)[0], clip[0], atol=1e-2)


def test_what_is_hidden_or_of_another_colour_does_not_count():
    clip = pictures()
    assert torch.allclose(along_flow(clip, motion(hidden=1.0), tolerance=0.2), clip)
    flashing = torch.zeros(N_FRAMES, 3, SIDE, SIDE)
    flashing[1::2] = 1.0
    assert torch.allclose(along_flow(flashing, motion(), tolerance=0.1), flashing)


def test_unrest_shrinks_as_that_of_a_mean_of_three():
    restless = 0.5 + 0.01 * random(N_FRAMES, 3, SIDE, SIDE, seed=1)
    middle = along_flow(restless, motion(), tolerance=1.0)[1:-1]
    assert float(middle.std()) == pytest.approx(0.01 / 3**0.5, rel=0.05)


def moving_part(camera: float = 0.0) -> tuple[Motion, torch.Tensor]:
    """Return a part of the pictures that moves right by one pixel a frame, and a larger mask."""
    flow = torch.full((N_FRAMES - 1, 2, SIDE, SIDE), camera)
    flow[:, 0, 12:20, 12:20] += 1.0
    mask = torch.zeros(N_FRAMES, 1, SIDE, SIDE)
    mask[..., 8:24, 8:24] = 1.0
    return Motion(flow, -flow, 0 * mask[1:], 0 * mask[1:]), mask


@pytest.mark.parametrize("camera", [0.0, 0.5])
def test_the_object_s_motion_is_carried_on_into_the_whole_mask(camera):
    motion, mask = moving_part(camera)
    carried = motion.of_object(mask)
    expected = torch.tensor([1.0 + camera, camera])[:, None, None].expand_as(motion.forward)
    assert torch.allclose(carried.forward, expected, atol=1e-5)
    assert torch.allclose(carried.backward, -expected, atol=1e-5)
    assert torch.equal(carried.lost, 1 - mask[:-1])


def test_where_nothing_moves_by_itself_the_object_moves_with_the_rest():
    whole, mask = motion(0.7), moving_part()[1]
    assert torch.allclose(whole.of_object(mask).forward, whole.forward, atol=1e-5)


def test_the_object_s_flow_survives_half_precision():
    motion, mask = moving_part()
    fast = Motion(*(part.half() * 400 for part in (motion.forward, motion.backward)),
                  motion.new.half(), motion.lost.half())  # fmt: skip
    assert float(fast.of_object(mask).forward[0, 0, 0, 0]) == pytest.approx(400, rel=1e-3)


def test_an_edge_beyond_the_source_s_object_stays_where_the_object_s_flow_is_followed():
    motion, mask = moving_part()
    frames = torch.zeros(N_FRAMES, 3, SIDE, SIDE)
    for t in range(N_FRAMES):  # drawn larger than the part that moves
        frames[t, :, 9:23, 9 + t : 20 + t] = 0.3
    source = Clip(pictures(), 8.0, flow=motion.forward, occlusion=motion.lost)
    left = [
        (linked(tiny_task(tiny_pipe()), "pixel_flow", follow_object=follow).finish(
            frames.clone(), source, mask) - frames).abs().mean() for follow in (True, False)
    ]  # fmt: skip
    assert left[0] < 0.7 * left[1]


def test_an_estimated_flow_is_followed_once_unless_asked():
    motion, mask = moving_part()
    source = Clip(pictures(), 8.0, flow=motion.forward, occlusion=motion.lost, estimated=True)

    def averaged(**settings):
        finish = linked(tiny_task(tiny_pipe()), "pixel_flow", **settings).finish
        return finish(pictures(1), source, mask)

    assert torch.equal(averaged(), averaged(follow_object=False))
    assert not torch.equal(averaged(), averaged(follow_object=True))


@pytest.mark.parametrize("settings", [{"tolerance": 0}, {"tolerance": -1.0}, {"rounds": 0}])
def test_a_setting_that_averages_nothing_is_refused(settings):
    with pytest.raises(ValueError, match="leave pixel_flow out"):
        linked(tiny_task(tiny_pipe()), "pixel_flow", **settings)


def test_outside_the_mask_stand_the_clip_s_own_pixels():
    source, frames = pictures(), pictures(1)
    mask = torch.zeros(N_FRAMES, 1, 8, 8)
    assert torch.equal(blended(source, frames, mask), source)
    assert torch.equal(blended(source, frames, mask + 1), frames)
    mask[:, :, 2, 2] = 1.0
    kept = blended(source, frames, mask)
    assert torch.equal(kept[..., 8:12, 8:12], frames[..., 8:12, 8:12])
    assert torch.equal(kept[..., 20:, 20:], source[..., 20:, 20:])


def test_steps_after_decoding_run_in_the_order_of_their_names():
    frames, source = pictures(), Clip(pictures(1), 8.0, flow=motion().forward)
    mask = torch.zeros(N_FRAMES, 1, 8, 8)
    both = linked(tiny_task(tiny_pipe()), "pixel_flow + kept_pixels").finish
    assert torch.equal(both(frames, source, mask), source.frames)
    other = linked(tiny_task(tiny_pipe()), "kept_pixels + pixel_flow").finish
    averaged = other(frames, source, mask)
    assert not torch.equal(averaged, source.frames)
    assert torch.equal(both(frames, source, None), other(frames, source, None))


def test_a_prompt_that_asks_for_nothing_new_gives_the_clip_back(embedded):
    clip = render(Scene(), n_frames=N_FRAMES)
    same = edit(clip, clip.caption, clip.caption, pipe=embedded, n_steps=2, progress=False,
                reconstruct=False, baselines=False)  # fmt: skip
    assert torch.equal(same.clip.frames, clip.frames)


def test_frames_without_values_have_shapes():
    clip = Clip(pictures().to("meta"), 8.0, flow=motion().forward.to("meta"))
    finish = linked(tiny_task(tiny_pipe()), "pixel_flow + kept_pixels").finish
    mask = torch.zeros(N_FRAMES, 1, 8, 8, device="meta")
    assert finish(clip.frames, clip, mask).is_meta

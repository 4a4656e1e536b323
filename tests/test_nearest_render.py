"""The nearest render: what a scene drew is found again, and what no scene drew is far from all."""

from __future__ import annotations

import pytest
import torch

from benchmarks.judge_shape import blur, renders
from benchmarks.model import draw_prompts, mean_and_lowest_tenth
from benchmarks.nearest_render import draw, nearest_renders
from course.clips.captions import HELD_OUT_SEED
from course.clips.grammar import SHAPES, TEXTURES
from course.clips.scenes import Scene, path, render


@pytest.fixture(scope="module")
def held_out():
    return renders(12, HELD_OUT_SEED + 500)


def words_of(scenes):
    return [Scene(s.shape, s.colour, s.background, s.texture) for s in scenes]


def test_the_render_of_a_random_scene_is_found_again(held_out):
    frames, drawn = held_out
    psnr, found = nearest_renders(frames, words_of(drawn))
    assert psnr.min() > 40
    centres = [torch.stack([path(s, 1)[0] for s in scenes]) for scenes in (found, drawn)]
    torch.testing.assert_close(*centres, atol=0.01, rtol=0)


@pytest.mark.parametrize("texture", TEXTURES)
@pytest.mark.parametrize("shape", SHAPES)
def test_many_scenes_are_drawn_as_the_renderer_draws_one(shape, texture):
    scene = Scene(shape=shape, texture=texture, position=(0.4, 0.55), motion="still", phase=1.0)
    numbers = torch.tensor([[[0.4, 0.55, scene.radius, scene.depth, scene.angle, scene.phase]]])
    torch.testing.assert_close(draw([scene], numbers)[0], render(scene, n_frames=1).frames)


def test_a_softer_picture_is_farther_from_every_render(held_out):
    frames, drawn = held_out[0][:4], words_of(held_out[1][:4])
    soft, softer = (blur(frames, torch.full((4,), sigma)) for sigma in (0.5, 1.5))
    near, far = (nearest_renders(part, drawn)[0] for part in (soft, softer))
    assert (near > far + 8).all()


def test_another_shape_is_far():
    frame = render(Scene(shape="star"), n_frames=1).frames
    assert nearest_renders(frame, [Scene(shape="square")])[0] < 25


def test_frames_and_words_of_different_number_are_refused():
    with pytest.raises(ValueError, match=r"wanted \(1, 3, 64, 64\)"):
        nearest_renders(torch.zeros(2, 3, 64, 64), [Scene()])


def test_a_prompt_knows_the_texture_that_it_names():
    prompts = draw_prompts(12)
    assert all((p.texture in p.text) == (p.texture != "plain") for p in prompts)
    assert prompts[0].scene.shape == prompts[0].shape


def test_the_lowest_tenth_is_the_mean_of_the_worst():
    assert mean_and_lowest_tenth([float(i) for i in range(20)]) == (9.5, 0.5)
    assert mean_and_lowest_tenth([3.0, 1.0]) == (2.0, 1.0)

"""Rendered scenes: what is drawn, and whether depth, mask and flow tell the truth about it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from course.clips import BACKGROUNDS, COLOURS, SHAPES, WORDS, Scene, describe, render, swap
from course.clips.grammar import DIRECTIONS, TEXTURES
from course.clips.scenes import path, signed_distance
from course.metrics import warp, warping_error


def scenes(n: int) -> list[Scene]:
    generator = torch.Generator().manual_seed(7)
    return [Scene.random(generator) for _ in range(n)]


def test_the_grammar_is_as_rich_as_promised():
    assert len(SHAPES) >= 6 and len(COLOURS) >= 8 and len(TEXTURES) >= 3


def test_every_caption_uses_only_words_of_the_grammar():
    assert {word for scene in scenes(50) for word in scene.caption.split()} <= set(WORDS)


def test_the_same_seed_gives_the_same_clip():
    first, second = (render(scene).frames for scene in (scenes(1) * 2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("scene", scenes(12), ids=lambda scene: scene.caption)
def test_an_object_stays_inside_the_frame(scene):
    mask = render(scene).mask
    border = torch.cat([mask[..., 0, :], mask[..., -1, :], mask[..., :, 0], mask[..., :, -1]], -1)
    assert border.max() == 0 and mask.amax((1, 2, 3)).min() == 1


@pytest.mark.parametrize("shape", SHAPES)
def test_edges_are_anti_aliased(shape):
    mask = render(Scene(shape=shape, motion="still", position=(0.503, 0.497))).mask
    assert ((mask > 0.05) & (mask < 0.95)).any()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_distance_is_negative_inside_and_never_steeper_than_one(shape):
    line = torch.linspace(-2, 2, 201, dtype=torch.float64)
    points = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)
    distance = signed_distance(shape, points, 1.0)
    slope = torch.cat([distance.diff(dim=0).flatten(), distance.diff(dim=1).flatten()]).abs()
    assert distance.min() < 0 < distance.max()
    assert slope.max() <= (line[1] - line[0]) * (1 + 1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_have_about_the_area_of_a_circle(shape):
    line = torch.linspace(-2, 2, 401, dtype=torch.float64)
    points = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)
    area = (signed_distance(shape, points, 1.0) < 0).double().mean() * 16
    assert 1.2 < area < 3.3


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_motion_follows_its_word(direction):
    centres = path(Scene(direction=direction, motion="straight", travel=0.2), 8)
    moved = centres[-1] - centres[0]
    assert torch.allclose(moved, 0.2 * torch.tensor(DIRECTIONS[direction]), atol=1e-6)


def test_a_curved_path_ends_straight_ahead_and_bows_on_the_way():
    centres = path(Scene(motion="curved", direction="right", travel=0.2), 9)
    assert torch.allclose(centres[0, 1], centres[-1, 1])
    assert (centres[4, 1] - centres[0, 1]).abs() > 0.05


def test_flow_carries_the_next_frame_onto_this_one():
    clip = render(Scene(texture="striped", travel=0.3, depth=0.85))
    still = (clip.frames[1:] - clip.frames[:-1]).square().mean()
    assert warping_error(clip.frames, clip.flow, clip.occlusion) < still / 20


def test_flow_of_the_object_is_its_motion_and_zero_elsewhere():
    scene = Scene(travel=0.28, direction="down")
    clip = render(scene)
    inside = clip.mask[:-1] == 1
    expected = 0.28 * 64 / 7
    assert torch.allclose(clip.flow[:, 1:][inside], torch.tensor(expected), atol=1e-4)
    assert clip.flow[(clip.mask[:-1] == 0).expand_as(clip.flow)].abs().max() == 0


def test_occluded_points_are_background_that_the_object_covers_next():
    clip = render(Scene(travel=0.3))
    covered = clip.occlusion.bool()
    assert covered.any() and (clip.mask[:-1][covered] <= 0.5).all()
    assert (clip.mask[1:][covered] > 0).all()


def test_warping_by_no_flow_changes_nothing():
    frames = render(Scene()).frames[:2]
    assert torch.allclose(warp(frames, torch.zeros(2, 2, 64, 64)), frames, atol=1e-6)


def test_the_object_is_nearer_than_the_background():
    clip = render(Scene(depth=0.4))
    assert clip.depth[clip.mask > 0.5].max() < clip.depth[clip.mask <= 0.5].min()


def test_a_nearer_object_throws_its_shadow_further():
    far, near = (render(Scene(depth=d, motion="still", background="gray")) for d in (0.85, 0.3))
    empty = torch.tensor(BACKGROUNDS["gray"])[:, None, None]
    dark = [((empty - c.frames[0])[0] > 0.03)[c.mask[0, 0] == 0].sum() for c in (far, near)]
    assert dark[1] > dark[0]


@pytest.mark.parametrize("name", ["shape", "colour", "background", "texture", "direction"])
def test_an_unknown_word_is_an_error_that_lists_the_known_ones(name):
    with pytest.raises(ValueError, match="choose one of"):
        replace(Scene(), **{name: "zebra"})


def test_bad_numbers_are_errors():
    for wrong in ({"radius": 0.0}, {"radius": 0.9}, {"depth": 0.0}, {"depth": 2.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Scene(**wrong)
    with pytest.raises(ValueError, match="frames"):
        render(Scene(), n_frames=0)


def test_swap_replaces_one_word_and_refuses_strangers():
    caption = describe("circle", "red", "blue", size="small", texture="striped", motion="straight")
    assert caption == "a small red circle moving right on a striped blue background"
    assert swap(caption, "circle", "star").split()[3] == "star"
    for old, new in (("square", "star"), ("circle", "zebra")):
        with pytest.raises(ValueError):
            swap(caption, old, new)


def test_other_sizes_show_the_same_scene():
    small, large = (render(Scene(), size=size).mask.mean() for size in (64, 128))
    assert torch.allclose(small, large, rtol=0.02)

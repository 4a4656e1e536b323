"""The judge of the benchmarks: right where the truth is known, and honest where nothing is seen."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmarks.judge import judge
from benchmarks.judge_pixels import (
    NONE,
    background_colours,
    find_object,
    fit_background,
    object_colours,
    outline,
)
from benchmarks.judge_shape import blur, build_classifier, fit_classifier, renders
from course.clips.captions import HELD_OUT_SEED
from course.clips.grammar import BACKGROUNDS, COLOURS, SHAPES, TEXTURES
from course.clips.scenes import Scene, render


@pytest.fixture(scope="module")
def held_out():
    return renders(24, HELD_OUT_SEED)


@pytest.fixture(scope="module")
def classifier():
    """A reduced training: enough to be far above chance, not the judge that benchmarks use."""
    return fit_classifier(n_renders=150, n_epochs=15)


def look(frames):
    ground, centre = fit_background(frames)
    coverage = find_object(frames, ground)
    backgrounds = background_colours(frames, coverage, ground, centre)
    return object_colours(frames, coverage), backgrounds, coverage


def empty_frames():
    scenes = [Scene(background=b, texture=t, radius=0.02, position=(3.0, 3.0), motion="still")
              for b in BACKGROUNDS for t in TEXTURES]  # fmt: skip
    return torch.cat([render(scene, n_frames=1).frames for scene in scenes]), scenes


@pytest.mark.parametrize("sigma", [0.0, 0.7])
def test_colours_of_held_out_renders_are_named_right_even_when_soft(held_out, sigma):
    frames, drawn = held_out
    colours, backgrounds, _ = look(blur(frames, torch.full((len(frames),), sigma)))
    assert colours == [scene.colour for scene in drawn]
    assert backgrounds == [scene.background for scene in drawn]


def test_every_colour_is_told_from_every_background():
    drawn = [Scene(colour=c, background=b) for c in COLOURS for b in BACKGROUNDS if b != c]
    colours, backgrounds, _ = look(torch.cat([render(s, n_frames=1).frames for s in drawn]))
    assert list(zip(colours, backgrounds)) == [(s.colour, s.background) for s in drawn]


def test_the_region_is_the_object_and_not_its_shadow(held_out):
    frames, drawn = held_out
    solid = look(frames)[2] > 0.5
    truth = torch.cat([render(scene, n_frames=1).mask for scene in drawn]) > 0.5
    overlap = (solid & truth).sum((1, 2, 3)) / (solid | truth).sum((1, 2, 3))
    assert overlap.min() > 0.8


def test_a_frame_without_an_object_is_none_and_still_has_a_background():
    frames, scenes = empty_frames()
    verdicts = judge(frames, build_classifier())
    assert set(verdicts.shapes) == set(verdicts.colours) == {NONE}
    assert verdicts.backgrounds == [scene.background for scene in scenes]
    assert verdicts.confidence.eq(0).all() and verdicts.coverage.eq(0).all()


def test_noise_alone_is_no_object():
    noise = 0.03 * torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert judge(0.5 + noise, build_classifier()).shapes == [NONE]


def test_the_outline_forgets_place_and_size():
    scene = Scene(shape="star", radius=0.2, position=(0.35, 0.4), motion="still")
    other = replace(scene, radius=0.28, position=(0.6, 0.55))
    first, second = (outline(look(render(s, n_frames=1).frames)[2]) for s in (scene, other))
    assert (first - second).abs().mean() < 0.04


def test_a_short_training_already_names_most_shapes(held_out, classifier):
    frames, drawn = held_out
    shapes = judge(frames, classifier).shapes
    assert sum(a == scene.shape for a, scene in zip(shapes, drawn)) >= 0.8 * len(drawn)


def test_verdict_on_a_frame_does_not_depend_on_its_neighbours(held_out, classifier):
    frames, _ = held_out
    together, alone = judge(frames[:4], classifier), judge(frames[2:3], classifier)
    assert together.shapes[2:3] == alone.shapes and together.colours[2:3] == alone.colours
    torch.testing.assert_close(together.confidence[2:3], alone.confidence)


def test_training_gives_the_same_judge_twice():
    first, second = (fit_classifier(n_renders=24, n_epochs=1).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_confidence_is_a_share_of_six_shapes(held_out, classifier):
    confidence = judge(held_out[0][:4], classifier).confidence
    assert (confidence >= 1 / len(SHAPES)).all() and (confidence <= 1).all()


@pytest.mark.parametrize(
    ("frames", "error", "words"),
    [
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), TypeError, "divide bytes by 255"),
        (torch.zeros(3, 64, 64), ValueError, r"wants \(T, 3, 64, 64\)"),
        (torch.zeros(0, 3, 64, 64), ValueError, r"wants \(T, 3, 64, 64\)"),
        (torch.full((1, 3, 64, 64), torch.nan), ValueError, "not finite"),
    ],
)
def test_bad_frames_end_in_an_error_that_says_what_is_wanted(frames, error, words):
    with pytest.raises(error, match=words):
        judge(frames, build_classifier())

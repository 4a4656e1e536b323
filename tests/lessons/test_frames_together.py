"""Lesson "Frames that look at each other": its exercises against course.methods, and its score."""

from __future__ import annotations

import pytest
import torch

from classroom.exercises import get, reference
from course.diffusion import ddim_step
from course.methods.token_flow import neighbours
from lessons.frames_together import score as scoring
from lessons.frames_together.figures import blend_figure, methods_figure

# Right answers, written otherwise


def _first_by_frame(queries, keys, values):
    width = queries.shape[-1]
    rows = [(q @ keys[0].T / width**0.5).softmax(-1) @ values[0] for q in queries]
    return torch.stack(rows)


def _first_by_torch(queries, keys, values):
    attention = torch.nn.functional.scaled_dot_product_attention
    return attention(queries, keys[:1].expand_as(keys), values[:1].expand_as(values))


def _paths_by_loop(queries, keys, values, index):
    output = torch.empty_like(values)
    for t in range(len(queries)):
        for n in range(queries.shape[1]):
            places = [(s, int(index[t, n, s])) for s in range(len(queries))]
            own = torch.stack([keys[place] for place in places])
            shares = (own @ queries[t, n] / queries.shape[-1] ** 0.5).softmax(0)
            output[t, n] = shares @ torch.stack([values[place] for place in places])
    return output


def _paths_by_gather(queries, keys, values, index):
    flat = index + torch.arange(len(keys)) * keys.shape[1]
    keys, values = keys.flatten(0, 1)[flat], values.flatten(0, 1)[flat]
    scores = torch.einsum("tnd,tnsd->tns", queries, keys) / queries.shape[-1] ** 0.5
    return torch.einsum("tns,tnsd->tnd", scores.softmax(-1), values)


def _blend_by_course(frame, keys):
    weights = torch.zeros(len(keys), dtype=torch.float64)
    for number, weight in neighbours(keys, frame):
        weights[number] = weight
    return weights


def _blend_by_interpolation(frame, keys):
    place = min(max(frame, keys[0]), keys[-1])
    hats = []
    for k, key in enumerate(keys):
        left = keys[k - 1] if k else key - 1
        right = keys[k + 1] if k + 1 < len(keys) else key + 1
        rise, fall = (place - left) / (key - left), (right - place) / (right - key)
        hats.append(max(0.0, min(rise, fall)))
    return torch.tensor(hats, dtype=torch.float64)


ALTERNATIVES = {
    "first_frame_attention": [_first_by_frame, _first_by_torch],
    "attention_along_paths": [_paths_by_loop, _paths_by_gather],
    "key_frame_blend": [_blend_by_course, _blend_by_interpolation],
}

WRONG = {
    "first_frame_attention": [
        lambda q, k, v: _first_by_torch(q, k, v) * 2,
        lambda q, k, v: _first_by_torch(q, k, v).mean(0),
        lambda q, k, v: v[:1].expand_as(v),
    ],
    "attention_along_paths": [
        lambda q, k, v, index: v,
        lambda q, k, v, index: -_paths_by_gather(q, k, v, index),
    ],
    "key_frame_blend": [
        lambda frame, keys: torch.ones(len(keys)) / len(keys),
        lambda frame, keys: 1 - _blend_by_course(frame, keys),
    ],
}


@pytest.mark.parametrize("name", ALTERNATIVES)
def test_an_exercise_names_five_misconceptions(name):
    assert len(get(name).misconceptions) >= 5


def test_the_blend_of_the_exercise_is_that_of_the_course():
    for frame in range(12):
        assert torch.allclose(
            reference("key_frame_blend")(frame, [2, 5, 9]), _blend_by_course(frame, [2, 5, 9])
        )


def test_figures_say_in_words_what_they_show():
    assert "key frame 1 itself 1.00" in blend_figure().get_label()
    table = scoring.big_table()
    label = methods_figure(table).get_label()
    edits = [name for name in table if not name.startswith(("true target", "source"))]
    best = max(edits, key=lambda name: table[name]["target_psnr"])
    assert f"highest PSNR: {best}" in label


def test_the_table_orders_the_links_as_the_lesson_says():
    table = scoring.big_table()
    others = [table[n]["target_psnr"] for n in ("paper", "first_frame", "flow_attention")]
    assert max(others) - min(others) < 0.2 < table["token_flow"]["target_psnr"] - max(others)


@pytest.mark.parametrize("corner", [(0, 7), (7, 0), (3, 3)])
def test_the_blend_can_be_drawn_at_its_corners(corner):
    assert blend_figure(*corner).get_label()


@pytest.fixture
def one_scene(pipe, monkeypatch):
    """Score on one scene and few steps: what is tested is the bookkeeping."""
    monkeypatch.setattr(scoring, "_SCENES", scoring._SCENES[:1])
    monkeypatch.setattr(scoring, "N_STEPS", 4)
    monkeypatch.setattr(scoring, "SKIP", 1)
    scoring._prepared.cache_clear()
    yield pipe
    scoring._prepared.cache_clear()


def test_a_step_with_a_motion_is_told_the_flow_of_the_source(one_scene):
    seen = []

    def step(latents, noise, timestep, schedule, motion, **options):
        seen.append(motion.forward.shape[-2:] == latents.shape[-2:])
        return ddim_step(latents, noise, timestep, schedule, **options)

    found = scoring.score(step, pipe=one_scene)
    assert all(seen) and found.step == pytest.approx(found.plain)


def test_the_plain_step_scores_as_itself(one_scene):
    found = scoring.score(ddim_step, pipe=one_scene)
    assert found.step == found.plain and "your step" in repr(found)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (lambda latents, *a, **o: latents[:1], "returned .1, "),
        (lambda latents, *a, **o: None, "returned NoneType"),
        (lambda latents, *a, **o: latents / 0, "NaN or infinity"),
    ],
)
def test_a_step_that_is_none_is_told_so(one_scene, step, words):
    with pytest.raises(ValueError, match=words):
        scoring.score(step, pipe=one_scene)

"""Settings by kind of model: read off the pipeline, overridden by whoever asks."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from course.methods import recipe
from course.models.settings import (
    EMBEDDED,
    SETTINGS,
    STABLE_DIFFUSION,
    chosen,
    kind_of,
    settings_table,
)

OTHER = SimpleNamespace(tokenizer=SimpleNamespace(init_kwargs={}))


def test_the_kind_is_that_of_the_pipeline_and_not_of_its_name(embedded):
    assert kind_of(embedded) == EMBEDDED
    assert kind_of(OTHER) == kind_of(SimpleNamespace()) == STABLE_DIFFUSION


@pytest.mark.parametrize("name", ["paper", "flow_edit", "edit_friendly", "frame_by_frame"])
def test_the_embedded_model_keeps_each_method_s_own_choice(embedded, name):
    method = recipe(name).sampler
    use = chosen(embedded, method)
    assert (use.n_steps, use.guidance, use.learning_rate) == (25, 3.0, 1e-3)
    assert use.skip == int(25 * method.skip) and use.mask_threshold == method.mask_threshold


def test_stable_diffusion_gets_its_own_guidance_and_no_mask():
    use = chosen(OTHER, recipe("flow_edit").sampler)
    assert (use.guidance, use.n_steps, use.skip, use.mask_threshold) == (7.5, 50, 17, None)
    assert chosen(OTHER, recipe("paper").sampler).skip == 0


def test_what_is_asked_for_goes_before_the_table():
    asked = {"guidance": 2.0, "n_steps": 4, "skip": 1, "mask_threshold": 0.3, "decode_chunk": 2}
    use = chosen(OTHER, recipe("paper").sampler, **asked)._asdict()
    assert {name: use[name] for name in asked} == asked
    assert chosen(OTHER, recipe("paper").sampler, mask_threshold=None).mask_threshold is None


@pytest.mark.parametrize("kind", SETTINGS)
def test_every_line_has_a_source_and_says_where_it_was_measured(kind):
    lines = SETTINGS[kind].values()
    assert all(line.source for line in lines)
    assert all(line.measured is (kind == EMBEDDED) for line in lines)
    assert settings_table(kind).count("not here") == len(lines) * (kind != EMBEDDED)
    assert SETTINGS[kind].keys() == SETTINGS[EMBEDDED].keys()

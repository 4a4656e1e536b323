"""The estimate of an edit's work, held against what really goes through the model."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import torch
from method_tasks import N_FRAMES, tiny_pipe, tiny_task

from course.clips import Scene, render
from course.editing import edit
from course.editing import estimate as estimating
from course.editing.estimate import estimate, overall
from course.methods import recipe

SAMPLERS = ("paper", "flow_edit", "edit_friendly", "frame_by_frame", "shared_noise")


def evaluations(pipe, run) -> float:
    """Return how many frames go through the UNet while a function runs."""
    counts = []
    handle = pipe.unet.register_forward_hook(
        lambda _, inputs, output: counts.append(len(inputs[0]))
    )
    run()
    handle.remove()
    return sum(counts)


@pytest.fixture(scope="module")
def tiny():
    return tiny_pipe()


@pytest.mark.parametrize(
    ("link", "guidance", "mask"),
    [("", 1.0, 0.15), (" + injected_features", 3.0, None), (" + first_frame", 3.0, 0.15)],
)
@pytest.mark.parametrize("sampler", SAMPLERS)
@torch.no_grad()
def test_the_estimate_is_what_goes_through_the_model(tiny, sampler, link, guidance, mask):
    way = recipe(sampler + link)
    mask = None if way.sampler.mask_threshold is None else mask
    task = tiny_task(tiny, guidance=guidance, mask_threshold=mask, n_steps=3, skip=1)
    counted = evaluations(tiny, lambda: way.run(way.prepare(task)))
    assert estimate(task, way, N_FRAMES).stages["edit"] * len(task.latents) == counted


@torch.no_grad()
def test_draws_and_refinement_are_counted(tiny):
    for name, settings, changes in (("flow_edit", {"draws": 3}, {}), ("paper", {}, {"refine": 2})):
        task, way = tiny_task(tiny, **changes), recipe(name)
        counted = evaluations(tiny, lambda: way.run(task, settings))  # noqa: B023
        assert (
            estimate(task, way, N_FRAMES, settings, refine=task.refine).stages["edit"]
            * len(task.latents)
            == counted
        )


@pytest.mark.parametrize("method", ["paper", "flow_edit + injected_features"])
def test_one_bar_over_all_stages_ends_at_the_estimate(pipe, method, monkeypatch):
    moves = []
    move = estimating._move
    monkeypatch.setattr(estimating, "_move", lambda bar, n: (moves.append(n), move(bar, n)))
    amounts = []
    monkeypatch.setattr(
        "course.editing.run.estimate",
        lambda *a, **k: amounts.append(estimate(*a, **k)) or amounts[0],
    )
    clip = render(Scene(), n_frames=3)
    edit(clip, clip.caption, clip.caption, pipe=pipe, method=method, n_steps=2, skip=0,
         finetune_steps=2, progress=True)  # fmt: skip
    assert sum(moves[:-1]) == amounts[0].total and moves[-1] == 0
    assert not pipe.unet._forward_hooks and not pipe.vae.decoder._forward_hooks


def test_the_hooks_go_after_an_error(tiny):
    task = replace(tiny_task(tiny), progress=True)
    with pytest.raises(RuntimeError), overall(task, estimate(task, recipe("paper"), N_FRAMES)):
        raise RuntimeError
    assert not tiny.unet._forward_hooks


def test_an_estimate_says_what_it_is_made_of(tiny):
    amount = estimate(tiny_task(tiny), recipe("paper"), N_FRAMES, n_train=10, baselines=True)
    assert f"about {amount.total} evaluations" in str(amount)
    assert "120 for training" in str(amount)


def test_a_notebook_sees_one_bar_that_names_the_stage(pipe, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    clip = render(Scene(), n_frames=3)
    edit(clip, clip.caption, clip.caption, pipe=pipe, method="paper", n_steps=3, skip=0,
         finetune_steps=0, progress=True)  # fmt: skip
    printed, errors = capsys.readouterr()
    assert "invert:" in printed and "decode:" in printed and not errors
    assert "\n" not in printed and "\x1b[A" not in printed

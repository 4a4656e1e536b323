"""The check of an edit by the model itself: what it measures, and when it edits again."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from method_tasks import linked, on_meta, random, tiny_pipe, tiny_task

from course.__main__ import main
from course.clips import Scene, render, write_clip
from course.editing import edit
from course.methods import Outcome, Task, Texts, prompt_check
from course.methods.prompt_check import prompt_share
from course.models import encode_frames, encode_prompt


@pytest.fixture(scope="module")
def tiny():
    return tiny_pipe()


@pytest.fixture
def says(monkeypatch):
    """Let the model say these shares, one a check; return the list of what is left."""
    told: list[float] = []
    monkeypatch.setattr(prompt_check, "prompt_share", lambda *_: torch.tensor(told.pop(0)))
    return told


def tried(task: Task) -> tuple[list[float], float]:
    """Run a task whose sampler gives back its guidance; return those asked for and what is kept."""
    asked = []

    def sampler(given: Task) -> Outcome:
        asked.append(given.guidance)
        return Outcome(torch.tensor([given.guidance]))

    return asked, float(task.until(task, sampler).latents)


def test_a_clip_of_one_prompt_is_told_from_a_clip_of_the_other(embedded):
    clip = render(Scene(shape="ring"), n_frames=2)
    ring, cross = (
        encode_prompt(embedded, clip.caption.replace("ring", word)) for word in ("ring", "cross")
    )
    task = tiny_task(embedded, latents=encode_frames(embedded, clip.frames))
    to_cross = replace(task, texts=Texts(ring, cross, ring))
    to_ring = replace(task, texts=Texts(cross, ring, ring))
    assert prompt_share(to_cross, task.latents) < -0.5
    assert prompt_share(to_ring, task.latents) > 0.5


def test_equal_prompts_agree_about_any_clip(tiny):
    text = random(1, 5, 16, seed=1)
    task = tiny_task(tiny, texts=Texts(text, text, text))
    assert prompt_share(task, task.latents) == 1


def test_the_check_runs_without_values(tiny):
    task = on_meta(tiny_task(tiny))
    assert prompt_share(task, task.latents).is_meta


def test_a_check_asks_the_model_as_often_as_it_says(tiny):
    task, counts = tiny_task(tiny), []
    handle = tiny.unet.register_forward_hook(lambda _, given, __: counts.append(len(given[0])))
    prompt_share(task, task.latents)
    handle.remove()
    assert sum(counts) == prompt_check.evaluations(None) * len(task.latents)


def test_an_edit_that_shows_the_prompt_is_made_once(tiny, says):
    says += [0.9]
    assert tried(linked(tiny_task(tiny), "prompt_check", tries=3)) == ([3.0], 3.0)


def test_guidance_doubles_until_the_prompt_is_shown(tiny, says):
    says += [-0.4, 0.7]
    assert tried(linked(tiny_task(tiny), "prompt_check", tries=3)) == ([3.0, 6.0], 6.0)


def test_the_best_try_is_kept_and_told_where_none_is_enough(tiny, says):
    says += [-0.4, 0.3, 0.1]
    with pytest.warns(UserWarning, match=r"share 0\.30"):
        assert tried(linked(tiny_task(tiny), "prompt_check", tries=3)) == ([3.0, 6.0, 12.0], 6.0)


def test_a_model_that_nobody_measured_is_not_asked(tiny):
    assert linked(tiny_task(tiny), "prompt_check").until is None


def test_towards_the_source_nothing_is_checked(tiny):
    assert linked(tiny_task(tiny), "prompt_check", tries=3).towards_source().until is None


def test_a_negative_number_of_tries_is_refused(tiny):
    with pytest.raises(ValueError, match="tries must be 0 or more, got -1"):
        linked(tiny_task(tiny), "prompt_check", tries=-1)


def test_the_command_says_in_one_line_what_the_model_does_not_find(tmp_path, says, capsys):
    says += [-0.4, 0.2, 0.1]
    clip, output = tmp_path / "clip.mp4", tmp_path / "edit.mp4"
    write_clip(render(Scene(), n_frames=2), clip)
    typed = ["edit", str(clip), "--source", "a red circle", "--target", "a red square"]
    assert main([*typed, "--output", str(output), "--steps", "2", "--skip", "0"]) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "share 0.20" in line]
    assert "note: the model itself does not find the target prompt" in line


def test_a_check_leaves_a_good_edit_as_it_was(embedded):
    clip = render(Scene(), n_frames=2)
    target = clip.caption.replace("red", "green")
    lean = {"reconstruct": False, "baselines": False, "progress": False, "n_steps": 6}
    plain, checked = (
        edit(clip, clip.caption, target, pipe=embedded, method=method, **lean).clip.frames
        for method in ("edit_friendly", "edit_friendly + prompt_check")
    )
    assert torch.equal(plain, checked)

"""Lesson 13: the folder that stands in for Stable Diffusion, and what the text promises of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import lessons.on_a_gpu
from course import models
from course.clips import Scene, render
from course.editing import edit
from course.methods import DEFAULT_METHOD
from course.models.settings import STABLE_DIFFUSION, kind_of
from lessons.on_a_gpu.model import tiny_folder

TEXT = (Path(lessons.on_a_gpu.__file__).parent / "lesson.md").read_text()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return models.load(tiny_folder(tmp_path_factory.mktemp("tiny")))


def test_the_folder_is_taken_for_stable_diffusion(tiny):
    assert kind_of(tiny) == STABLE_DIFFUSION
    assert tiny.safety_checker is None


def test_the_folder_has_the_same_weights_each_time(tiny, tmp_path):
    again = models.load(tiny_folder(tmp_path))
    pairs = zip(tiny.unet.parameters(), again.unet.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("method", ["paper", DEFAULT_METHOD])
def test_both_methods_of_the_lesson_edit_a_clip_on_it(tiny, method):
    clip = render(Scene(), n_frames=3)
    result = edit(
        clip, "a red circle", "a green star", pipe=tiny, method=method, n_steps=2, skip=0,
        finetune_steps=0, reconstruct=False, baselines=False, progress=False,
    )  # fmt: skip
    assert result.clip.frames.shape == clip.frames.shape
    assert result.clip.frames.isfinite().all()


def test_no_cell_installs_over_what_a_kernel_has_loaded():
    cells = re.findall(r"```\{code-cell\} ipython3\n(.*?)```", TEXT, re.DOTALL)
    assert cells and not any(re.search(r"\bpip\b", cell) for cell in cells)


def test_the_text_says_what_was_not_run():
    assert "*not run*" in TEXT and "computed, not run" in TEXT
    assert "CreativeML OpenRAIL-M" in TEXT and "safety checker" in TEXT

"""One edit in two real processes: every method, the whole edit, and the command."""

from __future__ import annotations

import json

import launching
import pytest
import torch
from launching import launch

from course.__main__ import main
from course.editing.processes import fair_chunk_size
from course.finetune.processes import Team
from course.methods import METHODS, recipe

PROMPTS = ["--source", "a red circle", "--target", "a green star"]
QUICK = ["--steps", "2", "--no-baselines", "--quiet"]
LOOKS_BACK = [name for name, method in METHODS.items() if method.reach == "past"]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Return what one process makes of each method, and what each of two makes together."""
    folder = tmp_path_factory.mktemp("both")
    processes = launching.started(2, folder / "told", launching.save_outcomes, folder)
    codes, _, errors = launching.ended(processes, folder / "told")
    assert codes == [0, 0], errors
    return launching.outcomes(Team()), [torch.load(folder / f"{n}.pt") for n in (0, 1)]


@pytest.mark.parametrize("method", METHODS)
def test_two_processes_make_of_every_method_what_one_makes_bit_for_bit(both, method):
    alone, together = both
    for found in together:
        assert torch.equal(found[method], alone[method])


@pytest.mark.parametrize("method", METHODS)
def test_the_images_are_shared_where_the_reach_allows_it(both, method):
    alone, together = both
    whole = int(alone[f"{method}: images"])
    parts = [int(found[f"{method}: images"]) for found in together]
    if method in launching.WHOLE + LOOKS_BACK:
        assert parts == [whole, whole]  # all of it in each
    else:
        assert sum(parts) == whole and max(parts) < 0.7 * whole


def test_chunks_become_smaller_only_where_that_changes_nothing():
    sizes = {name: fair_chunk_size(8, 8, 2, recipe(name)) for name in METHODS}
    assert sizes["flow_edit"] == sizes["latent_flow"] == sizes["injected_features"] == 4
    assert sizes["merged_tokens"] == sizes["all_frames"] == sizes["first_frame"] == 8
    assert fair_chunk_size(8, 8, 1, recipe("paper")) == 8


def test_the_command_in_two_processes_writes_the_edit_of_one(tmp_path):
    clip = str(tmp_path / "in.mp4")
    assert main(["render", "--frames", "4", "--output", clip]) == 0
    trained = ["--method", "paper", "--finetune", "2"]
    arguments = ["edit", clip, *PROMPTS, *QUICK, *trained, "--output"]
    assert main([*arguments, str(tmp_path / "one.mp4")]) == 0
    done = launch(2, ["-m", "course", *arguments, str(tmp_path / "two.mp4")])
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("edited clip:") == 1  # the other process keeps quiet
    metrics = [json.loads((tmp_path / f"{n}_metrics.json").read_text()) for n in ("one", "two")]
    one, two = (found["metrics"]["edit"] for found in metrics)
    assert two == pytest.approx(one, rel=1e-4, abs=1e-6)

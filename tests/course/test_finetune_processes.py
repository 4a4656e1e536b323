"""Fine-tuning from the command line, in one process and in two that share each step."""

from __future__ import annotations

import pytest
import torch
from launching import ended, started
from safetensors.torch import load_file

from course.__main__ import main
from course.adapters import ADAPTER_FILE, TOKENS_FILE
from course.finetune import CHECKPOINT_FILE

OPTIONS = ["--prompt", "a red circle", "--window", "3", "--quiet"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "in.mp4"
    assert main(["render", "--frames", "4", "--output", str(path)]) == 0
    return str(path)


def finetune(clip, output, *options) -> int:
    return main(["finetune", clip, *OPTIONS, "--output", str(output), *options])


def numbers(folder):
    """Return all that a run learned as one vector."""
    found = [load_file(folder / name) for name in (ADAPTER_FILE, TOKENS_FILE)]
    return torch.cat([tensors[key].flatten() for tensors in found for key in sorted(tensors)])


def test_two_processes_learn_what_one_does(clip, tmp_path):
    shared = ["--steps", "3", "--windows", "2", "--tokens", "1", "1"]
    assert finetune(clip, tmp_path / "one", *shared) == 0
    arguments = ["finetune", clip, *OPTIONS, *shared, "--output", str(tmp_path / "two")]
    codes, said, errors = ended(started(2, tmp_path / "told", main, arguments), tmp_path / "told")
    assert codes == [0, 0], errors
    torch.testing.assert_close(
        numbers(tmp_path / "two"), numbers(tmp_path / "one"), rtol=0, atol=1e-5
    )
    assert "".join(said).count("steps 1 to 3") == 1  # the other process keeps quiet


def test_one_window_makes_another_run_than_two(clip, tmp_path):
    shared = ["--steps", "3", "--tokens", "1", "1"]
    for name, windows in (("one", "1"), ("two", "2")):
        assert finetune(clip, tmp_path / name, *shared, "--windows", windows) == 0
    # So agreement to 1e-5 says that both processes took part.
    assert (numbers(tmp_path / "one") - numbers(tmp_path / "two")).abs().max() > 1e-4


def test_a_resumed_run_ends_where_a_whole_one_does(clip, tmp_path, capsys):
    shared = ["--tokens", "1", "0", "--weights", "released", "--temporal", "times"]
    assert finetune(clip, tmp_path / "whole", "--steps", "2", *shared) == 0
    assert finetune(clip, tmp_path / "parts", "--steps", "1", *shared) == 0
    assert finetune(clip, tmp_path / "parts", "--steps", "2", "--resume", *shared) == 0
    assert "steps 2 to 2" in capsys.readouterr().out
    assert torch.equal(numbers(tmp_path / "whole"), numbers(tmp_path / "parts"))
    assert finetune(clip, tmp_path / "parts", "--steps", "2", "--resume", *shared) == 0
    assert "nothing was left to do" in capsys.readouterr().out


def test_tokens_alone_leave_no_adapter(clip, tmp_path):
    assert finetune(clip, tmp_path, "--steps", "1", "--no-adapter", "--tokens", "1", "1") == 0
    assert {file.name for file in tmp_path.iterdir()} == {TOKENS_FILE, CHECKPOINT_FILE}


def test_plain_diffusers_finds_the_adapter_beside_tokens_and_checkpoint(clip, tmp_path):
    from diffusers import StableDiffusionPipeline

    assert finetune(clip, tmp_path, "--steps", "1", "--tokens", "1", "0") == 0
    assert len(list(tmp_path.iterdir())) == 3
    weights, *_ = StableDiffusionPipeline.lora_state_dict(tmp_path)
    assert weights and all(".lora" in key for key in weights)


@pytest.mark.parametrize(
    "options, wanted",
    [
        (["--window", "2"], "--window is 2; --temporal frames compares 3"),
        (["--prompt", "a red zebra"], "zebra"),
        (["--no-adapter"], "trains the tokens alone, and there are none"),
        (["--resume"], "without resuming"),
        (["--targets", "most"], "choose from 'cross', 'all'"),
        (["--frames", "2"], "2 frames are chosen; --temporal frames compares 3"),
        (["--model", "no/such/folder"], "no/such/folder"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line_and_leaves_nothing(
    clip, tmp_path, capsys, options, wanted
):
    assert finetune(clip, tmp_path / "out", *options) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and wanted in lines[0]
    assert not list(tmp_path.iterdir())


def test_an_earlier_run_is_not_overwritten(clip, tmp_path, capsys):
    (tmp_path / ADAPTER_FILE).write_text("precious")
    assert finetune(clip, tmp_path) == 2
    assert "--resume" in capsys.readouterr().err
    assert (tmp_path / ADAPTER_FILE).read_text() == "precious"


def test_a_file_in_place_of_the_folder_is_refused(clip, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert finetune(clip, tmp_path / "file") == 2
    assert "wants a folder" in capsys.readouterr().err

"""What the command line chooses for a model, says before the work, and how it ends early."""

from __future__ import annotations

from argparse import ArgumentParser

import pytest
import torch
from test_models import write_stable_diffusion_folder

from course.__main__ import main
from course.commands import edit as edit_command
from course.commands import finetune as finetune_command
from course.commands.model_options import cures, load, told_in_words
from course.methods import DEFAULT_METHOD

PROMPTS = ["--source", "a red cat", "--target", "a cat"]
TRAINED = ["--tokens", "1", "1", "--rank", "2", "--window", "3", "--learning-rate", "0.01"]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "in.mp4"
    assert main(["render", "--frames", "4", "--output", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder of tiny random weights in Stable Diffusion's layout."""
    return write_stable_diffusion_folder(tmp_path_factory.mktemp("model"))


def read(command: object, *options: str):
    """Return the options of a command as its parser reads them."""
    parser = ArgumentParser()
    command.add_arguments(parser)
    needed = PROMPTS if command is edit_command else ["--prompt", "a cat"]
    return parser.parse_args(["in.mp4", "--output", "out", *needed, *options])


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_the_line_before_the_work_tells_what_was_chosen(source, folder, tmp_path, capsys):
    options = ["--model", folder, "--no-baselines", "--quiet", "--steps", "3", "--skip", "1"]
    assert run("edit", source, *PROMPTS, *options, "--output", tmp_path / "out.mp4") == 0
    told = capsys.readouterr().out
    assert f"Stable Diffusion: {DEFAULT_METHOD}, guidance 7.5, 3 first-order steps" in told
    assert (
        "no mask; float32 on" in told and "about 32 evaluations of the model: 4 frames x 8" in told
    )


def test_the_embedded_model_is_told_with_its_own_settings(source, tmp_path, capsys):
    prompts = ["--source", "a red circle", "--target", "a green star"]
    options = ["--no-baselines", "--quiet", "--steps", "2", "--method", "frame_by_frame"]
    assert run("edit", source, *prompts, *options, "--output", tmp_path / "out.mp4") == 0
    assert "embedded: frame_by_frame, guidance 3, 2 first-order steps" in capsys.readouterr().out


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_every_option_reaches_an_edit_with_fine_tuning(source, folder, tmp_path, dtype):
    options = ["--model", folder, "--method", "paper", "--finetune", "2", "--steps", "2",
               "--chunk", "2", "--decode-chunk", "1", "--device", "cpu", "--dtype", dtype,
               "--no-baselines", "--quiet", *TRAINED]  # fmt: skip
    assert run("edit", source, *PROMPTS, *options, "--output", tmp_path / "out.mp4") == 0


def test_fine_tuning_takes_them_too_and_tells_them(source, folder, tmp_path, capsys):
    options = ["--model", folder, "--steps", "1", "--dtype", "bfloat16", "--quiet", "--window", "3"]
    assert run("finetune", source, "--prompt", "a cat", *options, "--output", tmp_path / "a") == 0
    told = capsys.readouterr().out
    assert "Stable Diffusion: learning rate 0.0001, rank 4, 1 steps of 1 x 3 frames" in told


def test_the_model_has_the_numbers_that_were_asked_for():
    assert (
        load(read(edit_command, "--dtype", "bfloat16", "--device", "cpu")).dtype == torch.bfloat16
    )


@pytest.mark.parametrize(
    ("command", "options", "named"),
    [
        (edit_command, [], ["--dtype bfloat16", "--chunk 4", "a smaller --size"]),
        (edit_command, ["--dtype", "float16", "--chunk", "1"],
         ["a smaller --size", "--decode-chunk 1", "fewer --frames"]),
        (finetune_command, [], ["--checkpointing", "--dtype bfloat16", "--window 3"]),
        (finetune_command, ["--checkpointing", "--device", "cuda"],
         ["--dtype float16", "--window 3", "a smaller --size"]),
    ],
)  # fmt: skip
def test_the_cures_are_those_that_are_left_in_order(command, options, named, monkeypatch):
    monkeypatch.setattr("course.device", lambda: torch.device("cpu"))
    training = command is finetune_command
    assert cures(read(command, *options), training=training) == named


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("big"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore"),
    ],
)
def test_an_end_of_memory_is_one_line_with_three_settings(error):
    options = read(finetune_command)
    with (
        pytest.raises(ValueError, match="out of memory .*--checkpointing, --dtype"),
        told_in_words(options, training=True),
    ):
        raise error


def test_a_missing_operation_names_the_numbers_to_take():
    options, error = (
        read(edit_command, "--dtype", "float16"),
        "\"x_cpu\" not implemented for 'Half'",
    )
    with (
        pytest.raises(ValueError, match="float16 .*bfloat16"),
        told_in_words(options, training=False),
    ):
        raise RuntimeError(error)


def test_another_fault_stays_what_it_is():
    with (
        pytest.raises(RuntimeError, match="ours"),
        told_in_words(read(edit_command), training=False),
    ):
        raise RuntimeError("ours")


@pytest.mark.parametrize("name", ["cuda:7", "gpu", "cuda:x"])
def test_a_device_that_is_not_there_is_one_line(source, tmp_path, name, capsys):
    out = tmp_path / "out.mp4"
    assert run("edit", source, *PROMPTS, "--device", name, "--output", out) == 2
    told = capsys.readouterr().err
    assert name in told and len(told.strip().splitlines()) == 1 and not out.exists()

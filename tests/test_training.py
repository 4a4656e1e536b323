"""The training scripts in miniature: they resume exactly, and what they write loads and samples."""

from __future__ import annotations

import sys

import pytest
import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import nn

from course import models
from course.depth import load_depth
from training import __main__ as command
from training import autoencoder, denoiser
from training import export as exporting
from training.data import frames_and_captions
from training.denoiser import draw_timesteps
from training.loop import cosine, has_bfloat16, load_average, train
from training.text import kept_tokenizer


def small_run(folder, n_steps, *, save_every=2, n_parts=1) -> torch.Tensor:
    """Fit four numbers, with noise that belongs to the step; return them."""
    torch.manual_seed(0)

    def loss_of(model, generator):
        return (model(torch.randn(8, 4, generator=generator)) - 1).square().mean()

    model = train(
        nn.Linear(4, 1), loss_of, folder,
        n_steps=n_steps, learning_rate=1e-2, warm_up=1, save_every=save_every,
        n_parts=n_parts,
    )  # fmt: skip
    return model.weight.detach().clone()


def test_an_interrupted_run_ends_where_a_whole_one_does(tmp_path, monkeypatch):
    whole = small_run(tmp_path / "whole", 5)
    with monkeypatch.context() as context:
        # Fails in the fourth step, after the checkpoint of the second.
        context.setattr(
            "training.loop.cosine", lambda s, n, w: 1 / 0 if s == 4 else cosine(s, n, w)
        )
        with pytest.raises(ZeroDivisionError):
            small_run(tmp_path / "parts", 5)
    assert torch.equal(small_run(tmp_path / "parts", 5), whole)


def test_a_finished_run_goes_on_where_more_steps_are_wanted(tmp_path):
    first = small_run(tmp_path, 3)
    assert torch.equal(small_run(tmp_path, 3), first)
    assert not torch.equal(small_run(tmp_path, 5), first)


def run_in_parts(folder, n_parts) -> torch.Tensor:
    """Fit two steps on four inputs, ``n_parts`` at a time; return the weights."""
    torch.manual_seed(0)
    parts = iter(torch.eye(4).split(4 // n_parts) * 2)
    model = train(
        nn.Linear(4, 1), lambda m, _: (m(next(parts)) - 1).square().mean(), folder,
        n_steps=2, learning_rate=1e-2, n_parts=n_parts,
    )  # fmt: skip
    return model.weight.detach()


def test_a_step_in_parts_has_the_mean_of_their_gradients(tmp_path):
    whole, parts = (run_in_parts(tmp_path / str(n), n) for n in (1, 4))
    torch.testing.assert_close(whole, parts)


def test_the_average_of_a_checkpoint_can_be_had_at_any_time(tmp_path):
    average = small_run(tmp_path, 3)
    model = nn.Linear(4, 1)
    assert load_average(tmp_path / "checkpoint.pt", model) == 3
    assert torch.equal(model.weight, average)
    with pytest.raises(FileNotFoundError, match="first is written"):
        load_average(tmp_path / "none.pt", model)


@pytest.mark.parametrize("found, expected", [({}, False), ({"avx512_bf16": True}, True)])
def test_bfloat16_is_used_where_the_processor_has_it(monkeypatch, found, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found, raising=False)
    assert has_bfloat16(torch.device("cpu")) == expected
    assert not has_bfloat16(torch.device("meta"))


def test_a_run_and_its_export_number_the_words_alike(tmp_path):
    first, again = (kept_tokenizer(tmp_path / "tokenizer") for _ in range(2))
    assert first.get_vocab() == again.get_vocab()
    started = kept_tokenizer(tmp_path / "started", first)
    assert started.get_vocab() == first.get_vocab() and len(started.init_kwargs["words"]) > 30


def test_training_may_start_from_a_model():
    pipe = models.load("embedded", device="cpu")
    weights = {name: part.clone() for name, part in pipe.unet.state_dict().items()}
    started = denoiser.build(len(pipe.tokenizer), pipe).unet
    assert all(torch.equal(weights[name], part) for name, part in started.state_dict().items())
    assert all(part.requires_grad for part in started.parameters())


def test_the_learning_rate_warms_up_and_falls_to_a_hundredth():
    rates = [cosine(step, 100, 10) for step in range(101)]
    assert rates[0] == 0.1 and max(rates) == rates[10] == 1
    assert rates[100] == pytest.approx(0.01) and rates[10:] == sorted(rates[10:], reverse=True)


def test_the_data_are_those_of_their_seed():
    (first, captions), (again, _) = (frames_and_captions(3, seed=5) for _ in range(2))
    assert torch.equal(first, again) and first.dtype == torch.uint8
    assert not torch.equal(first, frames_and_captions(3, seed=6)[0]) and len(set(captions)) > 1


def test_timesteps_stay_within_the_schedule_and_favour_their_centre():
    sharp, place = (
        draw_timesteps(4000, torch.Generator().manual_seed(0), centre)
        for centre in (denoiser.SHARP, denoiser.PLACE)
    )
    assert min(sharp.min(), place.min()) >= 0 and max(sharp.max(), place.max()) <= 999
    assert (sharp < 400).float().mean() > 0.5 and (place > 500).float().mean() > 0.5


def test_residual_branches_start_at_zero():
    blocks = [m for m in autoencoder.build().modules() if isinstance(m, ResnetBlock2D)]
    assert blocks and all(block.conv2.weight.abs().max() == 0 for block in blocks)


def test_the_command_makes_a_model_that_loads_and_denoises(tmp_path, monkeypatch):
    counts = {"images": 12, "autoencoder-steps": 2, "autoencoder-batch": 2, "steps": 2, "batch": 2}
    counts |= {"depth-steps": 2, "depth-batch": 2}
    arguments = [part for name, n in counts.items() for part in (f"--{name}", str(n))]
    folders = ["--folder", str(tmp_path), "--output", str(tmp_path / "model")]
    folders += ["--depth-output", str(tmp_path / "depth")]
    monkeypatch.setattr(sys, "argv", ["training", *folders, *arguments])
    command.main()
    pipe = models.load(tmp_path / "model", device="cpu")
    text = models.encode_prompt(pipe, "a red circle on a blue background")
    with torch.no_grad():
        noise = models.noise_predictor(pipe, text)(torch.zeros(1, 4, 16, 16), 500)
    assert noise.isfinite().all()
    assert load_depth(tmp_path / "depth", device="cpu").config.conditioning_channels == 3
    arguments = ["--folder", str(tmp_path), "--output", str(tmp_path / "again")]
    monkeypatch.setattr(sys, "argv", ["training.export", *arguments])
    exporting.main()
    again = models.load(tmp_path / "again", device="cpu").unet.state_dict()
    assert all(torch.equal(again[name], part) for name, part in pipe.unet.state_dict().items())

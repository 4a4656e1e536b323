"""Half precision, gradient checkpointing, and the first number that is not finite."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from test_models import write_stable_diffusion_folder

from course import adapters, models
from course.finetune import CHECKPOINT_FILE, finetune
from course.tokens import PromptTokens

PROMPT = "a red circle"
DRAWN = {"timestep_range": (0.3, 1.0), "window": 3, "gradient_parts": True}


@pytest.fixture(scope="module")
def latents():
    return torch.randn(3, 4, 16, 16, generator=torch.Generator().manual_seed(2))


def steps(pipe, latents, n_steps=1, **arguments):
    return list(finetune(pipe, latents, PROMPT, n_steps=n_steps, **arguments))


def gradients(pipe, latents, **arguments):
    """Return the gradients of one step, which its update leaves in AdamW's place: the weights."""
    tokens = PromptTokens(1, 1, pipe.unet.config.cross_attention_dim, len(latents))
    found = []
    optimizer = torch.optim.AdamW.step
    try:
        torch.optim.AdamW.step = lambda self, *_: found.extend(
            p.grad.clone() for group in self.param_groups for p in group["params"]
        )
        (step,) = steps(pipe, latents, tokens=tokens, **arguments)
    finally:
        torch.optim.AdamW.step = optimizer
        adapters.remove_lora(pipe.unet)
    return step, found


@pytest.fixture(scope="module")
def exact(embedded, latents):
    return gradients(embedded, latents, **DRAWN)[0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_has_the_gradients_of_float32(exact, latents, dtype):
    half = models.load("embedded", device="cpu", dtype=dtype)
    step, _ = gradients(half, latents, **DRAWN)
    for name in ("temporal_gradient_norm", "diffusion_gradient_norm", "gradient_norm"):
        assert getattr(step, name) == pytest.approx(getattr(exact, name), rel=0.04)
    assert step.temporal_gradient_norm > 0


def test_gradients_of_many_latents_are_those_of_float32_and_float16_needs_its_scale(
    tmp_path, monkeypatch
):
    folder = write_stable_diffusion_folder(tmp_path)
    drawn = torch.randn(3, 4, 32, 32, generator=torch.Generator().manual_seed(2))
    latents = 0.9 * drawn[:1] + 0.3 * drawn  # neighbours of a clip: alike
    arguments = {"timestep_range": (0.3, 1.0), "window": 3, "diffusion_weight": 0.0}
    found = {}
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        _, parts = gradients(models.load(folder, device="cpu", dtype=dtype), latents, **arguments)
        found[dtype] = torch.cat([part.flatten() for part in parts])
    exact, *half = found.values()
    norm = float(exact.norm())
    # bfloat16 has three bits fewer: errors are 8 times as large, what the cosine loses 64 times.
    for gradient, lost in zip(half, (0.001, 0.064)):
        assert torch.cosine_similarity(gradient, exact, dim=0) > 1 - lost
        assert float(gradient.norm()) == pytest.approx(norm, rel=0.04)
    scaler = torch.amp.GradScaler
    monkeypatch.setattr(torch.amp, "GradScaler", lambda *a, **o: scaler(*a, init_scale=1.0, **o))
    half = models.load(folder, device="cpu", dtype=torch.float16)
    assert gradients(half, latents, **arguments)[0].gradient_norm == 0 < norm


def test_gradients_that_overflow_are_tried_again_with_less_scale(exact, latents, monkeypatch):
    half = models.load("embedded", device="cpu", dtype=torch.float16)
    scaler = torch.amp.GradScaler
    made = []

    def steep(*arguments, **options):
        made.append(scaler(*arguments, init_scale=2.0**29, **options))
        return made[-1]

    monkeypatch.setattr(torch.amp, "GradScaler", steep)
    step, _ = gradients(half, latents, **DRAWN)
    assert step.gradient_norm == pytest.approx(exact.gradient_norm, rel=0.04)
    assert made[0].get_scale() < 2.0**28  # twice at least


def test_what_is_trained_is_float32_whatever_it_was(latents):
    half = models.load("embedded", device="cpu", dtype=torch.bfloat16)
    for parameter in adapters.add_lora(half.unet):
        parameter.data = parameter.data.half()
    steps(half, latents.bfloat16())
    assert {p.dtype for p in adapters.lora_parameters(half.unet)} == {torch.float32}
    assert half.unet.dtype == torch.bfloat16


def test_a_resumed_run_in_float16_goes_on_with_its_scale(latents, tmp_path):
    runs, written = [], []
    for parts in ((2,), (1, 2)):
        folder = tmp_path / str(len(parts))
        for n_steps in parts:
            half = models.load("embedded", device="cpu", dtype=torch.float16)
            arguments = {"checkpoint": folder, "resume": n_steps != parts[0]}
            done = steps(half, latents, n_steps, **arguments)
        runs.append((done[-1], adapters.lora_parameters(half.unet)))
        written.append((folder / CHECKPOINT_FILE).read_bytes())  # the scale is in it
    assert runs[0][0] == runs[1][0] and all(map(torch.equal, runs[0][1], runs[1][1]))
    assert written[0] == written[1]


@pytest.mark.parametrize("parts", [False, True])
def test_gradient_checkpointing_changes_no_gradient(pipe, latents, parts):
    arguments = {"gradient_parts": parts, "window": 3}
    plain, expected = gradients(pipe, latents, **arguments)
    saved, found = gradients(pipe, latents, gradient_checkpointing=True, **arguments)
    assert len(found) > 10 and any(gradient.any() for gradient in found)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-7 * plain.gradient_norm)
    assert saved.total_loss == pytest.approx(plain.total_loss, rel=1e-6)


@pytest.mark.parametrize("before", [False, True])
def test_gradient_checkpointing_is_afterwards_as_it_was(pipe, latents, before):
    if before:
        pipe.unet.enable_gradient_checkpointing()
    try:
        steps(pipe, latents, gradient_checkpointing=True)
        assert pipe.unet.is_gradient_checkpointing is before
    finally:
        pipe.unet.disable_gradient_checkpointing()


def test_gradient_checkpointing_keeps_fewer_activations(pipe, latents):
    kept = []
    for on in (False, True):
        sizes = []
        hooks = torch.autograd.graph.saved_tensors_hooks(
            lambda x, sizes=sizes: sizes.append(x.numel()) or x, lambda x: x
        )
        iterator = finetune(pipe, latents, PROMPT, gradient_checkpointing=on)
        with hooks:
            next(iterator)
        kept.append(sum(sizes))
        adapters.remove_lora(pipe.unet)
    assert kept[1] < kept[0]


# -- what is not finite


def test_a_loss_that_is_not_finite_ends_the_run_and_leaves_the_weights(pipe, latents, tmp_path):
    parameters = adapters.add_lora(pipe.unet)
    before = [p.detach().clone() for p in parameters]
    spoilt = latents.clone()
    spoilt[0, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="step 0: the total loss is nan.*nothing of it was kept"):
        steps(pipe, spoilt, 3, checkpoint=tmp_path, checkpoint_every=1)
    assert all(map(torch.equal, parameters, before)) and not any(tmp_path.iterdir())


def test_too_high_a_learning_rate_ends_at_the_first_bad_step(pipe, latents, tmp_path):
    with pytest.raises(ValueError, match="step 1: .*Take a lower learning rate"):
        steps(pipe, latents, 9, learning_rate=1e20, checkpoint=tmp_path, checkpoint_every=1)
    kept = load_file(tmp_path / CHECKPOINT_FILE)
    assert all(tensor.float().isfinite().all() for tensor in kept.values())


def test_weights_that_overflow_are_not_kept_either(pipe, latents, tmp_path, monkeypatch):
    parameters = adapters.add_lora(pipe.unet)
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda *_: parameters[0].data.fill_(torch.inf))
    with pytest.raises(ValueError, match="step 0: .* is not finite after the update"):
        steps(pipe, latents, checkpoint=tmp_path)
    assert not any(tmp_path.iterdir())
    with pytest.raises(ValueError, match="not finite"):
        adapters.save_adapter(tmp_path, pipe.unet)
    assert not any(tmp_path.iterdir())


def test_an_overflow_inside_the_model_is_not_mistaken_for_one_of_the_scale(latents):
    half = models.load("embedded", device="cpu", dtype=torch.float16)
    with torch.no_grad():
        half.unet.conv_in.weight.fill_(6e4)
    with pytest.raises(ValueError, match="the total loss is nan.*bfloat16 or float32"):
        steps(half, latents)

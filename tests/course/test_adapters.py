"""LoRA in the UNet, its file as plain diffusers reads it, and taps on features."""

from __future__ import annotations

from importlib.resources import files

import pytest
import torch
from safetensors.torch import load_file, save_file

from course import adapters, models
from course.tokens import PromptTokens

TAP = "up_blocks.1.attentions.0.transformer_blocks.0.attn1"


@pytest.fixture
def unet(pipe):
    return pipe.unet


@pytest.fixture
def run(unet):
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(2, unet.config.in_channels, 16, 16, generator=generator)
    text = torch.randn(2, 6, unet.config.cross_attention_dim, generator=generator)
    return lambda other=unet: other(latents.to(other.dtype), 500, text.to(other.dtype)).sample


def shake(parameters):
    """Stand in for training: move every parameter."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in parameters:
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))


# -- LoRA


def test_a_new_adapter_changes_nothing_bit_by_bit(unet, run):
    before = run()
    adapters.add_lora(unet)
    assert torch.equal(run(), before)


@pytest.mark.parametrize("targets, kinds", [("cross", {"attn2"}), ("all", {"attn1", "attn2"})])
def test_only_the_named_attention_is_adapted(unet, targets, kinds):
    rank = 2
    parameters = adapters.add_lora(unet, rank, targets)
    names = [n for n, p in unet.named_parameters() if p.requires_grad]
    attentions = [m for n, m in unet.named_modules() if n.rpartition(".")[2] in kinds]
    widths = sum(
        x.in_features + x.out_features
        for m in attentions
        for x in (m.to_q, m.to_k, m.to_v, m.to_out[0])
    )
    assert {k for k in ("attn1", "attn2") if any(f".{k}." in n for n in names)} == kinds
    assert sum(p.numel() for p in parameters) == rank * widths
    assert len(names) == len(parameters) and not unet.training


def test_the_first_step_trains_b_alone(unet, run):
    adapters.add_lora(unet)
    run().square().mean().backward()
    reached = {
        n.split(".lora_")[1][0]: p.grad.abs().sum() > 0
        for n, p in unet.named_parameters()
        if ".lora_" in n
    }
    assert reached == {"A": False, "B": True}


def test_the_start_comes_from_the_generator(unet):
    starts = []
    for seed in (1, 1, 2):
        parameters = adapters.add_lora(unet, generator=torch.Generator().manual_seed(seed))
        starts.append(parameters[0].detach().clone())
        adapters.remove_lora(unet)
    assert torch.equal(starts[0], starts[1]) and not torch.equal(starts[0], starts[2])


def test_adapter_weights_are_float32_in_a_half_precision_model(run):
    half = models.load("embedded", device="cpu", dtype=torch.bfloat16).unet
    parameters = adapters.add_lora(half)
    assert {p.dtype for p in parameters} == {torch.float32}
    assert half.dtype == torch.bfloat16 and run(half).dtype == torch.bfloat16


def test_removing_and_disabling_give_the_old_output_back(unet, run):
    before, names = run(), [n for n, _ in unet.named_modules()]
    shake(adapters.add_lora(unet))
    adapted = run()
    with adapters.adapter_disabled(unet), adapters.adapter_disabled(unet):
        assert torch.equal(run(), before)
    assert torch.equal(run(), adapted) and not torch.equal(adapted, before)
    adapters.remove_lora(unet)
    assert torch.equal(run(), before) and [n for n, _ in unet.named_modules()] == names


def test_without_an_adapter_removing_and_disabling_do_nothing(unet, run):
    before = run()
    adapters.remove_lora(unet)
    with adapters.adapter_disabled(unet):
        assert torch.equal(run(), before)


def test_a_disabled_adapter_is_enabled_again_after_an_error(unet, run):
    shake(adapters.add_lora(unet))
    adapted = run()
    with pytest.raises(RuntimeError), adapters.adapter_disabled(unet):
        raise RuntimeError
    assert torch.equal(run(), adapted)


@pytest.mark.parametrize("arguments", [{"rank": 0}, {"rank": 1.5}, {"targets": "attn2"}])
def test_impossible_adapters_are_refused(unet, arguments):
    with pytest.raises((ValueError, TypeError), match="wanted is"):
        adapters.add_lora(unet, **arguments)


def test_a_second_adapter_is_refused(unet):
    adapters.add_lora(unet)
    with pytest.raises(ValueError, match="remove_lora"):
        adapters.add_lora(unet)


# -- files


@pytest.mark.parametrize("targets", ["cross", "all"])
def test_a_plain_diffusers_pipeline_reads_the_file_to_the_same_bits(unet, run, tmp_path, targets):
    from diffusers import StableDiffusionPipeline

    shake(adapters.add_lora(unet, rank=3, targets=targets))
    adapters.save_adapter(tmp_path, unet)
    plain = StableDiffusionPipeline.from_pretrained(files("course") / "embedded")
    plain.to(dtype=torch.float32).load_lora_weights(tmp_path)
    assert torch.equal(run(plain.unet), run())


def test_a_saved_adapter_comes_back_and_can_be_trained_on(unet, run, tmp_path):
    shake(adapters.add_lora(unet, rank=3))
    adapted, saved = run(), [p.clone() for p in adapters.lora_parameters(unet)]
    adapters.save_adapter(tmp_path, unet)
    adapters.remove_lora(unet)
    parameters = adapters.load_adapter(tmp_path, unet)
    assert all(map(torch.equal, parameters, saved)) and torch.equal(run(), adapted)
    assert all(p.requires_grad for p in parameters) and not unet.training
    assert sum(p.requires_grad for p in unet.parameters()) == len(parameters)
    adapters.save_adapter(tmp_path / "again", unet)
    again = load_file(tmp_path / "again" / adapters.ADAPTER_FILE)
    assert all(
        torch.equal(again[k], v) for k, v in load_file(tmp_path / adapters.ADAPTER_FILE).items()
    )


def test_tokens_travel_with_the_adapter(unet, run, tmp_path):
    from diffusers import StableDiffusionPipeline

    tokens = PromptTokens(2, 1, 96, 4, generator=torch.Generator().manual_seed(9))
    adapters.add_lora(unet)
    adapters.save_adapter(tmp_path, unet, tokens)
    adapters.remove_lora(unet)
    found = PromptTokens(2, 1, 96, 4)
    adapters.load_adapter(tmp_path, unet, found)
    assert torch.equal(found.frame, tokens.frame)
    assert {p.name for p in tmp_path.iterdir()} == {adapters.ADAPTER_FILE, adapters.TOKENS_FILE}
    # A second file in the folder must not stop plain diffusers from finding the first.
    weights, *_ = StableDiffusionPipeline.lora_state_dict(tmp_path)
    assert weights and all(".lora" in key for key in weights)


def test_a_missing_adapter_is_refused(unet, tmp_path):
    with pytest.raises(FileNotFoundError, match="pytorch_lora_weights"):
        adapters.load_adapter(tmp_path, unet)
    with pytest.raises(ValueError, match="add_lora"):
        adapters.save_adapter(tmp_path / "new", unet)
    assert not (tmp_path / "new").exists()


def test_a_file_in_place_of_the_folder_is_refused(unet, tmp_path):
    (tmp_path / "file").touch()
    adapters.add_lora(unet)
    with pytest.raises(NotADirectoryError):
        adapters.save_adapter(tmp_path / "file", unet)


def test_an_adapter_for_another_unet_is_refused_and_leaves_no_trace(unet, run, tmp_path):
    before = run()
    for weights in (
        {"unet.conv.lora_A.weight": torch.zeros(4, 8)},
        {f"unet.{TAP}.to_q.lora_A.weight": torch.zeros(4, 7)},
        {"unet.conv": torch.zeros(4)},
        {},
    ):
        save_file(weights, tmp_path / adapters.ADAPTER_FILE)
        with pytest.raises(ValueError, match="another UNet|no LoRA weights"):
            adapters.load_adapter(tmp_path, unet)
    (tmp_path / adapters.ADAPTER_FILE).write_bytes(b"nothing")
    with pytest.raises(ValueError, match="damaged"):
        adapters.load_adapter(tmp_path, unet)
    assert not adapters.has_adapter(unet) and torch.equal(run(), before)


# -- taps


def test_a_tap_holds_what_the_module_returned_with_its_gradient(unet, run):
    adapters.add_lora(unet)
    with adapters.FeatureTap(unet, [TAP]) as features:
        run()
    width = unet.get_submodule(TAP).to_out[0].out_features
    assert features[TAP].shape == (2, 256, width)
    features[TAP].square().mean().backward()
    assert any(p.grad is not None and p.grad.any() for p in adapters.lora_parameters(unet))


def test_layers_after_the_tap_get_no_gradient(unet, run):
    adapters.add_lora(unet)
    with adapters.FeatureTap(unet, TAP) as features:
        run()
    features[TAP].square().mean().backward()
    reached = {n for n, p in unet.named_parameters() if p.grad is not None}
    assert reached and not any(n.startswith("up_blocks.1.attentions.1") for n in reached)
    unet.zero_grad()


@pytest.mark.parametrize(
    "name", ["conv_in", "mid_block", "down_blocks.0", "up_blocks.1", "up_blocks.1.attentions.0"]
)
def test_maps_are_flattened_to_positions(unet, run, name):
    seen = []
    hook = unet.get_submodule(name).register_forward_hook(lambda m, i, o: seen.append(o))
    with adapters.FeatureTap(unet, [name]) as features:
        run()
    hook.remove()
    frames = seen[0] if isinstance(seen[0], torch.Tensor) else seen[0][0]
    assert torch.equal(features[name].transpose(1, 2).reshape(frames.shape), frames)


def test_each_pass_renews_the_features_and_the_end_removes_the_hooks(unet, run):
    with adapters.FeatureTap(unet, ["conv_in"]) as features:
        run()
        first = features["conv_in"]
        unet(torch.zeros(1, 4, 16, 16), 1, torch.zeros(1, 6, unet.config.cross_attention_dim))
    last = features["conv_in"]
    run()
    assert len(first) == 2 and len(last) == 1 and features["conv_in"] is last
    assert not unet.conv_in._forward_hooks


def test_an_unknown_module_is_answered_with_its_neighbours(unet):
    with pytest.raises(ValueError, match=r"near it: .*up_blocks\.1\.attentions\.0"):
        adapters.FeatureTap(unet, ["up_blocks.1.attentions.0.transformer_blocks.0.atn1"])


def test_default_taps_lie_in_the_up_blocks_and_can_be_tapped(unet, run):
    names = adapters.default_taps(unet)
    with adapters.FeatureTap(unet, names) as features:
        run()
    assert names and all(n.startswith("up_blocks.") and n.endswith(".attn1") for n in names)
    assert list(features) == names and all(f.ndim == 3 for f in features.values())

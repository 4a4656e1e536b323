"""LoRA files of other programs: taken to the same output as in diffusers, or named."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
import torch
from safetensors.torch import load_file, save_file

from course import adapters, models

LAYER = "up_blocks.1.attentions.0.transformer_blocks.0.attn2.to_q"


@pytest.fixture(scope="module")
def run():
    """Return a function of a UNet that shows every layer's weights in a few numbers."""
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 4, 16, 16, generator=generator)

    def output(unet):
        width = unet.config.cross_attention_dim
        text = torch.randn(1, 6, width, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            return unet(latents, 500, text).sample

    return output


@pytest.fixture(scope="module")
def made(embedded, run, tmp_path_factory):
    """Return the weights of a trained adapter under peft's names, and the output with them."""
    folder = tmp_path_factory.mktemp("made")
    for parameter in adapters.add_lora(embedded.unet, rank=3, targets="all"):
        noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(5))
        parameter.data += 0.1 * noise
    adapters.save_adapter(folder, embedded.unet)
    output = run(embedded.unet)
    adapters.remove_lora(embedded.unet)
    return load_file(folder / adapters.ADAPTER_FILE), output


def plain_pipeline():
    from diffusers import StableDiffusionPipeline

    return StableDiffusionPipeline.from_pretrained(files("course") / "embedded")


def kohya(weights, alpha=None):
    """Name weights as kohya's scripts do, each layer with its alpha."""
    named = {}
    for key, weight in weights.items():
        layer, _, matrix = key.removeprefix("unet.").partition(".lora_")
        name = f"lora_unet_{layer.replace('.', '_')}"
        named[f"{name}.lora_{'down' if matrix[0] == 'A' else 'up'}.weight"] = weight
        if alpha is not None:
            named[f"{name}.alpha"] = torch.tensor(float(alpha))
    return named


def old_diffusers(weights):
    named = {}
    for key, weight in weights.items():
        matrix = ("_lora.down", "_lora.up")[".lora_B." in key]
        key = key.replace(".lora_A", matrix).replace(".lora_B", matrix)
        named[key.replace(".to_out.0", ".to_out").replace(".to_", ".processor.to_")] = weight
    return named


def without(prefix, weights, new=""):
    return {new + key.removeprefix(prefix): weight for key, weight in weights.items()}


RENAMED = {
    "without a prefix": lambda weights: without("unet.", weights),
    "kohya": kohya,
    "kohya, alpha is the rank": lambda weights: kohya(weights, 3),
    "old diffusers": old_diffusers,
    "old attention processors": lambda weights: without("unet.", old_diffusers(weights)),
    "peft": lambda weights: without("unet.", weights, "base_model.model."),
    "peft with the adapter's name": lambda weights: {
        key.replace(".weight", ".default.weight"): weight for key, weight in weights.items()
    },
    "float16": lambda weights: {key: weight.half() for key, weight in weights.items()},
}


@pytest.mark.parametrize("name", RENAMED)
def test_a_file_under_other_names_gives_the_same_output(pipe, run, made, tmp_path, name):
    weights, expected = made
    save_file(RENAMED[name](weights), tmp_path / "other.safetensors")
    for place in (tmp_path, tmp_path / "other.safetensors"):
        parameters = adapters.load_adapter(place, pipe.unet)
        assert torch.allclose(run(pipe.unet), expected, atol=1e-2 if name == "float16" else 1e-5)
        assert {p.dtype for p in parameters} == {torch.float32}
        adapters.remove_lora(pipe.unet)


@pytest.mark.parametrize("alpha", [1, 12])
def test_kohya_s_alpha_scales_as_in_diffusers_and_survives_saving(pipe, run, made, tmp_path, alpha):
    file = tmp_path / "kohya.safetensors"
    save_file(kohya(made[0], alpha), file)
    plain = plain_pipeline()
    plain.load_lora_weights(file)
    adapters.load_adapter(file, pipe.unet)
    assert torch.allclose(run(pipe.unet), run(plain.unet), atol=1e-4)
    assert not torch.allclose(run(pipe.unet), made[1], atol=1e-3)
    adapters.save_adapter(tmp_path / "again", pipe.unet)
    again = plain_pipeline()
    again.load_lora_weights(tmp_path / "again")
    assert torch.allclose(run(again.unet), run(plain.unet), atol=1e-4)


def test_the_scale_in_a_header_of_diffusers_counts(pipe, run, made, tmp_path):
    from peft import LoraConfig

    plain = plain_pipeline()
    targets = ["to_q", "to_k", "to_v", "to_out.0"]
    plain.unet.add_adapter(LoraConfig(r=3, lora_alpha=9, target_modules=targets))
    weights = without("unet.", made[0])
    named = plain.unet.named_parameters()
    for key, parameter in ((n.replace(".default", ""), p) for n, p in named if ".lora_" in n):
        parameter.data = weights[key]
    plain.unet.save_lora_adapter(tmp_path)
    adapters.load_adapter(tmp_path, pipe.unet)
    assert torch.allclose(run(pipe.unet), run(plain.unet), atol=1e-4)
    assert not torch.allclose(run(pipe.unet), made[1], atol=1e-3)


def test_the_settings_beside_a_file_of_peft_count(pipe, run, made, tmp_path):
    save_file(
        without("unet.", made[0], "base_model.model."), tmp_path / "adapter_model.safetensors"
    )
    outputs = []
    for alpha in (3, 0.003):
        (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 3, "lora_alpha": alpha}))
        adapters.load_adapter(tmp_path, pipe.unet)
        outputs.append(run(pipe.unet))
        adapters.remove_lora(pipe.unet)
    assert torch.allclose(outputs[0], made[1], atol=1e-5)
    assert torch.allclose(outputs[1], run(pipe.unet), atol=1e-2)


def test_layers_of_convolution_are_taken_too(pipe, run, tmp_path):
    conv = pipe.unet.down_blocks[0].resnets[0].conv1
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(2, conv.in_channels, 3, 3, generator=generator)
    b = 0.1 * torch.randn(conv.out_channels, 2, 1, 1, generator=generator)
    name = "lora_unet_down_blocks_0_resnets_0_conv1"
    save_file(
        {f"{name}.lora_down.weight": a, f"{name}.lora_up.weight": b}, tmp_path / "c.safetensors"
    )
    before = run(pipe.unet)
    adapters.load_adapter(tmp_path, pipe.unet)
    plain = plain_pipeline()
    plain.load_lora_weights(tmp_path / "c.safetensors")
    assert torch.allclose(run(pipe.unet), run(plain.unet), atol=1e-5)
    assert not torch.allclose(run(pipe.unet), before)


# -- what is refused


def pair(a=(4, None), b=(None, 4), dtype=torch.float32, layer=LAYER, unet=None):
    """Return A and B of one layer; None is the layer's own width."""
    inner = unet.get_submodule(LAYER)
    a = [inner.in_features if n is None else n for n in a]
    b = [inner.out_features if n is None else n for n in b]
    return {
        f"unet.{layer}.lora_A.weight": torch.ones(a).to(dtype),
        f"unet.{layer}.lora_B.weight": torch.ones(b).to(dtype),
    }


def some(weights, kept):
    return {key: weight for key, weight in weights.items() if kept in key}


SPOILT = {
    "A alone": (
        lambda u: some(pair(unet=u), "lora_A"),
        "has no .*to_q.lora_B.weight to go with lora_A",
    ),
    "B alone": (
        lambda u: some(pair(unet=u), "lora_B"),
        "has no .*to_q.lora_A.weight to go with lora_B",
    ),
    "down alone": (lambda u: some(kohya(pair(unet=u)), "lora_down"), "has no partner"),
    "up alone": (lambda u: some(kohya(pair(unet=u)), "lora_up"), "has no partner"),
    "ranks": (lambda u: pair(b=(None, 5), unet=u), "matrices of different rank, 4 and 5"),
    "rank 0": (lambda u: pair(a=(0, None), b=(None, 0), unet=u), "rank 0"),
    "width": (lambda u: pair(a=(4, 7), unet=u), "made for another UNet"),
    "no such layer": (lambda u: pair(layer="up_blocks.9.to_q", unet=u), "made for another UNet"),
    "a block": (lambda u: pair(layer="up_blocks.1", unet=u), "made for another UNet"),
    "axes": (lambda u: pair(a=(4, None, 1, 1), unet=u), "made for another UNet"),
    "integers": (lambda u: pair(dtype=torch.int8, unet=u), "in torch.int8; wanted floating"),
    "nan": (lambda u: {k: w * torch.nan for k, w in pair(unet=u).items()}, "are not finite"),
    "zeros": (lambda u: {k: w * 0 for k, w in pair(unet=u).items()}, "nothing but zeros"),
    "text encoder": (
        lambda u: {k.replace("unet.", "text_encoder."): w for k, w in pair(unet=u).items()},
        "of the text encoder alone",
    ),
    "kohya's text encoder": (
        lambda u: {"lora_te_text_model_encoder_x.lora_down.weight": torch.ones(2, 2)},
        "of the text encoder alone",
    ),
    "both": (
        lambda u: {**pair(unet=u), "text_encoder.x.lora_A.weight": torch.ones(2, 2)},
        "of the UNet and of the text encoder.*pipe.load_lora_weights",
    ),
    "LoHa": (lambda u: {"lora_unet_x.hada_w1_a": torch.ones(2, 2)}, "is LoHa .LyCORIS"),
    "LoKr": (lambda u: {"lora_unet_x.lokr_w1": torch.ones(2, 2)}, "is LoKr .LyCORIS"),
    "DoRA": (
        lambda u: {**pair(unet=u), f"unet.{LAYER}.lora_magnitude_vector": torch.ones(3)},
        "is DoRA",
    ),
    "kohya's DoRA": (lambda u: {"lora_unet_x.dora_scale": torch.ones(2)}, "is DoRA"),
    "textual inversion": (lambda u: {"emb_params": torch.ones(2, 2)}, "textual inversion"),
    "a UNet": (lambda u: {"conv_in.weight": torch.ones(2, 2)}, "no LoRA: conv_in.weight"),
    "a checkpoint": (
        lambda u: {"model.diffusion_model.out.2.weight": torch.ones(2)},
        "is a whole checkpoint",
    ),
    "an alpha alone": (lambda u: {"lora_unet_x.alpha": torch.ones(())}, "without its layer"),
    "nothing": (lambda u: {}, "holds no LoRA weights"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_cannot_be_taken_is_named_in_one_line_and_leaves_no_trace(pipe, tmp_path, name):
    weights, message = SPOILT[name]
    found = weights(pipe.unet)
    save_file(found, tmp_path / adapters.ADAPTER_FILE)
    with pytest.raises(ValueError, match=message) as refusal:
        adapters.load_adapter(tmp_path, pipe.unet)
    assert str(tmp_path) in str(refusal.value) and "\n" not in str(refusal.value)
    assert not adapters.has_adapter(pipe.unet)
    assert not any("lora" in n for n, _ in pipe.unet.named_parameters())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty .0 bytes"),
        (b"nothing at all", "damaged or no safetensors file"),
        (b"PK\x03\x04rest", "is a pickle"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    ],
)
def test_a_file_that_is_no_safetensors_file_is_named(pipe, tmp_path, content, message):
    (tmp_path / adapters.ADAPTER_FILE).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        adapters.load_adapter(tmp_path, pipe.unet)


def test_of_several_files_none_is_guessed(pipe, tmp_path):
    for name in ("one", "two"):
        save_file({"x": torch.ones(1)}, tmp_path / f"{name}.safetensors")
    with pytest.raises(FileNotFoundError, match="one.safetensors, two.safetensors: name one"):
        adapters.load_adapter(tmp_path, pipe.unet)
    with pytest.raises(FileNotFoundError, match="three.safetensors"):
        adapters.load_adapter(tmp_path / "three.safetensors", pipe.unet)


def test_an_adapter_that_diffusers_loaded_stays_in_an_edit(pipe, run, made, tmp_path):
    from course.clips import Scene, render
    from course.editing import edit

    save_file(made[0], tmp_path / adapters.ADAPTER_FILE)
    own = models.load(device="cpu")
    own.load_lora_weights(tmp_path)
    clip, caption = render(Scene(), n_frames=2), "a red circle on a blue background"
    options = {"n_steps": 2, "baselines": False, "reconstruct": False, "progress": False}
    theirs = edit(clip, caption, caption.replace("red", "green"), pipe=own, **options)
    options["adapter"] = tmp_path
    ours = edit(clip, caption, caption.replace("red", "green"), pipe=pipe, **options)
    assert torch.allclose(theirs.clip.frames, ours.clip.frames, atol=1e-5)
    assert adapters.has_adapter(own.unet) and not adapters.has_adapter(pipe.unet)

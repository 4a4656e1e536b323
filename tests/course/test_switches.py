"""What a user switched on before stays on and changes nothing, or is refused in a sentence."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from accelerate.hooks import AlignDevicesHook, add_hook_to_module, attach_align_device_hook
from diffusers.models.attention_processor import AttnProcessor2_0
from test_models import write_stable_diffusion_folder

from course import models
from course.adapters import FeatureTap, add_lora, has_adapter, load_adapter, save_adapter
from course.adapters.switches import is_compiled
from course.clips import Clip
from course.editing import edit
from course.finetune import finetune
from course.methods import DEFAULT_METHOD

METHODS = ("paper", DEFAULT_METHOD)
# What is compiled is traced block by block, for each method and adapter anew.
SMALL = {
    "block_out_channels": (32, 64),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "layers_per_block": 1,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_stable_diffusion_folder(tmp_path_factory.mktemp("stable-diffusion"), **SMALL)


@pytest.fixture
def pipe(folder):
    # Random weights magnify rounding a thousandfold and more; in float64 there is none to magnify.
    return models.load(folder, device="cpu", dtype=torch.float64)


@pytest.fixture(scope="module")
def clip():
    frames = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    return Clip(frames.double(), 8.0, "red")


@pytest.fixture(scope="module")
def adapter(folder, tmp_path_factory):
    place = tmp_path_factory.mktemp("adapter")
    unet = models.load(folder, device="cpu").unet
    for parameter in add_lora(unet):
        noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(5))
        parameter.data += 0.1 * noise
    save_adapter(place, unet)
    return place


def frames_of(pipe, clip, method, adapter=None):
    return edit(
        clip, "red", "a red b", pipe=pipe, method=method, adapter=adapter, n_steps=3, skip=0,
        mask_threshold=None, finetune_steps=0, baselines=False, reconstruct=False, progress=False,
    ).clip.frames  # fmt: skip


@pytest.fixture(scope="module")
def expected(folder, clip, adapter):
    """Return the frames of a plain pipeline by method and adapter."""
    pipe = models.load(folder, device="cpu", dtype=torch.float64)
    cases = [(method, None) for method in METHODS] + [("paper", adapter)]
    return {case: frames_of(pipe, clip, *case) for case in cases}


class Counting(AttnProcessor2_0):
    """A user's own processor: plain attention that counts its calls."""

    calls = 0

    def __call__(self, *arguments, **options):
        Counting.calls += 1
        return super().__call__(*arguments, **options)


def fetch_layer_by_layer(pipe):
    """Switch on what enable_sequential_cpu_offload does, on the CPU.

    Its own call remembers tied weights by their device and stumbles where the CPU is both ends.
    """
    for part in (pipe.unet, pipe.vae, pipe.text_encoder):
        weights = {name: weight.clone() for name, weight in part.state_dict().items()}
        add_hook_to_module(part, AlignDevicesHook(io_same_device=True), append=True)
        attach_align_device_hook(
            part, torch.device("cpu"), offload=True, weights_map=weights, offload_buffers=True
        )


def compile_whole(pipe):
    pipe.unet = torch.compile(pipe.unet, backend="eager")


@dataclass(frozen=True)
class Switch:
    """How something is switched on, and how one sees that it is."""

    on: object
    is_on: object


SWITCHES = {
    "attention slicing": Switch(
        lambda pipe: pipe.enable_attention_slicing(1),
        lambda pipe: "Sliced" in type(next(iter(pipe.unet.attn_processors.values()))).__name__,
    ),
    "vae slicing": Switch(lambda p: p.vae.enable_slicing(), lambda p: p.vae.use_slicing),
    "vae tiling": Switch(lambda p: p.vae.enable_tiling(), lambda p: p.vae.use_tiling),
    "fused projections": Switch(
        lambda pipe: pipe.fuse_qkv_projections(vae=False),
        lambda pipe: any(getattr(m, "fused_projections", False) for m in pipe.unet.modules()),
    ),
    "compiled": Switch(compile_whole, lambda pipe: hasattr(pipe.unet, "_orig_mod")),
    "compiled in place": Switch(
        lambda pipe: pipe.unet.compile(backend="eager"), lambda pipe: is_compiled(pipe.unet)
    ),
    "model offload": Switch(
        lambda pipe: pipe.enable_model_cpu_offload(device="cpu"),
        lambda pipe: hasattr(pipe.unet, "_hf_hook"),
    ),
    "sequential offload": Switch(
        fetch_layer_by_layer, lambda pipe: pipe.unet.conv_in.weight.device.type == "meta"
    ),
    "gradient checkpointing": Switch(
        lambda pipe: pipe.unet.enable_gradient_checkpointing(),
        lambda pipe: pipe.unet.is_gradient_checkpointing,
    ),
    "own processor": Switch(
        lambda pipe: pipe.unet.set_attn_processor(Counting()),
        lambda pipe: {type(p) for p in pipe.unet.attn_processors.values()} == {Counting},
    ),
}
REFUSED = {
    ("sequential offload", "paper", True): "layer by layer.*enable_model_cpu_offload",
    ("own processor", DEFAULT_METHOD, False): "processor of its own, Counting.*such as paper",
    ("fused projections", "paper", True): "projections are fused.*unfuse_qkv_projections",
}


@pytest.mark.parametrize(("method", "adapted"), [*((m, False) for m in METHODS), ("paper", True)])
@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_changes_no_edit_and_stays_on(
    pipe, clip, expected, adapter, name, method, adapted
):
    switch = SWITCHES[name]
    switch.on(pipe)
    case = method, adapter if adapted else None
    if message := REFUSED.get((name, method, adapted)):
        with pytest.raises(ValueError, match=message):
            frames_of(pipe, clip, *case)
    else:
        assert torch.allclose(frames_of(pipe, clip, *case), expected[case], atol=1e-4)
    assert switch.is_on(pipe) and not has_adapter(pipe.unet)


def test_a_processor_of_the_user_s_is_called(pipe, clip):
    pipe.unet.set_attn_processor(Counting())
    before = Counting.calls
    frames_of(pipe, clip, "paper")
    assert Counting.calls > before


def test_a_processor_that_has_only_the_name_of_a_plain_one_is_not_replaced(pipe, clip):
    pipe.unet.set_attn_processor(type("AttnProcessor2_0", (Counting,), {})())
    with pytest.raises(ValueError, match="processor of its own, AttnProcessor2_0"):
        frames_of(pipe, clip, DEFAULT_METHOD)


def test_a_unet_that_wants_images_too_is_refused(pipe, clip):
    latents = models.encode_frames(pipe, clip.frames)
    pipe.unet.register_to_config(encoder_hid_dim_type="ip_image_proj")  # as load_ip_adapter does
    for work in (
        lambda: frames_of(pipe, clip, "paper"),
        lambda: list(finetune(pipe, latents, "red", n_steps=1)),
    ):
        with pytest.raises(ValueError, match="more than text.*ip_image_proj.*unload_ip_adapter"):
            work()
    assert not has_adapter(pipe.unet)


@pytest.mark.parametrize("name", ["attention slicing", "compiled", "compiled in place"])
def test_training_is_the_same_with_a_switch_on(pipe, folder, clip, name):
    latents = models.encode_frames(pipe, clip.frames)
    plain = models.load(folder, device="cpu", dtype=torch.float64)
    (wanted,) = finetune(plain, latents, "red", n_steps=1)
    SWITCHES[name].on(pipe)
    (step,) = finetune(pipe, latents, "red", n_steps=1)
    assert step.total_loss == pytest.approx(wanted.total_loss, rel=1e-6)
    assert step.gradient_norm == pytest.approx(wanted.gradient_norm, rel=1e-4)
    assert SWITCHES[name].is_on(pipe)


def test_a_compiled_unet_keeps_an_adapter_like_any_other(pipe, adapter, tmp_path):
    compile_whole(pipe)
    load_adapter(adapter, pipe.unet)
    written = save_adapter(tmp_path, pipe.unet)
    assert written.read_bytes() == next(adapter.iterdir()).read_bytes()


def test_a_tap_on_a_compiled_unet_takes_the_plain_names(pipe):
    compile_whole(pipe)
    with FeatureTap(pipe.unet, "conv_in") as features:
        pipe.unet._orig_mod(torch.zeros(1, 4, 8, 8).double(), 1, torch.zeros(1, 77, 32).double())
    assert features["conv_in"].shape == (1, 64, 32)


def test_training_past_fused_projections_is_refused(pipe, clip):
    latents = models.encode_frames(pipe, clip.frames)
    SWITCHES["fused projections"].on(pipe)
    with pytest.raises(ValueError, match="projections are fused"):
        finetune(pipe, latents, "red", n_steps=1)
    assert not has_adapter(pipe.unet)


def test_weights_that_are_fetched_layer_by_layer_take_no_adapter(pipe, adapter):
    pipe.enable_sequential_cpu_offload(device="cpu")
    for put in (lambda: add_lora(pipe.unet), lambda: load_adapter(adapter, pipe.unet)):
        with pytest.raises(ValueError, match="layer by layer.*enable_model_cpu_offload"):
            put()
    assert models.execution_device(pipe).type == "cpu" and pipe.unet.device.type == "meta"


def test_an_adapter_that_fusing_passed_over_is_not_edited_with(pipe, clip, adapter):
    load_adapter(adapter, pipe.unet)
    pipe.fuse_qkv_projections(vae=False)
    with pytest.raises(ValueError, match="projections are fused"):
        frames_of(pipe, clip, "paper")

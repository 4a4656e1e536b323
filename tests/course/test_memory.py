"""What work needs of memory: fake tensors count what real ones take."""

from __future__ import annotations

from itertools import islice

import pytest
import torch

from course.editing.memory import Meter, needs, table
from course.editing.works import build, decoding, edit_step, finetuning

TINY = {
    "unet": {
        "sample_size": 8,
        "block_out_channels": (32, 64),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        "layers_per_block": 1,
        "cross_attention_dim": 32,
        "attention_head_dim": 4,
    },
    "vae": {"block_out_channels": (32, 32), "latent_channels": 4,
            "down_block_types": ("DownEncoderBlock2D",) * 2,
            "up_block_types": ("UpDecoderBlock2D",) * 2},
    "text_encoder": {"vocab_size": 40, "hidden_size": 32, "intermediate_size": 64,
                     "num_hidden_layers": 1, "num_attention_heads": 2,
                     "max_position_embeddings": 8},
}  # fmt: skip


def tiny_needs(dtype=torch.float32, n_works=4, **changes):
    given = {"size": 32, "chunk": 3, "decode_chunk": 3, "window": 3, "parts": TINY, **changes}
    return {row.work: row for row in islice(needs(dtype, **given), n_works)}


@pytest.fixture(scope="module")
def small():
    return tiny_needs()


def test_the_meter_counts_each_storage_once_while_it_lives():
    with Meter() as meter:
        first = torch.zeros(100)
        view = first.view(10, 10)[2:]
        second = first + 1
        del first, view
        third = second * 2
    assert (meter.now, meter.peak) == (800, 800) and third.shape == (100,)


@pytest.mark.parametrize("work", ["edit step, guidance 7.5", "decoding"])
def test_fake_tensors_count_what_real_ones_take(small, work):
    unet, vae, _ = build(TINY)
    latents, text = torch.randn(3, 4, 16, 16), torch.randn(1, 8, 32)
    real = decoding(vae, latents) if work == "decoding" else edit_step(
        unet, latents, text, "paper", 7.5
    )  # fmt: skip
    with Meter(real.part.parameters()) as meter:
        real.run()
    assert small[work].at_work == pytest.approx(meter.peak, rel=0.03)


def test_fake_tensors_count_a_training_step(small):
    from course.adapters import add_lora

    unet = build(TINY)[0]
    add_lora(unet, 4)
    real = finetuning(unet, torch.randn(3, 4, 16, 16), torch.randn(1, 8, 32))
    with Meter(unet.parameters()) as meter:
        real.run()
    assert small["fine-tuning"].at_work == pytest.approx(meter.peak, rel=0.03)


def test_half_precision_takes_half_and_checkpointing_less():
    wide, half = tiny_needs(size=64), tiny_needs(torch.float16, 2, size=64)
    for work in ("edit step, guidance 7.5", "decoding"):
        assert half[work].at_work == pytest.approx(wide[work].at_work / 2, rel=0.05)
    trained = wide["fine-tuning"].at_work
    assert wide["fine-tuning, checkpointing"].at_work < 0.9 * trained


def test_more_frames_and_pixels_need_more_and_one_table_tells_all(small):
    large = tiny_needs(size=(32, 64), chunk=5, window=5, decode_chunk=5)
    assert all(large[work].at_work > small[work].at_work for work in small)
    assert all(row.loaded > row.at_work for row in small.values())
    assert table(large.values()).count("64 x 32") == len(large)


def test_a_size_that_the_model_cannot_take_is_refused():
    with pytest.raises(ValueError, match="multiple of 2"):
        tiny_needs(size=33)

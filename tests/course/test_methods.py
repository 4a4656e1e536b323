"""The methods as a whole: names, recipes, chunks, tidiness, and the motion that some follow."""

from __future__ import annotations

import inspect
import re
from argparse import ArgumentParser
from dataclasses import replace

import pytest
import torch
from method_tasks import (
    N_FRAMES,
    SIDE,
    edited,
    linked,
    on_meta,
    random,
    sized_task,
    state_of,
    tiny_pipe,
    tiny_task,
)

from course import methods
from course.clips import Clip, Scene, render, with_estimated_motion
from course.commands.edit import add_arguments
from course.editing import edit
from course.methods import DEFAULT_METHOD, METHODS, Motion, attending, recipe
from course.methods.frame_attention import self_attention_layers
from course.methods.motion import reverse_flow
from course.metrics import warp

SOURCE = "a red circle moving right on a blue background"
TARGET = "a green circle moving right on a blue background"
LEAN = {"n_steps": 2, "reconstruct": False, "baselines": False, "finetune_steps": 0}
NAMES = methods.names()
AFTERWARDS = ("retry", "average", "blend")  # what is done to an edit that is there
EVERY = (*NAMES, DEFAULT_METHOD)
SPLIT = [name for name in EVERY if name not in NAMES or METHODS[name].reach != "clip"]
LINKED = ("shared_noise", "edit_friendly", "flow_edit")
LINKS = [name for name in NAMES if METHODS[name].kind not in ("sampler", *AFTERWARDS)]


@pytest.fixture(scope="module")
def tiny():
    return tiny_pipe()


@pytest.fixture(scope="module")
def clip():
    return render(Scene(), n_frames=N_FRAMES)


def run(clip, pipe, method, **options):
    return edit(clip, SOURCE, TARGET, pipe=pipe, method=method, progress=False, **(LEAN | options))


# What an edit gives


@pytest.mark.parametrize("name", EVERY)
def test_every_method_edits_by_its_name_and_leaves_the_unet_as_it_was(embedded, clip, name):
    before = state_of(embedded.unet)
    result = run(clip, embedded, name)
    assert result.clip.frames.shape == clip.frames.shape
    assert result.clip.frames.isfinite().all()
    assert state_of(embedded.unet) == before


@pytest.mark.filterwarnings("ignore:the model itself")
@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("name", EVERY)
def test_a_unet_in_training_mode_is_left_as_it_was(tiny, name, guidance):
    tiny.unet.train()
    before = state_of(tiny.unet)
    edited(tiny_task(tiny, guidance=guidance, n_steps=1, mask_threshold=0.15), name, tries=1)
    assert state_of(tiny.unet) == before
    tiny.unet.eval()


@pytest.mark.parametrize(("guidance", "mask"), [(1.0, None), (3.0, 0.15)])
@pytest.mark.parametrize("name", EVERY)
def test_every_method_runs_without_values(tiny, name, guidance, mask):
    task = on_meta(tiny_task(tiny, guidance=guidance, n_steps=1, mask_threshold=mask))
    latents = edited(task, name, tries=2)
    assert latents.shape == task.latents.shape and latents.is_meta


@pytest.mark.filterwarnings("ignore:the model itself")
@pytest.mark.parametrize("size", [(7, 9), (8, 5)])
@pytest.mark.parametrize("name", EVERY)
def test_every_method_runs_on_a_grid_that_cannot_be_halved(tiny, name, size):
    task = replace(sized_task(tiny, size), n_steps=1, mask_threshold=0.15)
    latents = edited(task, name, tries=1)
    assert latents.shape == task.latents.shape and latents.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_edit(tiny, name):
    first, second = (edited(tiny_task(tiny, n_steps=2), name) for _ in range(2))
    assert torch.equal(first, second)


@pytest.fixture(scope="module")
def alone(tiny):
    """Return what samplers make without a link."""
    return {name: edited(tiny_task(tiny, skip=1), name) for name in LINKED}


@pytest.mark.parametrize("sampler", LINKED)
@pytest.mark.parametrize("link", LINKS)
def test_every_link_goes_with_every_sampler(tiny, alone, sampler, link):
    both = edited(tiny_task(tiny, skip=1), f"{sampler} + {link}")
    assert both.isfinite().all() and not torch.equal(both, alone[sampler])


# Names and recipes


def test_the_default_is_one_of_the_methods():
    assert recipe() == recipe(methods.DEFAULT_METHOD)
    assert inspect.signature(edit).parameters["method"].default == methods.DEFAULT_METHOD


@pytest.mark.parametrize("name", NAMES)
def test_every_method_says_what_it_is_and_where_in_which_paper_it_stands(name):
    method = METHODS[name]
    told = method.module.__doc__
    assert method.name == name
    assert re.search(r"arXiv \d{4}\.\d{5}|Fig\. \d|\b(19|20)\d\d\b", told)
    assert "arXiv\n" not in told  # the site looks for the number beside it
    assert re.search(r"Sections? \d|Algorithm \d|Eqs?\. \d|abstract", told)


@pytest.mark.parametrize("method", ["tokenflow", "paper + glue", ""])
def test_an_unknown_method_is_told_the_names(pipe, clip, method):
    with pytest.raises(ValueError, match="no method.*token_flow.*flow_edit"):
        run(clip, pipe, method)


def test_two_of_one_kind_do_not_go_together():
    for method in ("paper + flow_edit", "first_frame + all_frames", "grid_shuffle + token_flow"):
        with pytest.raises(ValueError, match="cannot be joined"):
            recipe(method)


def test_settings_reach_the_part_that_has_them_and_no_other_is_taken(pipe, clip):
    one, two = (run(clip, pipe, "flow_edit", settings={"draws": draws}) for draws in (1, 2))
    assert not torch.equal(one.clip.frames, two.clip.frames)
    with pytest.raises(ValueError, match="no part.*'pulls'.*draws"):
        run(clip, pipe, "flow_edit + first_frame", settings={"pulls": 1})


def test_methods_that_invert_nothing_still_say_what_they_lose(pipe, clip):
    result = run(clip, pipe, "flow_edit", reconstruct=True)
    assert result.inverted is None and result.reconstruction is not None
    assert result.metrics["reconstruction"]["source_psnr"] > 30


# Chunks, one frame, no flow


@pytest.mark.parametrize("name", [n for n in SPLIT if n not in ("grid_shuffle", "merged_tokens")])
def test_chunks_change_nothing_but_where_they_are_what_a_frame_sees(tiny, name):
    whole, parts = (
        edited(tiny_task(tiny, chunk_size=size, n_steps=2, mask_threshold=0.15), name)
        for size in (4, 3)
    )
    assert (whole - parts).abs().max() < 1e-4


def test_chunks_change_nothing_in_the_default_s_frames(embedded, clip):
    whole, parts = (
        run(clip, embedded, DEFAULT_METHOD, chunk_size=size, decode_chunk_size=size)
        for size in (4, 3)
    )
    assert (whole.clip.frames - parts.clip.frames).abs().max() < 1e-4


@pytest.mark.filterwarnings("ignore:the model itself")
@pytest.mark.parametrize("name", SPLIT)
def test_of_a_long_clip_a_chunk_is_in_the_unet_once_with_each_text(tiny, name):
    task, sizes = sized_task(tiny, (SIDE, SIDE), n_frames=12), []
    handle = tiny.unet.register_forward_pre_hook(lambda _, given: sizes.append(given[0].numel()))
    edited(replace(task, chunk_size=4, n_steps=1, mask_threshold=0.15), name, tries=1)
    handle.remove()
    assert max(sizes) == 2 * 4 * task.latents[0].numel()


@pytest.mark.parametrize("name", [n for n in NAMES if METHODS[n].reach in ("clip", "chunk")])
def test_a_chunk_that_splits_what_a_method_needs_is_refused_before_the_work(pipe, clip, name):
    size = 1 if name == "merged_tokens" else 3
    handle = pipe.unet.register_forward_pre_hook(lambda *_: pytest.fail("the UNet ran"))
    with handle, pytest.raises(ValueError, match=r"chunk_size is [13]; give chunk_size=[24]"):
        run(clip, pipe, name, chunk_size=size, finetune_steps=2)


@pytest.mark.parametrize("name", LINKS)
def test_the_reach_in_the_table_is_that_of_the_attention(tiny, name):
    attention = linked(tiny_task(tiny), name).attention
    assert attention is None or attention.reach == METHODS[name].reach


def test_the_help_of_chunk_says_what_each_reach_asks_for():
    parser = ArgumentParser()
    add_arguments(parser)
    (told,) = [action.help for action in parser._actions if action.dest == "chunk"]
    assert {method.reach for method in METHODS.values()} <= set(re.findall(r"\w+", told))


@pytest.mark.parametrize("name", [n for n in NAMES if METHODS[n].needs_flow])
def test_a_clip_without_flow_is_followed_by_an_estimate(pipe, clip, name):
    bare = replace(clip, flow=None, occlusion=None)
    result = run(bare, pipe, name, n_steps=1)
    assert "estimated_warping_error" in result.metrics["edit"]
    guessed = run(with_estimated_motion(bare), pipe, name, n_steps=1)
    assert torch.equal(result.clip.frames, guessed.clip.frames)


@pytest.mark.parametrize("name", [n for n in LINKS if METHODS[n].needs_flow])
def test_a_task_without_motion_is_told_how_to_get_one(tiny, name):
    with pytest.raises(ValueError, match="Motion.of"):
        linked(tiny_task(tiny, motion=None), name)


def test_a_clip_too_small_for_an_estimate_is_told_what_to_do(pipe, clip):
    small = replace(Clip(clip.frames[..., ::8, ::8].contiguous(), 8), caption=clip.caption)
    with pytest.raises(ValueError, match="optical flow.*flow="):
        run(small, pipe, "latent_flow")


@pytest.mark.parametrize("name", NAMES)
def test_a_single_frame_is_refused(pipe, clip, name):
    with pytest.raises(ValueError, match="2 or more"):
        run(clip[:1], pipe, name)


# By hand


def test_attending_puts_the_processors_back_also_after_an_error(tiny):
    before = tiny.unet.attn_processors
    attention = linked(tiny_task(tiny), "injected_features").attention
    with pytest.raises(RuntimeError), attending(tiny.unet, attention):
        assert self_attention_layers(tiny.unet)[0].processor is attention
        raise RuntimeError
    assert tiny.unet.attn_processors == before
    assert not any(module._forward_hooks for module in tiny.unet.modules())


def test_a_batch_that_is_no_multiple_of_the_frames_is_refused(tiny):
    attention = methods.FrameAttention(n_frames=4)
    with attending(tiny.unet, attention), pytest.raises(ValueError, match="6 images.*4 frames"):
        tiny.unet(random(6, 4, SIDE, SIDE, seed=0), 10, random(6, 5, 16, seed=1))


def test_the_base_attention_is_plain_attention(tiny):
    inputs = random(4, 4, SIDE, SIDE, seed=0), 10, random(4, 5, 16, seed=1)
    plain = tiny.unet(*inputs).sample
    with attending(tiny.unet, methods.FrameAttention(n_frames=4)):
        assert torch.allclose(tiny.unet(*inputs).sample, plain, atol=1e-5)


# Motion


def test_the_flow_back_undoes_the_flow():
    flow = torch.tensor([1.25, -2.0])[:, None, None].expand(1, 2, 8, 8)
    backward, new = reverse_flow(flow, torch.zeros(1, 1, 8, 8))
    arrived = new < 0.5
    assert torch.allclose(backward[arrived.expand(-1, 2, -1, -1)].view(2, -1), -flow[0, :, :1, 0])
    assert new[0, 0, -1].all() and new[0, 0, 0, 2:].sum() == 0


def test_a_rendered_scene_is_carried_back_and_forth_where_it_is_seen():
    clip = render(Scene(), n_frames=3)
    motion = Motion.of(clip, clip.size)
    error = (warp(clip.frames[:-1], motion.backward) - clip.frames[1:]).abs() * (motion.new < 0.1)
    assert error.mean() < 0.3 * (clip.frames[:-1] - clip.frames[1:]).abs().mean()


def test_motion_on_a_coarser_grid_is_in_its_cells():
    flow, share = torch.full((2, 2, 64, 64), 4.0), torch.ones(2, 1, 64, 64)
    motion = Motion(flow, -flow, share, share)
    assert torch.equal(motion.at((16, 16)).forward, torch.ones(2, 2, 16, 16))
    assert motion.on_grid_of(64).forward.shape == (2, 2, 8, 8)
    with pytest.raises(ValueError, match="no coarser grid"):
        motion.on_grid_of(65)


@pytest.mark.parametrize(
    ("size", "levels"),
    [((14, 14), [(7, 7), (4, 4), (2, 2)]), ((16, 29), [(8, 15), (4, 8)]), ((27, 5), [(14, 3)])],
)
def test_a_grid_is_halved_as_a_convolution_of_stride_2_does_it(size, levels):
    flow, share = torch.full((1, 2, *size), 8.0), torch.zeros(1, 1, *size)
    motion, stride = Motion(flow, -flow, share, share), 1
    for height, width in levels:
        stride *= 2
        coarse = motion.on_grid_of(height * width)
        assert torch.equal(coarse.forward, torch.full((1, 2, height, width), 8.0 / stride))


def test_displacements_add_up_along_the_way():
    share = torch.zeros(3, 1, SIDE, SIDE)
    flow = torch.ones(3, 2, SIDE, SIDE)
    places = Motion(flow, -flow, share, share).displacements(1)
    assert places[:, 0, 0, 0].tolist() == [-1.0, 0.0, 1.0, 2.0]

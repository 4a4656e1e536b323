"""Links between frames: what each must do on frames that are equal, and what makes it itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from method_tasks import (
    N_FRAMES,
    SIDE,
    edited,
    frozen_latents,
    linked,
    random,
    sized_task,
    still_motion,
    tiny_pipe,
    tiny_task,
)

from course.clips import Scene, render
from course.editing import edit
from course.methods import Motion, attending
from course.methods.frame_attention import attention, self_attention_layers
from course.methods.grid_shuffle import from_grids, shuffled, to_grids
from course.methods.latent_flow import along_flow
from course.methods.merged_tokens import MergedTokens, merge
from course.methods.token_flow import TokenFlow, neighbours

ATTENTIONS = (
    "first_frame", "anchor_and_previous", "all_frames", "flow_attention", "warped_tokens",
    "token_flow", "merged_tokens", "injected_features",
)  # fmt: skip


@pytest.fixture(scope="module")
def pipe():
    return tiny_pipe()


@pytest.fixture(scope="module")
def layer(pipe):
    return self_attention_layers(pipe.unet)[0]


def predicted(task, latents, guidance, source=None):
    source = latents if source is None else source
    predict = task.predictor("target", guidance=guidance, source_at=lambda timestep: source)
    return predict(latents, 751)  # the first of four steps


def states(seed: int = 0, groups: int = 1) -> torch.Tensor:
    return random(groups, N_FRAMES, SIDE * SIDE, 32, seed=seed)


# Frames that are equal


@pytest.mark.parametrize("size", [(SIDE, SIDE), (7, 9)])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("name", [n for n in ATTENTIONS if n != "injected_features"])
def test_on_equal_frames_all_attention_is_plain_attention(pipe, name, guidance, size):
    task, latents = sized_task(pipe, size), frozen_latents(size)
    # A token that was merged counts once, so only where all are merged do all count alike.
    other = linked(task, name, **({"ratio": 1.0} if name == "merged_tokens" else {}))
    plain, other = (predicted(each, latents, guidance) for each in (task, other))
    assert torch.allclose(plain, other, atol=1e-4)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("name", ATTENTIONS)
def test_on_different_frames_it_is_not(pipe, name, guidance):
    task = tiny_task(pipe)
    plain, other = (
        predicted(each, task.latents, guidance, source=task.latents.flip(0))
        for each in (task, linked(task, name))
    )
    assert not torch.allclose(plain, other, atol=1e-3)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("sampler", ["paper", "shared_noise", "edit_friendly", "flow_edit"])
@pytest.mark.parametrize("link", ["latent_flow", "flow_attention", "warped_tokens"])
def test_no_flow_on_a_frozen_clip_changes_nothing_of_an_edit(pipe, link, sampler, guidance):
    alone, both = (
        edited(tiny_task(pipe, latents=frozen_latents(), guidance=guidance, skip=1), name)
        for name in (sampler, f"{sampler} + {link}")
    )
    assert torch.allclose(alone, both, atol=1e-4)


def test_x_0_along_no_flow_on_a_frozen_clip_stays():
    latents = frozen_latents()
    assert torch.allclose(along_flow(latents, still_motion()), latents, atol=1e-6)


# Who looks at whom


@pytest.mark.parametrize(
    ("name", "seen"),
    [("first_frame", [0]), ("anchor_and_previous", [0, 1]), ("all_frames", [0, 1, 2, 3]),
     ("warped_tokens", [1, 2])],
)  # fmt: skip
def test_frame_2_depends_on_just_the_frames_it_looks_at(pipe, layer, name, seen):
    attention = linked(tiny_task(pipe), name).attention

    def frame_2(changed: int) -> torch.Tensor:
        hidden = states()
        hidden[:, changed] = states(seed=9)[:, changed]
        queries = states()[:, 2]  # with its own queries held
        return attention.attend(layer, hidden)[:, 2], queries

    base = attention.attend(layer, states())[:, 2]
    moved = [t for t in range(N_FRAMES) if not torch.allclose(frame_2(t)[0], base, atol=1e-6)]
    assert set(moved) == {*seen, 2}  # frame 2 always asks


def test_warped_tokens_come_from_where_the_flow_points(pipe, layer):
    right = torch.zeros(3, 2, SIDE, SIDE)
    right[:, 0] = 1.0
    seen = torch.zeros(3, 1, SIDE, SIDE)
    task = tiny_task(pipe, motion=Motion(right, -right, seen, seen))
    hidden = states()
    context = linked(task, "warped_tokens").attention.context(layer, hidden)
    before = context[0, 2, SIDE * SIDE :].unflatten(0, (SIDE, SIDE))
    past = hidden[0, 1].unflatten(0, (SIDE, SIDE))
    assert torch.allclose(before[:, 1:], past[:, :-1], atol=1e-5)


def test_what_the_frame_before_did_not_show_is_the_frame_s_own(pipe, layer):
    still = still_motion()
    task = tiny_task(pipe, motion=replace(still, new=torch.ones_like(still.new)))
    context = linked(task, "warped_tokens").attention.context(layer, states())
    assert torch.allclose(context[:, :, : SIDE * SIDE], context[:, :, SIDE * SIDE :], atol=1e-6)


def test_a_hidden_path_leaves_a_token_to_the_dense_attention(pipe, layer):
    still = still_motion()
    gone = replace(still, lost=torch.ones_like(still.lost), new=torch.ones_like(still.new))
    flow = linked(tiny_task(pipe, motion=gone), "flow_attention").attention
    dense = linked(tiny_task(pipe), "all_frames").attention
    assert torch.allclose(flow.attend(layer, states()), dense.attend(layer, states()), atol=1e-5)


# TokenFlow


def edited_by_token_flow(
    layer, blend: str, groups: int = 1, of_source: int = 1
) -> tuple[TokenFlow, torch.Tensor, torch.Tensor]:
    tokens = TokenFlow(N_FRAMES, every=2, blend=blend, generator=torch.Generator().manual_seed(0))
    tokens.begin(slice(0, N_FRAMES), "source", 500)
    tokens.attend(layer, states(1, of_source))
    tokens.begin(slice(0, N_FRAMES), "edit", 500)
    chosen = states(0, groups)[:, tokens.keys].flatten(1, 2)
    own = attention(layer, chosen, chosen).unflatten(1, (len(tokens.keys), -1))
    return tokens, tokens.attend(layer, states(0, groups)), own


@pytest.mark.parametrize(("groups", "of_source"), [(1, 1), (2, 1), (2, 2)])
def test_a_key_frame_keeps_its_own_output_under_the_paper_s_blend(layer, groups, of_source):
    tokens, output, own = edited_by_token_flow(layer, "paper", groups, of_source)
    assert torch.allclose(output[:, tokens.keys], own, atol=1e-5)


def test_the_released_code_gives_a_key_frame_27_percent_of_its_neighbour(layer):
    tokens, output, own = edited_by_token_flow(layer, "code")
    assert not torch.allclose(output[:, tokens.keys[0]], own[:, 0], atol=1e-4)
    ((first, weight), (second, rest)) = neighbours([0, 4], 0, "code")
    assert (first, second) == (0, 1) and rest == pytest.approx(0.269, abs=1e-3)
    assert weight + rest == pytest.approx(1)


def test_the_blend_falls_with_distance_in_time():
    weights = [dict(neighbours([0, 4], frame))[0] for frame in range(4)]
    assert weights == [1.0, 0.75, 0.5, 0.25]
    assert neighbours([2, 4], 0) == [(0, 1.0)] and neighbours([2, 4], 5) == [(1, 1.0)]


def test_every_run_of_frames_gets_one_key_frame_anew(pipe):
    tokens = linked(tiny_task(pipe), "token_flow", every=2).attention
    drawn = []
    for _ in range(20):
        tokens.begin(slice(0, N_FRAMES), "source", 500)
        drawn.append(tuple(tokens.keys))
    assert all(a in (0, 1) and b in (2, 3) for a, b in drawn) and len(set(drawn)) == 4


@pytest.mark.parametrize("settings", [{"blend": "mean"}, {"every": 0}])
def test_token_flow_refuses_what_it_does_not_know(pipe, settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        linked(tiny_task(pipe), "token_flow", **settings)


# Grids


def test_grids_cut_apart_are_the_frames():
    frames = random(8, 4, 3, 5, seed=0)
    grids = to_grids(frames, 2)
    assert grids.shape == (2, 4, 6, 10) and torch.equal(grids[0, :, 3:, 5:], frames[3])
    assert torch.equal(from_grids(grids, 2), frames)


@pytest.mark.parametrize("n_frames", [8, 6, 3])
def test_the_shuffle_undone_is_the_identity(n_frames):
    frames = random(n_frames, 4, 3, 5, seed=0)
    predict = shuffled(lambda grids, timestep: grids, 8, generator=torch.Generator().manual_seed(0))
    for _ in range(5):
        assert torch.equal(predict(frames, 0), frames)


def test_a_grid_holds_different_frames_in_different_steps():
    seen = []
    predict = shuffled(
        lambda grids, timestep: seen.append(grids[0, 0].tolist()) or grids,
        8,
        generator=torch.Generator().manual_seed(0),
    )
    for _ in range(5):
        predict(torch.arange(8.0).view(8, 1, 1, 1), 0)
    assert len({str(grid) for grid in seen}) > 1


def test_no_more_frames_than_a_chunk_are_in_flight_and_a_grid_is_not_split():
    sizes = []
    shuffled(lambda grids, timestep: sizes.append(len(grids)) or grids, 5)(
        random(8, 1, 2, 2, seed=0), 0
    )
    assert sizes == [1, 1]
    with pytest.raises(ValueError, match="4 frames.*chunk_size is 3"):
        shuffled(lambda grids, timestep: grids, 3)


def test_a_grid_refuses_tokens_of_single_frames(pipe):
    task = tiny_task(pipe, tokens=lambda text, frames: text)
    with pytest.raises(ValueError, match="grid_shuffle"):
        linked(task, "grid_shuffle").predictor("target")


# Merged tokens


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_merging_none_changes_nothing(pipe, guidance):
    task = tiny_task(pipe)
    tasks = task, linked(task, "merged_tokens", ratio=0.0)
    plain, without = (predicted(each, task.latents, guidance) for each in tasks)
    assert torch.allclose(plain, without, atol=1e-5)


def test_a_chunk_of_one_frame_has_nothing_to_merge_and_is_refused(pipe):
    alone = tiny_task(pipe, chunk_size=1)
    with pytest.raises(ValueError, match="chunk_size is 1.*give chunk_size=2 or more"):
        linked(alone, "merged_tokens")
    assert linked(alone, "merged_tokens", ratio=0.0).attention is not None


def test_merged_tokens_share_one_output_and_kept_ones_are_untouched():
    tokens = states()
    merged, back = merge(tokens, target=1, ratio=0.5)
    assert merged.shape[1] == 2.5 * SIDE * SIDE
    counts = back[0].bincount(minlength=merged.shape[1])
    alone = (counts[back[0]] == 1).nonzero()[:, 0]
    assert torch.allclose(merged[0, back[0, alone]], tokens.flatten(1, 2)[0, alone])
    shared = counts.argmax()
    mean = tokens.flatten(1, 2)[0, back[0] == shared].mean(0)
    assert torch.allclose(merged[0, shared], mean, atol=1e-6)


def test_equal_tokens_are_merged_with_each_other():
    tokens = states()[:, :1].expand(-1, N_FRAMES, -1, -1)
    merged, back = merge(tokens, target=2, ratio=1.0)
    assert torch.allclose(merged[:, back[0]].unflatten(1, (N_FRAMES, -1)), tokens, atol=1e-5)


@pytest.mark.parametrize("ratio", [-0.1, 1.1])
def test_a_ratio_is_a_share(ratio):
    with pytest.raises(ValueError, match="ratio"):
        MergedTokens(4, ratio=ratio)


# Injection


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_injection_with_the_source_prompt_as_target_changes_nothing(pipe, guidance):
    task = tiny_task(pipe)
    texts = task.texts._replace(target=task.texts.source, empty=task.texts.source)
    plain = replace(task, texts=texts)
    other = linked(plain, "injected_features", share=1.0)
    before, after = (predicted(t, task.latents, guidance) for t in (plain, other))
    assert torch.allclose(before, after, atol=1e-5)


def test_the_source_prompt_as_target_reconstructs(embedded):
    clip = render(Scene(), n_frames=2)
    options = {"n_steps": 10, "skip": 0, "guidance": 1.0, "mask_threshold": None}
    options |= {"finetune_steps": 0, "baselines": False, "reconstruct": False, "progress": False}

    def quality(method: str, **settings: object) -> float:
        same = edit(clip, clip.caption, clip.caption, pipe=embedded, method=method,
                    settings=settings, **options)  # fmt: skip
        return same.metrics["edit"]["source_psnr"]

    assert quality("injected_features", share=1.0) > max(quality("paper"), 25)


def test_injection_ends_after_its_share_of_the_steps(pipe):
    attention = linked(tiny_task(pipe), "injected_features", share=0.5).attention
    modes = []
    for timestep, _ in tiny_task(pipe).pairs():
        attention.begin(slice(0, 4), "edit", timestep)
        modes.append(attention.mode)
    assert modes == ["edit", "edit", "plain", "plain"]
    with attending(pipe.unet, linked(tiny_task(pipe), "injected_features").attention):
        assert any(module._forward_hooks for module in pipe.unet.modules())


def test_the_source_goes_through_the_unet_once_a_step(pipe):
    task, calls = linked(tiny_task(pipe), "injected_features"), []
    handle = pipe.unet.register_forward_hook(lambda *given: calls.append(1))
    try:
        task.pair(3.0)(task.latents, task.latents, 751)
        assert len(calls) == 2
        predicted(task, task.latents, 3.0)
        assert len(calls) == 4
    finally:
        handle.remove()


@pytest.mark.parametrize("name", ["injected_features", "latent_flow"])
def test_a_share_of_the_steps_is_a_share(pipe, name):
    with pytest.raises(ValueError, match="share"):
        linked(tiny_task(pipe), name, share=1.5)


# Flow on x_0


def test_x_0_is_averaged_along_the_flow_and_not_across_it():
    column = torch.arange(float(SIDE)).expand(1, 1, SIDE, SIDE)
    clip = torch.cat([column - t for t in range(N_FRAMES)])  # moves one cell a frame
    right = torch.zeros(3, 2, SIDE, SIDE)
    right[:, 0] = 1.0
    share = torch.zeros(3, 1, SIDE, SIDE)
    along = along_flow(clip, Motion(right, -right, share, share))
    inside = slice(3, -3)
    assert torch.allclose(along[..., inside], clip[..., inside], atol=1e-5)
    across = along_flow(clip, still_motion())
    assert not torch.allclose(across[0][..., inside], clip[0][..., inside], atol=0.1)


def test_what_cannot_be_seen_does_not_count():
    clip, still = random(N_FRAMES, 4, SIDE, SIDE, seed=0), still_motion()
    hidden = replace(still, lost=torch.ones_like(still.lost), new=torch.ones_like(still.new))
    assert torch.allclose(along_flow(clip, hidden), clip)
    with pytest.raises(ValueError, match="strength"):
        along_flow(clip, still, strength=-1)

"""The edit as a whole, on the embedded model with few steps: parts, figures, errors, tidiness."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from course import models
from course.adapters import TOKENS_FILE, add_lora, has_adapter, remove_lora, save_adapter
from course.clips import Clip, Scene, read_clip, render
from course.editing import Edit, edit
from course.methods import DEFAULT_METHOD
from course.methods.masking import difference_mask
from course.metrics import TRUTH_COLUMNS, psnr
from course.tokens import PromptTokens

SOURCE = "a red circle moving right on a blue background"
TARGET = "a green star moving right on a blue background"


@pytest.fixture(scope="module")
def clip() -> Clip:
    return render(Scene(), n_frames=4)


def quick(clip: Clip, pipe, target: str = TARGET, **options) -> Edit:
    defaults = {"n_steps": 4, "skip": 0, "finetune_steps": 0, "baselines": False, "progress": False}
    defaults["method"] = "paper"
    return edit(clip, SOURCE, target, pipe=pipe, **(defaults | options))


@pytest.fixture(scope="module")
def full(embedded, clip) -> Edit:
    return quick(clip, embedded, finetune_steps=2, n_shared=1, n_frame=1, baselines=True)


@pytest.fixture(scope="module")
def plain(embedded, clip) -> Edit:
    return quick(clip, embedded)


def test_an_edit_has_the_shape_and_rate_of_its_source(full, clip):
    assert full.clip.frames.shape == clip.frames.shape and full.clip.fps == clip.fps
    assert full.inverted.shape == (4, 4, 16, 16) and full.clip.caption == TARGET
    assert full.clip.frames.min() >= 0 and full.clip.frames.max() <= 1


def test_every_baseline_is_measured_like_the_edit(full):
    rows = {"source", "edit", "reconstruction", "VAE round trip", "no adapter", "frame by frame"}
    assert set(full.metrics) == rows | {"frozen clip"}
    assert len({tuple(row) for row in full.metrics.values()}) == 1


def test_the_frozen_clip_wins_every_figure_of_similarity(full):
    frozen = full.metrics["frozen clip"]
    assert frozen["temporal_loss"] <= min(row["temporal_loss"] for row in full.metrics.values())
    assert frozen["similarity_min"] == pytest.approx(1.0)


def test_the_metrics_are_those_of_the_clips(full, clip):
    expected = psnr(full.clip.frames, clip.frames).item()
    assert full.metrics["edit"]["source_psnr"] == pytest.approx(expected)


def test_fine_tuning_leaves_the_pipeline_as_it_was(full, pipe):
    assert len(full.training) == 2 and not has_adapter(pipe.unet)
    assert not any(weight.requires_grad for weight in pipe.unet.parameters())


def test_the_same_seed_gives_the_same_edit(pipe, clip):
    options = {"finetune_steps": 2, "n_steps": 2, "reconstruct": False}
    first, second = (quick(clip, pipe, **options).clip.frames for _ in range(2))
    assert torch.equal(first, second)


def test_chunks_do_not_change_the_result(plain, pipe, clip):
    parts = quick(clip, pipe, chunk_size=3, reconstruct=False)
    assert torch.allclose(plain.clip.frames, parts.clip.frames, atol=1e-4)


def test_refinement_reconstructs_better(plain, pipe, clip):
    results = plain, quick(clip, pipe, refine=2)
    before, refined = (result.metrics["reconstruction"]["source_psnr"] for result in results)
    assert refined > before


def test_skipping_noisy_steps_stays_nearer_to_the_source(plain, pipe, clip):
    results = plain, quick(clip, pipe, skip=3, reconstruct=False)
    before, skipped = (result.metrics["edit"]["source_psnr"] for result in results)
    assert skipped > before


def test_outside_the_mask_the_latents_are_the_source_s_own(pipe, clip):
    lean = {"reconstruct": False}
    masked, free = (quick(clip, pipe, mask_threshold=value, **lean) for value in (0.15, None))
    outside = torch.nn.functional.interpolate(masked.mask, scale_factor=4).eq(0).float()
    assert 0.1 < outside.mean() < 0.99 and free.mask is None
    errors = [psnr(each.clip.frames, clip.frames, outside) for each in (masked, free)]
    assert errors[0] > errors[1]


def test_prompts_that_agree_change_nothing(pipe, clip):
    same = quick(clip, pipe, target=SOURCE, mask_threshold=0.0, reconstruct=False)
    assert same.mask.sum() == 0
    latents = models.encode_frames(pipe, clip.frames)
    assert torch.equal(same.clip.frames, models.decode_latents(pipe, latents))


def test_a_mask_marks_the_cells_of_large_difference():
    differences = torch.tensor([[1.0, 0.1], [0.2, 0.05]]).expand(2, 3, 2, 2)
    expected = torch.tensor([[1.0, 0.0], [1.0, 0.0]]).expand(2, 1, 2, 2)
    assert torch.equal(difference_mask(differences, 0.15), expected)


@pytest.mark.parametrize("threshold", [-0.1, 1.0])
def test_a_mask_wants_a_share(pipe, clip, threshold):
    with pytest.raises(ValueError, match="mask_threshold"):
        quick(clip, pipe, mask_threshold=threshold)


def test_the_reconstruction_can_be_left_out(pipe, clip, tmp_path):
    lean = quick(clip, pipe, reconstruct=False, n_steps=2)
    assert lean.reconstruction is None and set(lean.metrics) == {"source", "edit"}
    assert "reconstruction" not in lean.save(tmp_path / "out.mp4") and lean.sheet()


def test_a_filter_sees_every_step(pipe, clip):
    seen = []
    quick(clip, pipe, latent_filter=lambda x: seen.append(len(x)) or x)
    assert seen == [4] * 12  # inversion, edit and reconstruction of 4 steps each


def test_a_saved_adapter_is_used_and_taken_out_again(plain, pipe, clip, tmp_path):
    add_lora(pipe.unet)
    with torch.no_grad():
        for name, weight in pipe.unet.named_parameters():
            if "lora_B" in name:
                weight.fill_(0.2)
    save_adapter(tmp_path, pipe.unet)
    remove_lora(pipe.unet)
    adapted = quick(clip, pipe, adapter=tmp_path, reconstruct=False)
    assert not torch.allclose(adapted.clip.frames, plain.clip.frames)
    assert not has_adapter(pipe.unet)


def test_saved_tokens_are_used_with_or_without_an_adapter(plain, pipe, clip, tmp_path):
    tokens = PromptTokens(1, 1, pipe.text_encoder.config.hidden_size, clip.n_frames)
    with torch.no_grad():
        tokens.shared.fill_(1.0)
    tokens.save(tmp_path / TOKENS_FILE)
    steered = quick(clip, pipe, adapter=tmp_path, reconstruct=False)
    assert not torch.allclose(steered.clip.frames, plain.clip.frames)
    with pytest.raises(ValueError, match="4 frames and the clip has 3"):
        quick(clip[:3], pipe, adapter=tmp_path)


def test_a_failing_edit_leaves_no_adapter_behind(pipe, clip):
    def broken(latents):
        raise RuntimeError("filter")

    with pytest.raises(RuntimeError, match="filter"):
        quick(clip, pipe, finetune_steps=1, latent_filter=broken)
    assert not has_adapter(pipe.unet)


def test_unknown_words_stop_the_edit_before_any_work(pipe, clip):
    assert "star" in pipe.tokenizer.init_kwargs["words"]
    with pytest.raises(ValueError, match="zebra.*knows"):
        quick(clip, pipe, target="a green zebra on a blue background")


def test_a_single_frame_is_refused(pipe, clip):
    with pytest.raises(ValueError, match="2 or more"):
        quick(clip[:1], pipe)


def test_footage_has_an_estimated_error_that_says_so_and_no_column_of_what_is_unknown(pipe, clip):
    bare = replace(clip, flow=None, occlusion=None, mask=None, depth=None)
    result = quick(bare, pipe, n_steps=2)
    assert result.metrics["edit"]["estimated_warping_error"] > 0
    assert "warping error (estimated flow)" in result.table()
    assert "background PSNR" not in result.table() and "warping_error" not in result.metrics["edit"]


def test_against_the_true_target_every_clip_has_its_figures_and_a_ceiling(full, embedded):
    target = render(Scene(shape="star", colour="green"), n_frames=4)
    metrics = full.against(target, embedded).metrics
    assert set(metrics) - set(full.metrics) == {"true target", "true target, VAE round trip"}
    assert all(set(TRUTH_COLUMNS) <= set(row) for row in metrics.values())
    ceiling = metrics["true target, VAE round trip"]
    assert ceiling["target_psnr"] > max(metrics[row]["target_psnr"] for row in full.metrics)
    assert ceiling["warping_ratio"] == pytest.approx(1)


def test_a_true_target_adds_nothing_but_columns_and_rows(full, embedded, tmp_path):
    judged = full.against(render(Scene(shape="star", colour="green"), n_frames=4), embedded)
    kept = {name: judged.metrics["edit"][name] for name in full.metrics["edit"]}
    assert kept == full.metrics["edit"] and judged.save(tmp_path / "out.mp4")


def test_the_table_shows_the_columns_that_are_asked_for(full):
    assert full.table("warping_error").splitlines()[0] == "| clip | warping error |"


def test_everything_is_written_and_reads_back(full, tmp_path):
    files = full.save(tmp_path / "out.mp4")
    assert all(file.stat().st_size > 0 for file in files.values())
    assert json.loads(files["json"].read_text())["metrics"] == full.metrics
    assert read_clip(files["clip"]).n_frames == 4
    assert set(tmp_path.iterdir()) == set(files.values())


# -- what is not finite


def spoilt(tensor: torch.Tensor) -> torch.Tensor:
    return torch.full_like(tensor, torch.nan)


def test_a_filter_that_returns_nan_is_named_at_its_first_step(pipe, clip):
    with pytest.raises(ValueError, match="stage 'invert', step 1: what latent_filter returns hold"):
        quick(clip, pipe, latent_filter=spoilt)


@pytest.mark.parametrize("guidance", [float("nan"), float("inf")])
def test_guidance_is_a_finite_number(pipe, clip, guidance):
    with pytest.raises(ValueError, match="guidance: .*finite"):
        quick(clip, pipe, guidance=guidance)


@pytest.mark.parametrize("method", ["paper", DEFAULT_METHOD, "grid_shuffle"])
def test_a_guidance_that_overflows_is_named_with_the_stage(pipe, clip, method):
    options = {"method": method, "guidance": 1e38, "mask_threshold": None}
    with pytest.raises(ValueError, match="stage 'edit', step .*take a guidance below 1e[+]38"):
        quick(clip, pipe, **options)


def test_an_adapter_that_overflows_is_named(pipe, clip):
    for weight in add_lora(pipe.unet):
        weight.data.fill_(1e30)
    with pytest.raises(ValueError, match="stage 'invert'.*edit without the adapter"):
        quick(clip, pipe)


@pytest.mark.parametrize(
    ("part", "where"),
    [("encoder", "stage 'encode'.*latents of the clip"), ("decoder", "stage 'decode'.*frames of")],
)
def test_an_autoencoder_that_overflows_is_named(pipe, clip, part, where):
    def overflow(module, inputs, output):
        return spoilt(output)

    handle = getattr(pipe.vae, part).register_forward_hook(overflow)
    try:
        with pytest.raises(ValueError, match=f"{where}.*pipe.vae.to"):
            quick(clip, pipe)
    finally:
        handle.remove()


def test_a_scheduler_that_cannot_be_followed_stops_the_edit_before_any_work(pipe, clip):
    from diffusers import EulerDiscreteScheduler

    own, pipe.scheduler = pipe.scheduler, EulerDiscreteScheduler()
    try:
        with pytest.raises(ValueError, match="EulerDiscreteScheduler.*DDIMScheduler.from_config"):
            quick(clip, pipe)
    finally:
        pipe.scheduler = own

"""Prompt tokens: the order and shape of Eq. 13, their gradients, and their file."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from course.diffusion import NoiseSchedule
from course.models import noise_predictor
from course.tokens import PromptTokens


@pytest.fixture
def tokens():
    return PromptTokens(n_shared=2, n_frame=3, dim=8, n_frames=4)


@pytest.fixture
def text():
    return torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(3))


def test_shared_tokens_come_first_then_frame_tokens_then_the_text(tokens, text):
    result = tokens(text)
    assert result.shape == (4, 2 + 3 + 5, 8)
    for t in range(4):
        assert torch.equal(result[t], torch.cat([tokens.shared, tokens.frame[t], text[0]]))


def test_each_frame_may_have_its_own_text(tokens):
    texts = torch.randn(4, 5, 8, generator=torch.Generator().manual_seed(3))
    assert torch.equal(tokens(texts)[:, 5:], texts)


@pytest.mark.parametrize("frames", [slice(1, 3), torch.tensor([1, 2])])
def test_a_part_of_the_frames_gets_its_own_tokens(tokens, text, frames):
    assert torch.equal(tokens(text, frames), tokens(text)[1:3])


def test_without_tokens_the_text_stays_as_it_is(text):
    assert torch.equal(PromptTokens(0, 0, 8, 4)(text), text.expand(4, -1, -1))


def test_tokens_start_small_and_are_drawn_from_the_generator():
    first, second, other = (
        PromptTokens(50, 5, 64, 10, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2)
    )
    assert torch.equal(first.shared, second.shared) and not torch.equal(first.frame, other.frame)
    assert first.frame.std().item() == pytest.approx(0.02, rel=0.1)


def test_a_frame_token_learns_from_its_frame_alone(tokens, text):
    tokens(text)[2].sum().backward()
    assert tokens.frame.grad[2].all() and not tokens.frame.grad[[0, 1, 3]].any()
    assert tokens.shared.grad.all()


def test_half_precision_text_keeps_trainable_tokens_in_float32(tokens, text):
    assert tokens(text.half()).dtype == torch.float16
    assert tokens.shared.dtype == tokens.frame.dtype == torch.float32


@pytest.fixture
def projected():
    features = torch.randn(4, 6, generator=torch.Generator().manual_seed(5))
    return PromptTokens(2, 3, 8, 4, features=features)


def test_projected_tokens_of_a_frame_are_one_linear_map_of_its_features(projected, text):
    weight, bias = projected.projection.weight, projected.projection.bias
    wanted = (projected.features @ weight.T + bias).view(4, 3, 8)
    torch.testing.assert_close(projected(text)[:, 2:5], wanted)
    torch.testing.assert_close(projected(text, slice(1, 3)), projected(text)[1:3])


def test_projected_tokens_start_as_small_as_free_ones():
    features = 100 * torch.randn(50, 20, generator=torch.Generator().manual_seed(5))
    tokens = PromptTokens(0, 4, 64, 50, features=features)
    assert tokens.frame_tokens().std().item() == pytest.approx(0.02, rel=0.1)


def test_frames_with_equal_features_get_equal_tokens(text):
    tokens = PromptTokens(1, 2, 8, 3, features=torch.ones(3, 5))
    torch.testing.assert_close(tokens(text)[0], tokens(text)[2])


def test_a_projection_is_trained_and_features_are_not(projected):
    names = {name for name, _ in projected.named_parameters()}
    assert names == {"shared", "projection.weight", "projection.bias"}


def test_projected_tokens_are_saved_as_plain_ones(projected, text, tmp_path):
    path = projected.save(tmp_path / "tokens.safetensors")
    torch.testing.assert_close(PromptTokens.from_file(path)(text), projected(text))
    with pytest.raises(ValueError, match="from_file"):
        projected.load(path)


@pytest.mark.parametrize("features", [torch.ones(3, 6), torch.ones(4), torch.zeros(4, 6)])
def test_features_that_describe_no_frames_are_refused(features):
    with pytest.raises(ValueError, match="features"):
        PromptTokens(2, 3, 8, 4, features=features)


def test_it_runs_on_the_meta_device(tokens, text):
    assert tokens.to("meta")(text.to("meta"), slice(0, 2)).shape == (2, 10, 8)


@pytest.mark.parametrize("sizes", [(2, 3), (0, 3), (2, 0), (0, 0)])
def test_saved_tokens_come_back(tmp_path, sizes):
    saved = PromptTokens(*sizes, 8, 4, generator=torch.Generator().manual_seed(7))
    saved.save(tmp_path / "tokens.safetensors")
    for found in (
        PromptTokens(*sizes, 8, 4).load(tmp_path / "tokens.safetensors"),
        PromptTokens.from_file(tmp_path / "tokens.safetensors"),
    ):
        assert torch.equal(found.shared, saved.shared) and torch.equal(found.frame, saved.frame)
        assert found.shared.requires_grad
    assert [p.name for p in tmp_path.iterdir()] == ["tokens.safetensors"]


@pytest.mark.parametrize("other", [(1, 3, 8, 4), (2, 1, 8, 4), (2, 3, 6, 4), (2, 3, 8, 5)])
def test_tokens_of_another_size_are_refused_and_change_nothing(tokens, tmp_path, other):
    path = PromptTokens(*other).save(tmp_path / "tokens.safetensors")
    before = tokens.shared.clone()
    with pytest.raises(ValueError, match="the shape of the (shared|frame) tokens here"):
        tokens.load(path)
    assert torch.equal(tokens.shared, before)


def test_files_that_hold_no_tokens_are_refused(tokens, tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        tokens.load(tmp_path / "missing")
    (tmp_path / "damaged").write_bytes(b"not tensors")
    with pytest.raises(ValueError, match="damaged"):
        tokens.load(tmp_path / "damaged")
    save_file({"weights": torch.zeros(2)}, tmp_path / "other")
    with pytest.raises(ValueError, match="does not hold prompt tokens"):
        tokens.load(tmp_path / "other")


@pytest.mark.parametrize(
    "sizes", [(-1, 0, 8, 4), (1, -1, 8, 4), (1, 1, 0, 4), (1, 1, 8, 0), (1.5, 1, 8, 4)]
)
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises((ValueError, TypeError), match="whole number"):
        PromptTokens(*sizes)


@pytest.mark.parametrize("shape", [(5, 8), (3, 5, 8), (1, 5, 7)])
def test_text_of_another_shape_is_refused(tokens, shape):
    with pytest.raises(ValueError, match="text_tokens: shape"):
        tokens(torch.zeros(shape))


def test_a_single_index_is_refused(tokens, text):
    with pytest.raises(ValueError, match="slice or an index tensor"):
        tokens(text, 1)


def predictor_of(unet, tokens, text, **settings):
    """Return a noise predictor whose UNet sees the tokens before the text."""
    alphas = NoiseSchedule.stable_diffusion().alphas_cumprod
    scheduler = SimpleNamespace(alphas_cumprod=alphas, config={"prediction_type": "epsilon"})
    pipe = SimpleNamespace(unet=unet, scheduler=scheduler)
    return noise_predictor(pipe, tokens(text), **settings)


class SeenText(torch.nn.Module):
    """Stands for a UNet: keeps the text that it was given, and answers with zeros."""

    dtype = torch.float32

    def forward(self, latents, timestep, text):
        self.text = text
        return SimpleNamespace(sample=torch.zeros_like(latents))


def test_both_halves_of_guidance_see_the_same_tokens(tokens, text):
    unet, empty = SeenText(), torch.zeros(1, 5, 8)
    predict = predictor_of(unet, tokens, text, guidance=3.0, negative_text=tokens(empty))
    predict(torch.zeros(4, 4, 2, 2), 10)
    unconditional, conditional = unet.text.chunk(2)
    assert torch.equal(conditional, tokens(text))
    assert torch.equal(unconditional[:, :5], conditional[:, :5])
    assert not unconditional[:, 5:].any()


def test_the_prefix_is_the_same_at_all_timesteps(tokens, text):
    unet, seen = SeenText(), []
    predict = predictor_of(unet, tokens, text)
    for timestep in (1, 500, 981):
        predict(torch.zeros(4, 4, 2, 2), timestep)
        seen.append(unet.text)
    assert all(torch.equal(one, tokens(text)) for one in seen)


def test_guidance_with_tokens_on_one_half_alone_is_refused(tokens, text):
    with pytest.raises(ValueError, match="put prompt tokens on negative_text"):
        predictor_of(SeenText(), tokens, text, guidance=3.0, negative_text=text)


@pytest.mark.parametrize("heads", [1, 2])
def test_tokens_learn_through_any_unet_that_attends_to_text(tokens, text, heads):
    from diffusers import UNet2DConditionModel

    unet = UNet2DConditionModel(
        sample_size=4, in_channels=2, out_channels=2, layers_per_block=1, norm_num_groups=2,
        block_out_channels=(4,), down_block_types=("CrossAttnDownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D",), attention_head_dim=heads, cross_attention_dim=8,
    )  # fmt: skip
    latents = torch.randn(4, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    predictor_of(unet.requires_grad_(False), tokens, text)(latents, 10).square().sum().backward()
    assert tokens.shared.grad.abs().max() > 0 and tokens.frame.grad.flatten(1).any(1).all()

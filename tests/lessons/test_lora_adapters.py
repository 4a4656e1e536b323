"""Lesson 09: other right answers, more wrong ones, and what the figures draw."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from classroom.exercises import get, reference
from course.finetune.objective import two_times_loss
from lessons.lora_adapters.figures import (
    CHANGES,
    feature_map_figure,
    loss_and_gradient_figure,
    rank_errors,
    wanted_change,
)

# Right answers, written otherwise


def forward_with_linear(x: Tensor, w_0: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    low_rank = nn.functional.linear(nn.functional.linear(x, a), b)
    return nn.functional.linear(x, w_0) + low_rank * (alpha / a.shape[0])


def forward_by_einsum(x: Tensor, w_0: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    change = torch.einsum("or,ri,ni->no", b, a, x)
    return torch.einsum("oi,ni->no", w_0, x) + alpha * change / a.shape[0]


def forward_row_by_row(x: Tensor, w_0: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return torch.stack([(w_0 + alpha / len(a) * b @ a) @ row for row in x])


def merge_by_outer_products(w_0: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return w_0 + sum(torch.outer(b[:, k], a[k]) for k in range(len(a))) * alpha / len(a)


def merge_with_numpy(w_0: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    merged = w_0.numpy() + alpha / len(a) * (b.numpy() @ a.numpy())
    return torch.from_numpy(merged.astype(w_0.numpy().dtype))


def merge_by_running_the_layer(w_0: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    eye = torch.eye(w_0.shape[1], dtype=w_0.dtype)
    return forward_with_linear(eye, w_0, a, b, alpha).T


def best_with_roots(w_0: Tensor, w: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    left, values, right = torch.linalg.svd(w - w_0)
    root = values[:rank].sqrt()
    return left[:, :rank] * root, root[:, None] * right[:rank]


def best_by_projection(w_0: Tensor, w: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    change = (w - w_0).numpy()
    vectors = np.linalg.eigh(change.T @ change)[1][:, ::-1][:, :rank].copy()
    return torch.from_numpy(change @ vectors), torch.from_numpy(vectors.T.copy())


def collapse_through_one_number(w_0: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    k = int(x.abs().argmax())
    a = torch.zeros_like(x)
    a[k] = 1
    return -(w_0 @ x)[:, None] / x[k], a[None]


def collapse_with_unit_rows(w_0: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    unit = x / x.norm()
    return -(w_0 @ unit).unsqueeze(1), unit.unsqueeze(0)


def total_with_library(
    temporal: Tensor, noise: Tensor, predicted: Tensor, temporal_weight: float, noise_weight: float
) -> Tensor:
    diffusion = nn.functional.mse_loss(predicted, noise)
    return temporal.sum() / len(temporal) * temporal_weight + diffusion * noise_weight


def total_with_numpy(temporal: Tensor, noise: Tensor, predicted: Tensor, u: float, v: float):
    return float(u * temporal.numpy().mean() + v * ((noise - predicted).numpy() ** 2).mean())


def mended_with_course(early: Tensor, late: Tensor) -> tuple[Tensor, Tensor]:
    loss = two_times_loss(torch.cat([early, late]))
    loss.backward()
    return loss, early.grad


def mended_by_loop(early: Tensor, late: Tensor) -> tuple[Tensor, Tensor]:
    loss = 0
    for t in range(len(early) - 1):
        first, second = (
            (f[t] * f[t + 1]).sum() / (f[t].norm() * f[t + 1].norm()) for f in (early, late)
        )
        loss = loss + (first - second) ** 2 / (len(early) - 1)
    return loss, torch.autograd.grad(loss, early)[0]


ALTERNATIVES = {
    "lora_forward": [forward_with_linear, forward_by_einsum, forward_row_by_row],
    "merge_lora": [merge_by_outer_products, merge_with_numpy, merge_by_running_the_layer],
    "best_lora": [best_with_roots, best_by_projection],
    "collapse_adapter": [collapse_through_one_number, collapse_with_unit_rows],
    "total_loss": [total_with_library, total_with_numpy],
    "mend_the_loss": [mended_with_course, mended_by_loop],
}


# Wrong answers beyond the named ones


def forward_with_rank_over_alpha(x, w_0, a, b, alpha):
    return x @ w_0.T + len(a) / alpha * (x @ a.T @ b.T)


def forward_with_width_for_rank(x, w_0, a, b, alpha):
    return x @ w_0.T + alpha / a.shape[1] * (x @ a.T @ b.T)


def merge_elementwise(w_0, a, b, alpha):
    return w_0 * (1 + alpha / len(a) * (b @ a))


def best_from_first_columns(w_0, w, rank):
    return (w - w_0)[:, :rank], torch.eye(w_0.shape[1], dtype=w_0.dtype)[:rank]


def best_of_full_rank(w_0, w, rank):
    return w - w_0, torch.eye(w_0.shape[1], dtype=w_0.dtype)


def best_in_the_other_order(w_0, w, rank):
    return reference("best_lora")(w_0, w, rank)[::-1]


def collapse_along_a_random_row(w_0, x):
    return -(w_0 @ x)[:, None], torch.ones_like(x)[None]


def collapse_halfway(w_0, x):
    return -(w_0 @ x)[:, None] / 2, x[None] / x.square().sum()


def total_without_temporal(temporal, noise, predicted, u, v):
    return v * (noise - predicted).square().mean()


def total_with_root(temporal, noise, predicted, u, v):
    return u * temporal.mean() + v * (noise - predicted).square().mean().sqrt()


def mended_with_other_sign(early, late):
    loss, gradient = mended_by_loop(early, late)
    return loss, -gradient


def mended_with_gradient_of_the_late_time(early, late):
    return mended_by_loop(late, early)


def mended_as_one_long_clip(early, late):
    loss = (torch.cosine_similarity(early.flatten(), late.flatten(), dim=0) - 1) ** 2
    return loss, torch.autograd.grad(loss, early)[0]


WRONG = {
    "lora_forward": [forward_with_rank_over_alpha, forward_with_width_for_rank],
    "merge_lora": [merge_elementwise],
    "best_lora": [best_from_first_columns, best_of_full_rank, best_in_the_other_order],
    "collapse_adapter": [collapse_along_a_random_row, collapse_halfway],
    "total_loss": [total_without_temporal, total_with_root],
    "mend_the_loss": [
        mended_with_other_sign,
        mended_with_gradient_of_the_late_time,
        mended_as_one_long_clip,
    ],
}


# The references against the libraries and the course


def test_the_layer_is_that_of_peft():
    from peft import LoraConfig, inject_adapter_in_model

    for case in get("lora_forward").draws()[0]:
        x, w_0, a, b, alpha = case.arguments
        model = nn.Sequential(nn.Linear(w_0.shape[1], len(w_0), bias=False, dtype=x.dtype))
        model[0].weight.data = w_0
        config = LoraConfig(r=len(a), lora_alpha=alpha, target_modules=["0"])
        layer = inject_adapter_in_model(config, model)[0]
        layer.lora_A["default"].weight.data, layer.lora_B["default"].weight.data = a, b
        torch.testing.assert_close(layer(x), reference("lora_forward")(x, w_0, a, b, alpha))


def test_the_mended_loss_is_that_of_the_course():
    for case in itertools.chain(*get("mend_the_loss").draws()):
        features = torch.cat(case.arguments)
        value = reference("mend_the_loss")(*case.arguments)[0]
        torch.testing.assert_close(value, two_times_loss(features))


def test_a_cosine_of_single_numbers_has_values_but_no_gradient():
    wrong = {each.name: each.answer for each in get("mend_the_loss").misconceptions}
    values = []
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        early, late = torch.randn(2, 2, 6, 5, generator=generator, dtype=torch.float64)
        value, gradient = wrong["single_numbers"](early.requires_grad_(), late)
        assert gradient.abs().max() < 1e-12
        values.append(value.item())
    assert max(values) - min(values) > 0.3


# What the figures draw


@pytest.mark.parametrize("kind", CHANGES)
def test_no_adapter_beats_the_error_that_the_figure_draws(kind):
    change = wanted_change(kind)
    zero = torch.zeros_like(change)
    for rank, error in enumerate(rank_errors(change)):
        b, a = reference("best_lora")(zero, change, rank)
        assert (change - b @ a).norm().item() == pytest.approx(error.item(), abs=1e-12)


def test_three_directions_need_rank_three():
    errors = rank_errors(wanted_change("three directions"))
    assert errors[2] > 0.05
    assert errors[3] < 1e-12


def test_noise_at_the_break_even_rank_keeps_a_large_error():
    errors = rank_errors(wanted_change("noise"))
    assert errors[12] > 0.25 > 1e-3 > rank_errors(wanted_change("blur"))[12]


def test_an_unknown_change_is_named():
    with pytest.raises(ValueError, match="blur, three directions, noise, got 'fog'"):
        wanted_change("fog")


def test_a_map_shows_the_liveliest_channel_in_every_column_and_says_how_far_pairs_are_apart():
    features = torch.randn(16, 5, generator=torch.Generator().manual_seed(0))
    features[:, 3] *= 10
    figure = feature_map_figure({"block": {"f1": features, "f2": 1.5 * features}})
    first, second = (axes.images[0].get_array() for axes in figure.axes[:2])
    assert (first == features[:, 3].reshape(4, 4).numpy()).all()
    assert second.tolist() == (1.5 * features)[:, 3].reshape(4, 4).tolist()
    assert "1 by 2" in figure.get_label() and "block, channel 3: 50%" in figure.get_label()


def test_a_run_without_gradient_says_so():
    rows = [(1.0, 1.4, 0.0), (0.5, 1.2, 0.0)]
    assert "gradient at most 1e-9" in loss_and_gradient_figure({"broken": rows}).get_label()

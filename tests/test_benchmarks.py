"""The benchmarks' helpers: fair draws, honest counts, times that belong to the right job."""

from __future__ import annotations

from argparse import Namespace
from itertools import count

import pytest
import torch

from benchmarks.bilateral import COLUMNS as COLUMNS_PLAIN
from benchmarks.bilateral import COLUMNS_WITH_GRADIENT as COLUMNS_GRADIENT
from benchmarks.bilateral import known
from benchmarks.bilateral import row as filter_row
from benchmarks.cheap import frame_consistency
from benchmarks.edit import Setting, _finished, report
from benchmarks.edit_figures import (
    CEILING,
    COLUMNS,
    EDITED,
    PERFECT,
    adapter_effect,
    by_clip,
    by_kind,
    failures,
    goals,
    markdown,
    quality_rows,
    rank_correlations,
    text,
)
from benchmarks.scenes import KINDS, Swap, choices, draw_swaps
from benchmarks.speed import in_turn, peak_memory
from course.clips.grammar import BACKGROUNDS, COLOURS
from course.clips.scenes import Scene, render

RED = Swap(Scene(shape="circle", colour="red", background="blue"), "colour", "green")


def figures(seen_colours, *, warping=1.0, psnr=30.0, seen_shape="circle"):
    """What one clip of RED may have given; four frames."""
    seen = {"shape": [seen_shape] * 4, "colour": seen_colours, "background": ["blue"] * 4}
    values = dict.fromkeys(COLUMNS, 0.5) | {"warping_error": warping, "background_psnr": psnr}
    return {**values, "seen": seen}


@pytest.mark.parametrize("swap", draw_swaps(60), ids=lambda swap: swap.kind)
def test_a_swap_changes_one_word_of_the_caption_and_hides_nothing(swap):
    old, new = swap.scene.caption.split(), swap.target.caption.split()
    assert [b for a, b in zip(old, new) if a != b] == [swap.new] and len(old) == len(new)
    assert swap.target.colour != swap.target.background


def test_sixty_swaps_are_twenty_of_each_kind():
    kinds = [swap.kind for swap in draw_swaps(60)]
    assert {kind: kinds.count(kind) for kind in KINDS} == dict.fromkeys(KINDS, 20)


def test_a_longer_draw_begins_with_the_shorter_one():
    assert draw_swaps(9)[:6] == draw_swaps(6)


def test_swaps_keep_to_the_shapes_asked_for():
    swaps = draw_swaps(12, ("circle", "star"))
    assert {s.scene.shape for s in swaps} | {s.target.shape for s in swaps} == {"circle", "star"}


@pytest.mark.parametrize("shapes", [("circle",), ("circle", "cube"), ()])
def test_shapes_that_cannot_be_swapped_are_an_error(shapes):
    with pytest.raises(ValueError, match="choose two or more"):
        draw_swaps(3, shapes)


def test_every_word_but_the_taken_ones_can_be_asked_for():
    scene = Scene(colour="red", background="blue")
    assert set(choices(scene, "colour")) == set(COLOURS) - {"red", "blue"}
    assert set(choices(scene, "background")) == set(BACKGROUNDS) - {"blue"}


def test_shares_count_frames_and_the_asked_word_is_the_new_one():
    row = by_kind([RED], [{"edit": figures(["green", "green", "green", "red"])}])["colour"]
    assert row["asked"] == 75 and row["whole"] == 75
    assert row["kept"] == {"shape": 100, "background": 100}


def test_background_psnr_is_averaged_over_scenes_with_its_minimum():
    measured = [{"edit": figures(["green"] * 4, psnr=value)} for value in (20.0, 30.0)]
    row = by_kind([RED, RED], measured)["colour"]
    assert (row["psnr_mean"], row["psnr_min"]) == (25, 20)


def test_a_swapped_background_has_no_psnr():
    swap = Swap(RED.scene, "background", "gray")
    row = by_kind([swap], [{"edit": figures(["red"] * 4, psnr=None)}])["background"]
    assert row["psnr_mean"] is None and row["asked"] == 0


def test_the_warping_ratio_is_that_of_the_means():
    measured = [
        {"edit": figures([], warping=a), "frame by frame": figures([], warping=b)}
        for a, b in ((1.0, 2.0), (2.0, 10.0))
    ]
    table = by_clip(measured)
    assert table["edit"]["ratio"] == 0.25 and table["frame by frame"]["ratio"] == 1


def test_the_edit_comes_first_and_missing_figures_are_left_out_of_means():
    measured = [{PERFECT: figures([], psnr=None), "edit": figures([], psnr=p)} for p in (None, 9.0)]
    table = by_clip(measured)
    assert list(table) == ["edit", PERFECT] and table["edit"]["background_psnr"] == 9
    assert table[PERFECT]["background_psnr"] is None and table["edit"]["ratio"] is None


def test_a_lower_error_and_a_higher_psnr_are_better():
    pair = {
        "edit": figures([], warping=1.0, psnr=20.0),
        "no adapter": figures([], warping=2.0, psnr=30.0),
    }
    effect = adapter_effect([pair])
    assert effect["warping_error"]["better"] == 1 and effect["background_psnr"]["better"] == 0
    assert effect["similarity_mean"]["better"] == 0  # equal figures are no help


def test_without_an_adapter_there_is_no_effect():
    assert adapter_effect([{"edit": figures([])}]) == {}


def test_failures_name_what_was_seen_and_only_where_it_was_wrong():
    measured = [{"edit": figures(["green"] * 4)}, {"edit": figures(["green", "red"] * 2)}]
    (failure,) = failures([RED, RED], measured)
    assert failure["scene"] == 1 and failure["seen"] == {"colour": {"green": 2, "red": 2}}


def test_one_wrong_frame_in_four_misses_the_goal():
    for seen, met in ((["green"] * 4, True), (["green"] * 3 + ["red"], False)):
        measured = [{"edit": figures(seen)}]
        assert (
            goals(by_kind([RED], measured), by_clip(measured))[
                "colour swaps: asked attribute right in 95 % of frames"
            ]
            is met
        )


def test_scenes_that_stand_still_do_not_flatter_the_consistency():
    still = Swap(Scene(colour="red", background="blue", motion="still"), "colour", "green")
    measured = [{"edit": figures(["green"] * 4, warping=w)} for w in (3.0, 0.0)]
    entry = report(Setting(), 0, [RED, still], measured)
    assert entry["moving"] == 1 and entry["clips"]["edit"]["warping_error"] == 3
    assert entry["kinds"]["colour"]["scenes"] == 2


def test_the_report_shows_both_rows_of_an_adapter_and_the_prompts_that_failed():
    clip = figures(["green", "red"] * 2)
    entry = report(Setting(skip=3), 100, [RED], [{"edit": clip, "no adapter": clip}])
    _, rows = quality_rows([entry])
    assert [(row[2], row[5]) for row in rows] == [(3, "100 steps"), (3, "none")]
    assert RED.target.caption in text(entry) and "green x2, red x2" in text(entry)


def test_a_figure_that_ranks_as_the_truth_does_has_rank_one_whatever_its_sign():
    rows = [
        {"target_psnr": truth, "warping_error": error, "similarity_mean": -truth}
        for truth, error in ((10.0, 3.0), (20.0, 2.0), (30.0, 1.0))
    ]
    ranks = rank_correlations([dict(zip(EDITED, rows))])
    assert set(ranks["warping_error"].values()) == {1.0}  # a lower error is better
    assert set(ranks["similarity_mean"].values()) == {-1.0}
    assert set(ranks["temporal_loss"].values()) == {None}  # not measured


def test_floors_count_in_the_ranking_but_not_among_edited_clips():
    edited = [{"target_psnr": p, "similarity_mean": p / 40} for p in (20.0, 25.0, 30.0)]
    scene = dict(zip(EDITED, edited)) | {
        "frozen clip": {"target_psnr": 5.0, "similarity_mean": 1.0}
    }
    everything, within, only_edited = rank_correlations([scene])["similarity_mean"].values()
    assert everything == within < only_edited == 1


def test_the_report_prints_ceiling_floors_and_ranks(tmp_path):
    clip = figures(["green"] * 4)
    names = ("edit", "frame by frame", "source", "frozen clip", PERFECT, CEILING)
    shown = text(report(Setting(), 0, [RED], [dict.fromkeys(names, clip)]))
    assert CEILING in shown and "PSNR to the true target" in shown and "Spearman" in shown


def test_pooled_features_call_equal_frames_consistent(pipe):
    frames = render(RED.scene, n_frames=3).frames
    assert frame_consistency(pipe, frames[:1].expand(3, -1, -1, -1)).item() == pytest.approx(1)
    assert frame_consistency(pipe, torch.rand_like(frames)) < 1


def test_settings_are_named_as_the_arguments_of_edit():
    import inspect

    from course.editing import edit

    assert set(Setting._fields) <= set(inspect.signature(edit).parameters)


def test_a_table_shows_a_dash_for_what_is_not_known():
    assert markdown(["a", "b"], [["x", None]]).splitlines()[-1] == "| x | - |"


def test_every_job_runs_once_a_round_and_each_is_first_once():
    ran = []
    jobs = {name: lambda name=name: ran.append(name) for name in "abc"}
    in_turn(jobs, 3)
    assert "".join(ran) == "abcbcacab"


def test_seconds_belong_to_the_job_that_took_them():
    ticks = count()
    jobs = {"slow": lambda: [next(ticks) for _ in range(5)], "fast": lambda: None}
    assert in_turn(jobs, 2, clock=lambda: next(ticks)) == {"slow": [6, 6], "fast": [1, 1]}


def test_peak_memory_grows_with_a_large_block_and_is_in_mebibytes():
    before = peak_memory()
    block = bytearray(200 * 2**20)
    block[::4096] = b"x" * len(block[::4096])
    assert 0 <= peak_memory() - before < 260 and peak_memory() > 200


def test_an_interrupted_run_goes_on_from_its_log_and_no_other(tmp_path):
    given = {"model": "embedded", "steps": 25, "skip": [6], "guidance": [3.0], "refine": [0]}
    options = Namespace(**given, finetune=0, shapes=[], scenes=2, log=tmp_path / "log")
    assert _finished(options) == []
    with options.log.open("a") as log:
        log.write('[{"edit": {}}]\n')
    assert _finished(options) == [[{"edit": {}}]]
    options.finetune = 60
    with pytest.raises(ValueError, match="another --log"):
        _finished(options)


CASE = {
    "shape": (8, 4, 64, 64),
    "window": 9,
    "ms": {"ours": 4.0, "kornia": 10.0, "exponentials": 0.5, "moves": 1.5},
    "MiB": {"ours": 2.0, "kornia": 30.0},
}


@pytest.mark.parametrize(
    ("gradient", "columns"), [(False, COLUMNS_PLAIN), (True, COLUMNS_GRADIENT)]
)
def test_a_line_of_the_filter_s_table_has_all_columns_and_no_figure_for_what_is_missing(
    gradient, columns
):
    cells = filter_row(CASE | {"gradient": gradient})[2:-2].split(" | ")
    told = dict(zip(columns, (cell.strip() for cell in cells)))
    assert len(cells) == len(columns) and told["kornia ms"] == "10.0"
    assert told.get("OpenCV ms", "") == told.get("compiled ms", "") == ""


def test_what_has_no_gradient_is_not_timed_with_one():
    assert set(known(gradient=True)) == {"ours", "kornia"}
    assert {"ours", "kornia", "opencv"} <= set(known(gradient=False))

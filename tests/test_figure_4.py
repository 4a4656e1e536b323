"""The experiment of Fig. 4: what its summary says, and that an interrupted run goes on."""

from __future__ import annotations

from argparse import Namespace

import pytest

from benchmarks import figure_4
from benchmarks.figure_4 import MAIN, VARIANTS, WITHOUT, jobs, swaps
from benchmarks.figure_4_summary import compared, spread, summary, text
from course.adapters import has_adapter


def row(clip, variant, std, end):
    probe = {"similarity_mean": 0.9, "temporal_loss": 0.1}
    probes = [probe | {"similarity_std": value} for value in std]
    chains = {"source": [0.5, 0.9], "true target": [0.5, 0.8]}
    truth = {"target_psnr": 20.0 + end, "warping_ratio": None, "flicker": 3.0}
    return {"clip": clip, "variant": variant, "probes": probes, "chain": [0.5, end],
            "chains": chains, **truth}  # fmt: skip


ROWS = [row(c, WITHOUT, [0.2], 0.7 + c / 10) for c in (0, 1)]
ROWS += [row(c, MAIN, [0.2, 0.1], 0.6 + c / 10) for c in (0, 1)]
ROWS += [row(0, "rank 1", [0.2, 0.3], 0.8)]


def options(tmp_path, **changed):
    small = {"model": "embedded", "steps": 2, "skip": 0, "guidance": 2.0, "finetune": 1, "every": 1}
    small |= {"clips": 1, "ablation_clips": 0, "log": tmp_path / "log"}
    return Namespace(**small | changed)


def test_a_line_has_the_mean_and_the_deviation_over_clips():
    assert spread([[1.0, 2.0], [3.0, 2.0]]) == {"mean": [2, 2], "spread": [1.414, 0]}


def test_the_line_without_adapter_stays_flat_while_another_is_trained():
    right = summary(ROWS)["right"]["similarity_std"]
    assert right["without adapter"]["mean"] == [0.2, 0.2]
    assert right["with adapter"]["mean"] == [0.2, 0.1]


def test_each_variant_is_compared_on_its_own_clips():
    found = summary(ROWS)["ablations"]
    assert found["rank 1"]["latent_similarity"]["of"] == 1
    assert found[MAIN]["latent_similarity"] == pytest.approx(
        {"without": 0.75, "with": 0.65, "spread": 0, "rises": 0, "of": 2}, abs=1e-6
    )


def test_what_was_measured_nowhere_is_left_out():
    found = compared([(ROWS[0], ROWS[2])])
    assert "warping_ratio" not in found and found["similarity_std"]["rises"] == 0


def test_the_report_names_every_variant():
    assert all(name in text(summary(ROWS)) for name in (MAIN, "rank 1", "true target"))


def test_every_clip_moves_and_has_its_line_without_adapter(tmp_path):
    drawn, wanted = swaps(12), jobs(options(tmp_path, clips=12, ablation_clips=2))
    assert len(drawn) == 12 and all(swap.scene.motion != "still" for swap in drawn)
    assert wanted[:2] == [(0, WITHOUT), (0, MAIN)]
    assert len(set(wanted)) == len(wanted) == 24 + 2 * (len(VARIANTS) - 1)


def test_an_interrupted_run_goes_on_from_its_log_and_no_other(pipe, tmp_path, monkeypatch):
    first = list(figure_4.run(pipe, options(tmp_path)))
    monkeypatch.setattr(figure_4, "Experiment", None)  # nothing is left to run
    assert list(figure_4.run(pipe, options(tmp_path))) == first
    with pytest.raises(ValueError, match="another --log"):
        list(figure_4.run(pipe, options(tmp_path, guidance=3.0)))


@pytest.mark.parametrize("name", ["released code", "taps on the middle block", "tokens"])
def test_every_variant_trains_and_leaves_the_model_as_it_was(embedded, tmp_path, name):
    experiment = figure_4.Experiment(embedded, swaps(1)[0], options(tmp_path))
    found = experiment.trained(VARIANTS[name])
    assert len(found["probes"]) == 2 and len(found["chain"]) == 3
    assert not has_adapter(embedded.unet) and experiment.tokens is None


def test_the_taps_of_every_variant_are_in_the_model(embedded):
    modules = dict(embedded.unet.named_modules())
    kinds = {settings["taps"] for settings in VARIANTS.values() if "taps" in settings}
    assert all(name in modules for kind in kinds for name in figure_4.taps(embedded.unet, kind))

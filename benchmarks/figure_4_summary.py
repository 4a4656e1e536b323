"""What ``benchmarks.figure_4`` tells of its rows: means, spreads, and on how many clips."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from benchmarks.edit_figures import markdown

PROBES = ("similarity_mean", "similarity_std", "temporal_loss")
TRUTH = ("target_psnr", "warping_ratio", "flicker")


def summary(rows: Sequence[dict]) -> dict:
    """Return both panels and the ablations of Fig. 4, ready for JSON.

    ``left[line]`` and ``right[figure][line]`` have "mean" and "spread" (the standard deviation
    over clips) at each step; ``clips`` the ends of each clip's own lines; ``ablations[variant]``
    compares a variant with no adapter, on the clips that it was trained on.
    """
    table = {(row["clip"], row["variant"]): row for row in rows}
    clips = sorted({clip for clip, _ in table})
    without, trained = ([table[c, name] for c in clips] for name in ("no adapter", "paper"))
    chains = {
        "source": [row["chains"]["source"] for row in without],
        "true target": [row["chains"]["true target"] for row in without],
        "without adapter": [row["chain"] for row in without],
        "with adapter": [row["chain"] for row in trained],
    }
    # Without an adapter nothing changes while another one is trained.
    flat = [row["probes"] * len(trained[0]["probes"]) for row in without]
    probes = {"without adapter": flat, "with adapter": [row["probes"] for row in trained]}
    return {
        "left": {line: spread(curves) for line, curves in chains.items()},
        "right": {
            key: {
                line: spread([[probe[key] for probe in clip] for clip in lines])
                for line, lines in probes.items()
            }
            for key in PROBES
        },
        "clips": [{line: curves[i][-1] for line, curves in chains.items()} for i in clips],
        "ablations": {name: compared(pairs) for name, pairs in _pairs(table, rows).items()},
    }  # fmt: skip


def _pairs(table: dict[tuple[int, str], dict], rows: Sequence[dict]) -> dict[str, list]:
    """Return for each variant its clips' (without adapter, with it).

    Where ablations have fewer clips, the main variant stands twice: on all, and on these.
    """
    clips = sorted({clip for clip, _ in table})
    names = [name for name in dict.fromkeys(row["variant"] for row in rows) if name != "no adapter"]
    pairs = {
        name: [(table[c, "no adapter"], table[c, name]) for c in clips if (c, name) in table]
        for name in names
    }
    few = [c for c in clips if all((c, name) in table for name in names)]
    if 0 < len(few) < len(clips) and len(names) > 1:
        main, *others = names
        same = {f"{main}, on these {len(few)}": [pairs[main][clips.index(c)] for c in few]}
        pairs = {main: pairs[main]} | same | {name: pairs[name] for name in others}
    return pairs


def spread(curves: Sequence[Sequence[float]]) -> dict[str, list[float]]:
    """Return mean and standard deviation over clips at each step."""
    steps = list(zip(*curves))
    return {
        "mean": [_round(statistics.fmean(values)) for values in steps],
        "spread": [_round(statistics.stdev(values)) for values in steps],
    }


def compared(pairs: Sequence[tuple[dict, dict]]) -> dict[str, dict]:
    """Return each figure's mean without and with adapter, the change's spread, its rises."""
    values = {
        key: [(a["probes"][-1][key], b["probes"][-1][key]) for a, b in pairs] for key in PROBES
    }
    values["latent_similarity"] = [(a["chain"][-1], b["chain"][-1]) for a, b in pairs]
    values |= {key: [(a[key], b[key]) for a, b in pairs] for key in TRUTH}
    known = {key: [pair for pair in each if None not in pair] for key, each in values.items()}
    return {key: _change(each) for key, each in known.items() if each}


def _change(pairs: Sequence[tuple[float, float]]) -> dict[str, float | int]:
    changes = [after - before for before, after in pairs]
    return {
        "without": _round(statistics.fmean(before for before, _ in pairs)),
        "with": _round(statistics.fmean(after for _, after in pairs)),
        "spread": _round(statistics.stdev(changes)) if len(changes) > 1 else 0.0,
        "rises": sum(change > 0 for change in changes),
        "of": len(changes),
    }


def _told(change: dict[str, float | int]) -> str:
    return f"{change['without']:.3g} -> {change['with']:.3g} ({change['rises']})"


def _round(value: float) -> float:
    return float(f"{value:.4g}")


def text(found: dict) -> str:
    """Write the ends of both panels, and a row for each variant."""
    left = [
        [line, each["mean"][0], each["mean"][-1], each["spread"][-1]]
        for line, each in found["left"].items()
    ]
    right = [
        [f"{key}, {line}", each["mean"][0], each["mean"][-1], each["spread"][-1]]
        for key, lines in found["right"].items()
        for line, each in lines.items()
    ]
    keys = ("latent_similarity", *PROBES, *TRUTH)
    header = ["variant", "clips", *(f"{key}: without -> with (rises)" for key in keys)]
    rows = [
        [name, each["similarity_std"]["of"],
         *(_told(each[key]) if key in each else None for key in keys)]
        for name, each in found["ablations"].items()
    ]  # fmt: skip
    return "\n".join([
        f"{len(found['clips'])} clips. Left panel, similarity of neighbouring latents:\n",
        markdown(["line", "first step", "last step", "spread over clips"], left),
        "\nRight panel, features at fixed timesteps and noise:\n",
        markdown(["figure and line", "before training", "after it", "spread over clips"], right),
        "\nAblations, against no adapter on the same clips:\n",
        markdown(header, rows),
    ])  # fmt: skip

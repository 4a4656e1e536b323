"""What the edit benchmark counts: shares of frames, means over scenes, wins of the adapter.

Pure functions on the figures that ``benchmarks.edit`` collects, one dictionary for each scene:
{name of the clip: {figure: value, "seen": {attribute: words}}}.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from course.clips.scenes import Scene

KINDS = ("colour", "shape", "background")
COLUMNS = {
    "warping_error": "warping error", "similarity_mean": "mean similarity",
    "similarity_min": "lowest similarity", "temporal_loss": "temporal loss",
    "background_psnr": "background PSNR [dB]", "source_psnr": "PSNR to source [dB]",
}  # fmt: skip
EDITED = ("edit", "no adapter", "frame by frame")
"""The clips that show what the target prompt says."""


@dataclass(frozen=True)
class Swap:
    """A held-out scene, and the one attribute of it that an edit must change."""

    scene: Scene
    kind: str
    new: str

    @property
    def target(self) -> Scene:
        """The scene that a perfect edit shows."""
        return replace(self.scene, **{self.kind: self.new})


def by_kind(swaps: Sequence[Swap], measured: Sequence[dict], clip: str = "edit") -> dict[str, dict]:
    """Return for each kind of swap the share of frames judged right, and the background's PSNR.

    Each has ``scenes``, ``asked`` (percent of frames that show the asked word), ``kept`` (percent
    for each other attribute), ``whole`` (all three right), ``psnr_mean`` and ``psnr_min`` in dB
    over scenes, None where the background is what was swapped.
    """
    table = {}
    for kind in KINDS:
        chosen = [(s, m[clip]) for s, m in zip(swaps, measured) if s.kind == kind and clip in m]
        if not chosen:
            continue
        hits = {
            name: [w == getattr(s.target, name) for s, m in chosen for w in m["seen"][name]]
            for name in KINDS
        }
        ratios = [m["background_psnr"] for _, m in chosen if m["background_psnr"] is not None]
        table[kind] = {
            "scenes": len(chosen),
            "asked": _percent(hits[kind]),
            "kept": {name: _percent(hits[name]) for name in KINDS if name != kind},
            "whole": _percent([all(frame) for frame in zip(*hits.values())]),
            "psnr_mean": sum(ratios) / len(ratios) if ratios else None,
            "psnr_min": min(ratios, default=None),
        }
    return table


def by_clip(measured: Sequence[dict]) -> dict[str, dict[str, float | None]]:
    """Return the mean of each figure over scenes for each clip, the edit first.

    ``ratio`` is the warping error as a share of that of editing frame by frame.
    """
    names = dict.fromkeys(name for m in measured for name in (*EDITED, *m) if name in m)
    table = {
        name: {key: _mean([m[name][key] for m in measured if name in m]) for key in COLUMNS}
        for name in names
    }
    baseline = table.get("frame by frame", {}).get("warping_error")
    for row in table.values():
        row["ratio"] = row["warping_error"] / baseline if baseline else None
    return table


def adapter_effect(measured: Sequence[dict]) -> dict[str, dict]:
    """Compare each figure with and without the adapter, scene by scene; empty without adapters.

    ``better`` counts the scenes in which the adapter helps: a lower error or loss, a higher rest.
    The PSNR to the source is left out: an edit is meant to differ.
    """
    effect = {}
    for key in list(COLUMNS)[:-1]:
        pairs = [(m["no adapter"][key], m["edit"][key]) for m in measured if "no adapter" in m]
        pairs = [pair for pair in pairs if None not in pair]
        if pairs:
            sign = -1 if key in ("warping_error", "temporal_loss") else 1
            without, trained = (sum(values) / len(pairs) for values in zip(*pairs))
            better = sum(sign * (b - a) > 0 for a, b in pairs)
            effect[key] = {"without": without, "with": trained, "better": better, "of": len(pairs)}
    return effect


def failures(swaps: Sequence[Swap], measured: Sequence[dict], clip: str = "edit") -> list[dict]:
    """List the scenes with a frame judged wrong: scene, prompts, kind, asked, and what was seen."""
    failed = []
    for index, (swap, figures) in enumerate(zip(swaps, measured)):
        seen = {
            name: dict(Counter(words).most_common())
            for name, words in figures[clip]["seen"].items()
            if set(words) != {getattr(swap.target, name)}
        }
        if seen:
            failed.append(
                {"scene": index, "kind": swap.kind, "source": swap.scene.caption,
                 "asked": swap.target.caption, "seen": seen}
            )  # fmt: skip
    return failed


def goals(kinds: dict[str, dict], clips: dict[str, dict]) -> dict[str, bool]:
    """Hold the figures against what an edit should reach; {what: whether it does}."""
    met = {}
    for kind, row in kinds.items():
        met[f"{kind} swaps: asked attribute right in 95 % of frames"] = row["asked"] >= 95
        met[f"{kind} swaps: others kept in 95 % of frames"] = min(row["kept"].values()) >= 95
        if row["psnr_mean"] is not None:
            met[f"{kind} swaps: background PSNR of 26 dB"] = row["psnr_mean"] >= 26
    if clips["edit"]["ratio"] is not None:
        met["warping error at most half of that frame by frame"] = clips["edit"]["ratio"] <= 0.5
    return met


def _percent(hits: Sequence[bool]) -> float:
    return 100 * sum(hits) / len(hits)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table; a dash for None, three significant digits for small floats."""
    lines = ["| " + " | ".join(header) + " |", "|---|" + "---:|" * (len(header) - 1)]
    return "\n".join(lines + ["| " + " | ".join(map(_cell, row)) + " |" for row in rows])


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"
    return str(value)


def quality_rows(reports: Sequence[dict]) -> tuple[list[str], list[list[object]]]:
    """Return header and rows: each setting, with and without adapter, each kind of swap."""
    header = ["swap", "scenes", "skip", "guidance", "refine", "adapter", "asked right [%]",
              *(f"{name} kept [%]" for name in KINDS), "all right [%]",
              "background PSNR, mean [dB]", "lowest [dB]"]  # fmt: skip
    rows = []
    for report in reports:
        trained = f"{report['finetune']} steps" if report["finetune"] else "none"
        for kinds, adapter in ((report["kinds"], trained), (report["kinds_no_adapter"], "none")):
            for kind, row in kinds.items():
                rows.append(
                    [kind, row["scenes"], report["skip"], f"{report['guidance']:g}",
                     report["refine"], adapter, row["asked"],
                     *(row["kept"].get(name) for name in KINDS), row["whole"],
                     row["psnr_mean"], row["psnr_min"]]
                )  # fmt: skip
    return header, rows


def text(report: dict) -> str:
    """Write what one setting gave: every clip, the adapter, the goals, the scenes that failed."""
    lines = [
        f"## skip {report['skip']}, guidance {report['guidance']:g}, refine {report['refine']}\n",
        f"Means over the {report['moving']} scenes in which something moves:\n",
    ]
    header = ["clip", *COLUMNS.values(), "warping error / frame by frame"]
    lines.append(
        markdown(header, [[name, *(row[key] for key in (*COLUMNS, "ratio"))]
                          for name, row in report["clips"].items()])
    )  # fmt: skip
    if report["adapter"]:
        lines.append(f"\nThe adapter ({report['finetune']} steps on each clip):\n")
        lines.append(
            markdown(["figure", "without", "with", "scenes it helps"],
                     [[COLUMNS[key], row["without"], row["with"], f"{row['better']} of {row['of']}"]
                      for key, row in report["adapter"].items()])
        )  # fmt: skip
    lines.append("")
    lines += [f"{'met   ' if met else 'MISSED'} {what}" for what, met in report["goals"].items()]
    lines.append(f"\nscenes with a frame judged wrong: {len(report['failures'])}")
    for failure in report["failures"]:
        seen = "; ".join(
            f"{name}: " + ", ".join(f"{word} x{n}" for word, n in words.items())
            for name, words in failure["seen"].items()
        )
        lines.append(f"  {failure['scene']:>3} {failure['source']}")
        lines.append(f"   -> {failure['asked']}\n      seen {seen}")
    return "\n".join(lines)

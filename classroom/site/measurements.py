"""The page of methods and measurements: tables, from the files that hold what was measured."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

_COLUMNS = {
    "target_psnr": ("PSNR to the truth [dB]", ".1f"),
    "warping_ratio": ("warping error, as a multiple of the truth's", ".1f"),
    "asked": ("asked [%]", ".0f"),
    "kept": ("kept [%]", ".0f"),
    "target_ssim": ("SSIM", ".3f"),
    "flicker": ("flicker [of 255]", ".1f"),
    "seconds": ("seconds", ".1f"),
    "memory": ("memory [MiB]", ".0f"),
}
_METHODS = "lessons/frames_together/methods.json"
_FIGURE_4 = "lessons/video_edit/figure_4.json"


def tables(root: Path) -> dict[str, str]:
    """Return Markdown by the place that it fills: "methods", "recipes", "figure_4".

    Raises ValueError for a file of results that holds something else.
    """
    return {
        "methods": methods_table(_read(root / _METHODS)),
        "recipes": recipes(),
        "figure_4": figure_4_table(_read(root / _FIGURE_4)),
    }


def methods_table(results: Mapping[str, Mapping]) -> str:
    """Return the table of all measured methods, the nearest to the truth first."""
    known = [key for key in _COLUMNS if any(row.get(key) is not None for row in results.values())]
    lines = ["| method | " + " | ".join(_COLUMNS[key][0] for key in known) + " |"]
    lines.append("|---|" + "---:|" * len(known))
    for name in sorted(results, key=lambda name: -(results[name]["target_psnr"] or 0)):
        cells = [_cell(results[name].get(key), _COLUMNS[key][1]) for key in known]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    scenes = {row["scenes"] for row in results.values() if row.get("scenes")}
    told = " or ".join(str(int(number)) for number in sorted(scenes))
    return "\n".join([*lines, "", f"Each row is a mean over {told} held-out scenes."])


def recipes() -> str:
    """Return a list of the methods, from what their modules say of themselves."""
    from course.methods.registry import METHODS

    lines = []
    for name, method in METHODS.items():
        told = " ".join((method.module.__doc__ or "").partition("\n\n")[0].split())
        papers = ", ".join(
            dict.fromkeys(re.findall(r"arXiv \d+\.\d+", method.module.__doc__ or ""))
        )
        source = f" ({papers})" if papers else ""
        lines.append(f"- `{name}`, {method.kind}; a frame sees: {method.reach}. {told}{source}")
    return "\n".join(lines)


def figure_4_table(results: Mapping) -> str:
    """Return what an adapter trained on the clip changes, and on how many clips."""
    found = results["ablations"]["paper"]
    lines = [
        "| measure | without adapter | with adapter | spread | rises on |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, row in found.items():
        if isinstance(row, Mapping):
            cells = [_cell(row.get(key), ".4g") for key in ("without", "with", "spread")]
            rises = f"{row['rises']} of {row['of']} clips"
            lines.append(f"| {name.replace('_', ' ')} | " + " | ".join(cells) + f" | {rises} |")
    return "\n".join(lines)


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _read(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: no JSON ({error}); get it back with git checkout") from error

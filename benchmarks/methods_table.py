"""What `benchmarks.methods` measures, and its table: pure functions on the lines of its log."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.scenes import KINDS
from course.methods import DEFAULT_METHOD, METHODS, recipe

CEILING, FLOOR = "true target, through the autoencoder", "source, left alone"
ENTRIES: dict[str, dict[str, object]] = {name: {"method": name} for name in METHODS} | {
    "paper, with an adapter": {"method": "paper", "finetune_steps": 60},
    "paper, no mask": {"method": "paper", "mask_threshold": None},
    "edit_friendly, no mask": {"method": "edit_friendly", "mask_threshold": None},
    "flow_edit, no mask": {"method": "flow_edit", "mask_threshold": None},
    "flow_edit, 4 draws": {"method": "flow_edit", "settings": {"draws": 4}},
    "flow_edit + injected": {"method": "flow_edit+injected_features"},
    "flow_edit + injected + flow": {"method": "flow_edit+injected_features+latent_flow"},
    "flow_edit + token_flow": {"method": "flow_edit+token_flow"},
    "flow_edit + injected + pixel_flow": {"method": "flow_edit+injected_features+pixel_flow"},
    "flow_edit + injected + kept_pixels": {"method": "flow_edit+injected_features+kept_pixels"},
    "the default": {"method": DEFAULT_METHOD},
    "the default, estimated flow": {"method": DEFAULT_METHOD, "estimated": True},
    "the default, guidance 6": {"method": DEFAULT_METHOD, "guidance": 6.0},
    "the default, clip's flow alone": {
        "method": DEFAULT_METHOD,
        "settings": {"follow_object": False},
    },
    "the default, estimated flow, object's too": {
        "method": DEFAULT_METHOD,
        "estimated": True,
        "settings": {"follow_object": True},
    },
    "the default, no check": {"method": "edit_friendly+injected_features+pixel_flow+kept_pixels"},
    "paper + pixel_flow + kept_pixels": {"method": "paper+pixel_flow+kept_pixels"},
    "flow_edit + injected + pixel_flow + kept_pixels": {
        "method": "flow_edit+injected_features+pixel_flow+kept_pixels"
    },
    "edit_friendly + injected": {"method": "edit_friendly+injected_features"},
    "injected + flow": {"method": "injected_features+latent_flow"},
}
"""What is measured: a name and the arguments of `edit`. First every method by its name, with no
adapter trained on the clip (links on the paper's sampler); then variants and combinations.
`estimated` hides the scene's exact flow, so that it is estimated as that of a file is."""

COLUMNS = {
    "asked": ("asked [%]", ".1f"), "kept": ("kept [%]", ".1f"),
    "target_psnr": ("PSNR to target [dB]", ".2f"),
    **{f"target_psnr_{kind}": (kind, ".1f") for kind in KINDS},
    "object_psnr": ("object [dB]", ".1f"), "target_ssim": ("SSIM", ".3f"),
    "warping_ratio": ("warping / truth's", ".2f"), "flicker": ("flicker [of 255]", ".1f"),
    "background_psnr": ("background [dB]", ".1f"),
    "seconds": ("seconds", ".1f"), "memory": ("memory [MiB]", ".0f"),
}  # fmt: skip


def entry(name: str) -> dict[str, object]:
    """Return the arguments of `edit` behind a name of the table, or behind any recipe."""
    if name not in ENTRIES:
        recipe(name)  # raises for what is no recipe, with the list of names
    return ENTRIES.get(name, {"method": name})


def summary(lines: list[dict], names: list[str]) -> dict[str, dict[str, float | None]]:
    """Return the mean figures of each method over the scenes that all of them have.

    The warping error is a multiple of the ceiling's, sums over the scenes that move; scenes that
    stand still would flatter it.
    """
    by_name = {
        name: {line["scene"]: line for line in lines if line["name"] == name} for name in names
    }
    scenes = set.intersection(*(set(rows) for rows in by_name.values()))
    table = {}
    for name in names:
        rows = [by_name[name][scene] for scene in sorted(scenes)]
        means = {key: _mean([row.get(key) for row in rows]) for key in COLUMNS}
        for kind in KINDS:
            chosen = [row["target_psnr"] for row in rows if row["kind"] == kind]
            means[f"target_psnr_{kind}"] = _mean(chosen)
        moving = [row["warping"] for row in rows if row["moves"]]
        means["scenes"], means["moving"], means["warping"] = len(rows), len(moving), _mean(moving)
        table[name] = means
    return _with_ratios(table)


def joined(
    first: Mapping[str, Mapping[str, float | None]],
    second: Mapping[str, Mapping[str, float | None]],
) -> dict[str, dict[str, float | None]]:
    """Return one table of the rows that two tables of different scenes both have.

    Means are weighed by the number of scenes (the three kinds in turn, so their shares are equal),
    the warping error by that of scenes that move. Seconds and memory stay those of the first table:
    two runs under other loads have no mean.
    """
    table = {}
    for name in (name for name in first if name in second):
        one, two = first[name], second[name]
        row = {key: _weighed(one, two, key, "scenes") for key in one}
        row["warping"] = _weighed(one, two, "warping", "moving")
        row |= {key: one[key] + two[key] for key in ("scenes", "moving")}
        table[name] = row | {key: one[key] for key in ("seconds", "memory")}
    return _with_ratios(table)


def _weighed(
    one: Mapping[str, float | None], two: Mapping[str, float | None], key: str, count: str
) -> float | None:
    known = [(row[count], row[key]) for row in (one, two) if row[key] is not None]
    total = sum(number for number, _ in known)
    return sum(number * value for number, value in known) / total if total else None


def _with_ratios(table: dict[str, dict[str, float | None]]) -> dict[str, dict[str, float | None]]:
    own = table.get(CEILING, {}).get("warping")
    for means in table.values():
        means["warping_ratio"] = means["warping"] / own if own and means["warping"] else None
    return table


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def markdown(table: Mapping[str, Mapping[str, float | None]]) -> str:
    """Return the table with the best PSNR first, and how far each method's frames see."""
    lines = ["| method | " + " | ".join(title for title, _ in COLUMNS.values()) + " | reach |"]
    lines.append("|---|" + "---:|" * len(COLUMNS) + "---|")
    best_first = sorted(table, key=lambda name: -(table[name]["target_psnr"] or 0))
    for name in best_first:
        values = ((table[name].get(key), form) for key, (_, form) in COLUMNS.items())
        cells = ["-" if value is None else format(value, form) for value, form in values]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {reach(name)} |")
    return "\n".join(lines)


def against_clips(
    table: Mapping[str, Mapping[str, float | None]], own: list[float]
) -> dict[str, float]:
    """Return warping errors as multiples of the true clips' own, not of the ceiling's.

    `own` are the errors of the true clips that move. Raises ValueError for other scenes than the
    table's.
    """
    wanted = {int(row["moving"] or 0) for row in table.values()}
    if wanted != {len(own)}:
        raise ValueError(
            f"the table has {', '.join(map(str, sorted(wanted)))} scenes that move and these are "
            f"{len(own)}; give the --scenes, --shapes and --kinds that it was measured with"
        )
    rows = {name: row["warping"] for name, row in table.items() if row["warping"] is not None}
    return {name: value * len(own) / sum(own) for name, value in rows.items()}


def against_clips_text(table: Mapping[str, Mapping[str, float | None]], own: list[float]) -> str:
    """Write `against_clips`, the steadiest first."""
    rows = sorted(against_clips(table, own).items(), key=lambda row: row[1])
    if not rows:
        return "No scene moves, so there is no warping error."
    told = f"{len(own)} that move: {sum(own) / len(own):.3g}. As multiples of it:"
    lines = [f"Warping error of the true clips themselves, {told}"]
    return "\n".join(lines + [f"  {value:6.2f}  {name}" for name, value in rows])


def reach(name: str) -> str:
    """Return how far a frame sees under a method: what its chunks must hold."""
    if name in (CEILING, FLOOR):
        return "-"
    way = recipe(str(entry(name)["method"]))
    order = ("frame", "neighbours", "past", "chunk", "clip")
    return max((method.reach for method in (way.sampler, *way.links)), key=order.index)

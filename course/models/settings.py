"""What suits a kind of model when nobody says otherwise: one table, each line with its source.

A guidance of 3 is right for the small embedded model and far too low for Stable Diffusion. The kind
is read off the pipeline, so that a copy in another folder is treated as what it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

OWN = "own"
"""The value of a mask's threshold that leaves the choice to the table, and so to the method."""

EMBEDDED, STABLE_DIFFUSION = "embedded", "Stable Diffusion"


@dataclass(frozen=True)
class Setting:
    """A value, where it comes from, and whether it was measured here on this kind of model."""

    value: float | Mapping[str, float] | bool
    source: str
    measured: bool = False


SETTINGS: dict[str, dict[str, Setting]] = {
    EMBEDDED: {
        "guidance": Setting(3.0, "benchmarks.methods, benchmarks.figure_4", measured=True),
        "n_steps": Setting(25, "benchmarks.methods", measured=True),
        "mask": Setting(True, "DiffEdit, arXiv 2210.11427; benchmarks.methods", measured=True),
        "skip": Setting({}, "each method's own share; benchmarks.methods", measured=True),
        "tries": Setting(3, "benchmarks.methods", measured=True),
        "learning_rate": Setting(1e-3, "benchmarks.figure_4", measured=True),
        "decode_chunk": Setting(8, "benchmarks.speed", measured=True),
    },
    STABLE_DIFFUSION: {
        "guidance": Setting(
            7.5, "TokenFlow's config_pnp.yaml, diffusers' own default; Tune-A-Video: 12.5"
        ),
        "n_steps": Setting(50, "TokenFlow's config_pnp.yaml, Tune-A-Video's man-skiing.yaml"),
        "mask": Setting(
            False, "a word of style changes every pixel; TokenFlow and Tune-A-Video have no mask"
        ),
        "skip": Setting(
            {"paper": 0.0, "edit_friendly": 0.36, "flow_edit": 0.34},
            "Tune-A-Video's man-skiing.yaml inverts all steps; edit-friendly inversion, arXiv "
            "2304.06140: 36 of 100, with guidance 15 (its main_run.py skips none unless told); "
            "FlowEdit's SD3_exp.yaml: n_max 33 of 50, with guidance 3.5 and 13.5",
        ),
        "tries": Setting(
            0, "no peer edits again; what counts as shown was measured on the embedded model alone"
        ),
        "learning_rate": Setting(1e-4, "diffusers' train_text_to_image_lora.py"),
        "decode_chunk": Setting(
            4, "benchmarks.stable_diffusion: the VAE then needs less than the UNet with 8 frames"
        ),
    },
}
"""By kind of model. "mask": whether to keep what the prompts agree on, as each method does it;
"skip": shares of the noisiest steps to leave out by sampler, where they differ from its own;
"tries": how often `prompt_check` lets an edit be made, 0 for no check."""


def kind_of(pipe: StableDiffusionPipeline) -> str:
    """Return the kind of a pipeline: a tokenizer that lists its words is the embedded model's."""
    words = getattr(getattr(pipe, "tokenizer", None), "init_kwargs", {}).get("words")
    return EMBEDDED if words else STABLE_DIFFUSION


def kind_by_name(model: str) -> str:
    """Return the kind of a model before it is loaded: by the tokenizer of its folder."""
    folder = Path(__file__).parents[1] / "embedded" if model == "embedded" else Path(model)
    try:
        told = json.loads((folder / "tokenizer" / "tokenizer_config.json").read_text("utf-8"))
    except (OSError, ValueError):  # a hub's id, or a folder that loading will complain of
        return STABLE_DIFFUSION
    return EMBEDDED if isinstance(told, dict) and told.get("words") else STABLE_DIFFUSION


class Chosen(NamedTuple):
    """The settings of one edit, each the caller's or the table's."""

    kind: str
    n_steps: int
    guidance: float
    skip: int
    mask_threshold: float | None
    learning_rate: float
    decode_chunk: int

    def __str__(self) -> str:
        mask = "no mask" if self.mask_threshold is None else f"mask {self.mask_threshold:g}"
        # Of DDIM, DDPM or FlowEdit: the scheduler's timesteps are taken, its own solver is not.
        steps = f"{self.n_steps} first-order steps without the {self.skip} noisiest"
        return f"guidance {self.guidance:g}, {steps}, {mask}"


def chosen(
    pipe: StableDiffusionPipeline | str,
    sampler: object,
    *,
    n_steps: int | None = None,
    guidance: float | None = None,
    skip: int | None = None,
    mask_threshold: float | str | None = OWN,
    learning_rate: float | None = None,
    decode_chunk: int | None = None,
) -> Chosen:
    """Return what an edit uses: what is given, else what the table has for the pipeline's kind.

    `pipe` may be the name of a kind, where nothing is loaded yet.
    `sampler` has a `name` and, for where the table leaves it to the method, `skip` (a share of the
    steps) and `mask_threshold`. The mask is None for none, and "own" for the table's choice.
    """
    kind = pipe if isinstance(pipe, str) else kind_of(pipe)
    values = {name: line.value for name, line in SETTINGS[kind].items()}
    if mask_threshold == OWN:
        mask_threshold = sampler.mask_threshold if values["mask"] else None
    n_steps = values["n_steps"] if n_steps is None else n_steps
    share = values["skip"].get(sampler.name, sampler.skip)
    return Chosen(
        kind,
        n_steps,
        values["guidance"] if guidance is None else guidance,
        int(n_steps * share) if skip is None else skip,
        mask_threshold,
        values["learning_rate"] if learning_rate is None else learning_rate,
        values["decode_chunk"] if decode_chunk is None else decode_chunk,
    )


def settings_table(kind: str) -> str:
    """Return the settings of a kind of model as a Markdown table."""
    lines = ["| setting | value | source | measured |", "|---|---|---|---|"]
    for name, line in SETTINGS[kind].items():
        value = line.value
        if isinstance(value, Mapping):
            value = ", ".join(f"{key} {share:g}" for key, share in value.items()) or "the method's"
        elif isinstance(value, bool):
            value = "the method's" if value else "none"
        measured = "here" if line.measured else "not here"
        lines.append(f"| {name} | {value} | {line.source} | {measured} |")
    return "\n".join(lines)

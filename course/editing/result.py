"""What an edit returns, and how it is written to disk."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from course.clips import Clip, contact_sheet, write_clip, write_image
from course.files import safe_output
from course.finetune import FinetuneStep
from course.metrics import TRUTH_COLUMNS, against_target
from course.models import decode_latents, encode_frames, execution_device
from course.temporal import adjacent_similarities

from .measure import figures

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

COLUMNS = {
    "similarity_mean": "mean similarity",
    "similarity_min": "lowest similarity",
    "temporal_loss": "temporal loss",
    "warping_error": "warping error",
    "estimated_warping_error": "warping error (estimated flow)",
    "background_psnr": "background PSNR [dB]",
    "source_psnr": "PSNR to source [dB]",
    **TRUTH_COLUMNS,
}
"""The metrics of an edit and how a table calls them."""


@dataclass(frozen=True)
class Edit:
    """An edited clip, what led to it, and its figures beside their baselines.

    ``clip`` is the edit and ``source`` what came in; ``inverted`` (T, C, h, w) are the noisy
    latents that DDIM inversion found (None: the method inverts nothing), ``mask`` (T, 1, h, w) is 1
    where the edit could change the clip (None: everywhere); ``reconstruction`` is what the method
    makes of the source prompt (None: not asked for). ``baselines`` are clips by name,
    ``metrics[row][column]`` floats (None where a ratio is not finite; what is not known of the
    source has no column), ``similarities[row]`` the adjacent similarities (T-1,) of its latents,
    ``seconds`` the time of each stage, ``training`` the fine-tuning.
    """

    clip: Clip
    source: Clip
    inverted: Tensor | None
    reconstruction: Clip | None
    baselines: dict[str, Clip]
    metrics: dict[str, dict[str, float | None]]
    similarities: dict[str, Tensor]
    seconds: dict[str, float]
    training: list[FinetuneStep] = field(default_factory=list)
    mask: Tensor | None = None

    def against(self, target: Clip, pipe: StableDiffusionPipeline) -> Edit:
        """Return the edit with every clip held against the true target as well.

        ``target`` is the render of the scene that the target prompt describes, with its exact mask
        and flow. Each row of ``metrics`` gains the columns of `course.metrics.against_target`, and
        two rows are new: "true target", and "true target, VAE round trip", which is the ceiling of
        whatever ``pipe`` decodes. Raises ValueError for a target that is none.
        """
        target = target.to(self.source.frames.device, self.source.frames.dtype)
        latents = encode_frames(pipe, target.frames.to(execution_device(pipe)))
        trip = replace(target, frames=decode_latents(pipe, latents).to(target.frames))
        clips = {"source": self.source, "reconstruction": self.reconstruction, "edit": self.clip}
        new = {"true target": target, "true target, VAE round trip": trip}
        clips |= self.baselines | new
        rows = self.metrics | {
            name: figures(clip, self.source, latents) for name, clip in new.items()
        }
        metrics = {
            name: row | against_target(clips[name].frames, target, trip.frames)
            for name, row in rows.items()
        }
        similarities = self.similarities | dict.fromkeys(new, adjacent_similarities(latents))
        return replace(
            self, metrics=metrics, similarities=similarities, baselines=self.baselines | new
        )

    def table(self, *names: str) -> str:
        """Return the metrics as a Markdown table; a dash for the ratio of a clip to itself.

        ``names`` chooses columns (default: all that are known).
        """
        known = {name for row in self.metrics.values() for name in row}
        columns = {name: COLUMNS[name] for name in names or COLUMNS if name in known}
        lines = ["| clip | " + " | ".join(columns.values()) + " |"]
        lines.append("|---|" + "---:|" * len(columns))
        for row, values in self.metrics.items():
            cells = [_cell(name, values.get(name)) for name in columns]
            lines.append(f"| {row} | " + " | ".join(cells) + " |")
        return "\n".join(lines)

    def sheet(self):
        """Return a contact sheet (PIL image): source, reconstruction, edit and the baselines."""
        rows = {"source": self.source, "reconstruction": self.reconstruction, "edit": self.clip}
        rows |= {name: clip for name, clip in self.baselines.items() if name != "frozen clip"}
        rows = {name: clip for name, clip in rows.items() if clip is not None}
        return contact_sheet(list(rows.values()), labels=list(rows))

    def save(self, path: str | Path) -> dict[str, Path]:
        """Write the edit to ``path`` (.mp4) and what belongs to it beside it; return the files.

        Beside ``out.mp4`` come ``out_sheet.png``, ``out_metrics.json``, ``out_metrics.md`` and,
        where there is one, ``out_reconstruction.mp4``. Each file is written under a temporary
        name first.
        """
        path = Path(path)
        files = {
            "clip": path,
            "sheet": path.with_name(f"{path.stem}_sheet.png"),
            "json": path.with_name(f"{path.stem}_metrics.json"),
            "table": path.with_name(f"{path.stem}_metrics.md"),
        }
        write_clip(self.clip, files["clip"])
        if self.reconstruction is not None:
            files["reconstruction"] = path.with_name(f"{path.stem}_reconstruction.mp4")
            write_clip(self.reconstruction, files["reconstruction"])
        write_image(self.sheet(), files["sheet"])
        figures = {"metrics": self.metrics, "seconds": self.seconds}
        _write_text(json.dumps(figures, indent=2) + "\n", files["json"])
        _write_text(self.table() + "\n", files["table"])
        return files


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if name.endswith(("psnr", "ratio", "flicker")) else f"{value:.3g}"


def _write_text(text: str, path: Path) -> None:
    with safe_output(path) as file:
        file.write(text.encode())
